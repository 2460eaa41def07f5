"""Runs that are killed at random moments and resumed end as if nothing had happened.

    python -m tests.kill --kills 10 --seed 0

Runs are forked from this process, on one process and on two, and get SIGKILL after a random time,
again and again until they are finished. The end must equal that of an undisturbed run bit by bit.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file

from latentrank import Run, RunConfig, runs
from latentrank.errors import InputError
from latentrank.training import fit  # noqa: F401 - imported once, not after each fork

TINY: dict[str, Any] = {
    "data": "blobs", "device": "cpu", "train_size": 64, "test_size": 16, "latent_dim": 4,
    "batch_size": 8, "net": "mlp", "schedule": "cosine", "seed": 3,
}  # fmt: skip


@contextmanager
def interrupted_write(number: int, by: Callable[[Path], None]) -> Iterator[list[Path]]:
    """Interrupt a file's atomic write when half of it is written.

    Args:
        number: of the write, from 0.
        by: called with the half written file.

    Yields:
        The files written so far.
    """
    written: list[Path] = []
    replace = Path.replace

    def counted(self: Path, target: Path) -> Path:
        written.append(Path(target))
        if len(written) == number + 1:
            os.truncate(self, self.stat().st_size // 2)
            by(self)
        return replace(self, target)

    Path.replace = counted  # type: ignore[method-assign]
    try:
        yield written
    finally:
        Path.replace = replace  # type: ignore[method-assign]


def forked(action: Callable[[], object]) -> int:
    """Start a process that does something and ends with status 0, 2 (bad input) or 1."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        action()
        status = 0
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        status = 2
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    finally:
        os._exit(status)


def train_or_resume(config: RunConfig, folder: Path) -> None:
    """Act as a user does after a crash: repeat the command, with --resume if there is a run."""
    begun = (folder / "config.yaml").is_file()
    if begun and Run(folder).finished:
        return  # killed on its way out
    if begun:
        runs.resume(folder, progress=False)
    else:
        runs.train(config, folder, progress=False)


def differences(one: Path, other: Path) -> list[str]:
    """What differs between two finished runs besides the time that they took."""
    found = []
    for name in ("model.safetensors", "codes.safetensors"):
        arrays, others = load_file(one / name), load_file(other / name)
        same = arrays.keys() == others.keys()
        if not same or any(a.tobytes() != others[key].tobytes() for key, a in arrays.items()):
            found.append(name)
    first, second = Run(one), Run(other)
    if first.metrics | {"seconds": 0} != second.metrics | {"seconds": 0}:
        found.append("metrics.json")
    rows, others = first.history, second.history
    found += [
        f"{column} of history.csv"
        for column in rows
        if column != "seconds" and not np.array_equal(rows[column], others[column], True)
    ]
    if not np.all(np.diff(second.history["step"]) > 0):
        found.append("rows of history.csv repeat")
    return found


def processes(config: RunConfig, folder: Path) -> list[int]:
    """Start a run, on as many processes as it has devices."""
    count = int(config.machine.devices)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])

    def start(rank: int) -> int:
        def action() -> None:
            if count > 1:
                os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
                os.environ |= {"LOCAL_RANK": str(rank), "NODE_RANK": "0"}
                os.environ |= {"WORLD_SIZE": str(count), "RANK": str(rank)}
            train_or_resume(config, folder)

        return forked(action)

    return [start(rank) for rank in range(count)]


def wait(pids: list[int], seconds: float) -> list[int | None]:
    """The exit statuses after at most some seconds; None for what still runs."""
    found: dict[int, int] = {}
    deadline = time.monotonic() + seconds
    while len(found) < len(pids) and time.monotonic() < deadline:
        for pid in set(pids) - found.keys():
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                found[pid] = os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    return [found.get(pid) for pid in pids]


def end(pids: list[int], statuses: list[int | None]) -> None:
    """Kill what still runs."""
    for pid, status in zip(pids, statuses, strict=True):
        if status is None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def trial(config: RunConfig, place: Path, kills: int, rng: random.Random) -> tuple[int, list[str]]:
    """Kill runs and compare the end of each with that of an undisturbed one.

    Returns:
        How often one was killed, and what differs.
    """
    whole, part = place / "whole", place / "part"
    begin, killed = time.monotonic(), 0
    pids = processes(config, whole)
    statuses = wait(pids, 600)
    end(pids, statuses)
    seconds = time.monotonic() - begin
    while not any(statuses):
        if part.exists():
            if wrong := differences(whole, part):
                return killed, wrong
            shutil.rmtree(part)
            if killed >= kills:
                return killed, []
        statuses = [None]
        while None in statuses:
            # a part of the run each time; often enough it gets to its end
            limit = 600 if killed >= kills else rng.uniform(0, seconds)
            pids = processes(config, part)
            statuses = wait(pids, limit)
            end(pids, statuses)
            killed += None in statuses
    return killed, [f"a run ended with {statuses}"]


def main() -> int:
    """Kill runs until there were enough kills for one process and for two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--devices", type=int, nargs="*", default=[1, 2])
    given = parser.parse_args()
    torch.set_num_threads(1)
    rng, failed = random.Random(given.seed), False
    methods = [
        ("vae", {}),
        ("rrae", {"keep": "best"}),
        ("ae", {"patience": 3}),
        ("lorae", {"steps": 90, "validate_every": 3}),
    ]
    for devices in given.devices:
        for method, more in methods:
            machine = {"devices": devices, "strategy": "ddp" if devices > 1 else "auto"}
            length = {} if "steps" in more else {"epochs": 12}
            config = RunConfig(method=method, **{**length, **machine, **TINY, **more})
            place = Path(tempfile.mkdtemp(prefix="kill-"))
            killed, wrong = trial(config, place, given.kills, rng)
            verdict = "; ".join(wrong) or "equal bit by bit, no gap, no double row"
            sys.stdout.write(f"{method} on {devices}: killed {killed} times: {verdict}\n")
            sys.stdout.flush()
            failed |= bool(wrong)
            shutil.rmtree(place, ignore_errors=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
