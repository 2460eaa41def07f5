"""The papers' tables on MNIST and shapes at full length, on one GPU, within a given time.

    python benchmarks/gpu_papers.py --data-root FOLDER --out FOLDER [--minutes 9] [--at-once 8]

The most valuable trainings come first. Small networks leave most of a GPU idle, so several are
trained at once, each in its own process; they share it well under NVIDIA's Multi-Process Service
(`nvidia-cuda-mps-control -d`). When the time is over they are stopped, and the same command resumes
them. Finished, they are the runs of `latentrank reproduce RECIPE --budget paper --out OUT`, which
measures them on any machine; `codes.safetensors` need not be copied there, and is computed again.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from latentrank.recipes import load, only
from latentrank.reproduce.plan import plan
from latentrank.runs.cache import PlannedRun, is_done, train

#: Recipes with the parts and the number of seeds, most valuable first.
RECIPES = (
    ("lorae-table-3", ["mnist"], 3),
    ("irmae-figure-2", [], 1),
    ("irmae-table-6", [], 1),
    ("lorae-table-7", [], 1),
    ("irmae-table-5", [], 1),
    ("irmae-figure-9", [], 1),
    ("irmae-figure-10", [], 1),
    ("irmae-figure-11", [], 1),
    ("lorae-table-4", ["mnist"], 1),
    ("irmae-table-6", [], 3),
    ("lorae-table-7", [], 3),
    ("irmae-figure-2", [], 3),
)
#: Seconds that a training has to stop in.
GRACE = 10.0


def runs(out: Path, data_root: Path) -> dict[str, PlannedRun]:
    """The trainings by the name of their folder, in order."""
    found: dict[str, PlannedRun] = {}
    for name, parts, seeds in RECIPES:
        recipe = only(load(name), parts) if parts else load(name)
        for job in plan(recipe, "paper", seeds, out, data_root=str(data_root.absolute())):
            if job.trained:
                found.setdefault(job.folder.name, job.training)
    return found


def side_by_side(names: list[str], at_once: int, until: float) -> None:
    """Train until the time is over, each in a process."""
    waiting, running = list(names), dict[str, subprocess.Popen[bytes]]()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    while (waiting or running) and time.monotonic() < until:
        while waiting and len(running) < at_once:
            name = waiting.pop(0)
            command = [sys.executable, *sys.argv, "--one", name]
            running[name] = subprocess.Popen(command, env=environment)
        for name, process in list(running.items()):
            if process.poll() is not None:
                del running[name]
                print(f"{name}: ended with {process.returncode}", flush=True)
        time.sleep(0.5)
    for process in running.values():
        process.send_signal(signal.SIGINT)
    for name, process in running.items():
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
        print(f"{name}: stopped, to be resumed", flush=True)


def main() -> None:
    """Train what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data-root", type=Path, required=True, help="where the files of MNIST lie"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of reproductions")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    found = runs(given.out, given.data_root)
    if given.one:
        with suppress(KeyboardInterrupt):
            train(found[given.one])
        return
    missing = [name for name, run in found.items() if not is_done(run)]
    print(f"{len(missing)} of {len(found)} runs to train", flush=True)
    side_by_side(missing, given.at_once, until)


if __name__ == "__main__":
    main()
