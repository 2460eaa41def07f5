"""Mutated files: each is accepted, or refused with an InputError of one sentence.

    python -m tests.fuzz --cases 10000 --seed 0

Cases run in a child process with limits on memory and time; the child reports by line, and is
replaced when it dies or hangs. An audit hook reports programs started, connections made, pickled
functions looked up, and files written outside the case's own folder.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch

from tests.fuzz.case import Watch, case
from tests.fuzz.seeds import seeds

#: Seconds and bytes (beyond those of the child at its start) that a case may take.
SECONDS, MEMORY = 20, 2**31


def _say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def _child(numbers: list[int], seed: int, place: Path) -> None:
    torch.set_num_threads(1)
    os.environ["LATENTRANK_CACHE"] = str(place / "cache")
    found = seeds(place / "seeds")
    for path, read in found.values():  # imports everything, and shows that all are valid
        copy = Path(tempfile.mkdtemp(dir=place)) / path.name
        (shutil.copytree if path.is_dir() else shutil.copy)(path, copy)
        read(copy)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    watch = Watch(place)
    _say("ready")
    for number in numbers:
        _say(f"begin {number}")
        watch.on = True
        signal.alarm(SECONDS + 5)  # kills even what holds the interpreter's lock
        try:
            result = case(number, seed, found, place)
        finally:
            watch.on = False
            signal.alarm(0)
        _say(json.dumps([number, *result]))


def run(numbers: list[int], seed: int) -> Iterator[list[Any]]:
    """Run cases in children, each of which lasts until a case ends it.

    Yields:
        The case's number, kind, change and verdict.
    """
    left = list(numbers)
    while left:
        place = Path(tempfile.mkdtemp(prefix="fuzz-"))
        call = [sys.executable, "-m", "tests.fuzz", "--seed", str(seed), "--child", str(place)]
        # errors go to a file: a pipe that nobody reads would fill, and stop the child
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said
            )
            assert process.stdin is not None
            process.stdin.write(json.dumps(left).encode())
            process.stdin.close()
            try:
                yield from _answers(process, left, said)
            finally:
                process.kill()
                process.wait()
                shutil.rmtree(place, ignore_errors=True)


def _answers(
    process: subprocess.Popen[bytes], left: list[int], said: IO[bytes]
) -> Iterator[list[Any]]:
    ready = False
    assert process.stdout is not None
    while left:
        seconds = SECONDS + 5 if ready else 600
        line = b""
        if select.select([process.stdout], [], [], seconds)[0]:
            line = process.stdout.readline()
        if line.startswith(b"["):
            result = json.loads(line)
            left.remove(result[0])
            yield result
        elif line:
            ready = ready or line.startswith(b"ready")
        elif ready:
            process.kill()
            why = f"FAULT died or hung ({process.wait()})"
            yield [left.pop(0), "?", "?", why]
            return
        else:
            said.seek(0)
            raise RuntimeError(said.read().decode())


def main() -> int:
    """Run the cases and print the counts by kind, and every fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, nargs="*")
    parser.add_argument("--child", type=Path)
    given = parser.parse_args()
    if given.child:
        _child(json.load(sys.stdin), given.seed, given.child)
        return 0
    counts: Counter[tuple[str, str]] = Counter()
    start = time.monotonic()
    for number, kind, change, said in run(given.only or list(range(given.cases)), given.seed):
        word = said.split()[0]
        counts[kind, word] += 1
        if word == "FAULT" or given.only:
            _say(number, kind, "|", change, "|", said)
    for kind in dict.fromkeys(kind for kind, _ in counts):
        row = (f"{counts[kind, word]:5d} {word}" for word in ("accepted", "refused", "FAULT"))
        _say(f"{kind:25s}", *row)
    total = Counter(word for (_, word), n in counts.items() for _ in range(n))
    _say(f"{dict(total)} in {time.monotonic() - start:.0f} s")
    return int(total["FAULT"] > 0)


if __name__ == "__main__":
    sys.exit(main())
