"""What running trainings side by side saves: a whole recipe's worth of them, both ways.

The papers' network on the shapes, whose images are generated: twice as many trainings as there are
cores, one after the other on all cores, and one per core at the same time. Starting the processes
counts; it weighs less in recipes, whose trainings are longer.

    python benchmarks/side_by_side.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import torch

from latentrank.config import RunConfig
from latentrank.runs.cache import PlannedRun, train
from latentrank.runs.executor import at_once, train_all

ROUNDS = 3
SETTINGS = {
    "method": "lorae", "data": "shapes", "train_size": 8000, "test_size": 500,
    "epochs": 2, "batch_size": 32, "device": "cpu",
}  # fmt: skip


def seconds(folder: Path, count: int, side_by_side: bool) -> float:
    """How long `count` trainings take, from nothing."""
    asked = [
        PlannedRun(str(seed), "", RunConfig(**{**SETTINGS, "seed": seed}), folder / str(seed))
        for seed in range(count)
    ]
    started = time.perf_counter()
    if side_by_side:
        train_all(asked, lambda text: None)
    else:
        for training in asked:
            train(training)
    return time.perf_counter() - started


def main() -> None:
    count = 2 * at_once("cpu", 8)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        seconds(Path(folder) / "first", 1, side_by_side=False)  # what is imported is imported
        for index in range(ROUNDS):
            one, other = (
                seconds(Path(folder) / f"{index}-{way}", count, way) for way in (False, True)
            )
            ratios.append(one / other)
            print(f"{count} trainings: {one:.1f} s in turn, {other:.1f} s side by side")
    print(
        f"{torch.get_num_threads()} threads: side by side is {statistics.median(ratios):.2f} "
        f"times as fast ({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
