"""How time and memory grow with the width of the code, the batch, and the size of the data.

    python benchmarks/scale.py            # a few minutes
    python benchmarks/scale.py --celeba   # as well: steps on a mapped file of CelebA's size

Fitted are exponents: `time ~ size^p`, by least squares over the larger half of the sizes, where
fixed costs matter least. One thread, processor time; each step is a median.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from steps import stepper

from latentrank.data import DataModule, Dataset, Split, load

METHODS = ("ae", "lorae", "irmae", "rrae", "vrrae")
WIDTHS = (64, 128, 256, 512, 1024, 2048, 4096)
BATCHES = (16, 32, 64, 128, 256, 512, 1024)
SAMPLES = (1_000, 10_000, 100_000, 1_000_000)
COLUMNS = (1_000, 3_000, 10_000, 30_000, 100_000)


def seconds_of(case: Callable[[], object], rounds: int = 5) -> float:
    """Median processor time."""
    case()
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        case()
        taken.append(time.process_time() - started)
    return statistics.median(taken)


def growth(what: str, sizes: Sequence[int], times: Sequence[float]) -> None:
    """Print the times and the exponent of the larger half of the sizes."""
    half = len(sizes) // 2
    exponent = np.polyfit(np.log(sizes[half:]), np.log(times[half:]), 1)[0]
    listed = ", ".join(f"{1e3 * one:.3g}" for one in times)
    print(f"{what:24} exponent {exponent:5.2f}   ms: {listed}", flush=True)


def widths() -> None:
    """A step at batch 32 of the network for curves, which has 64 units beside the code."""
    print(f"Step against the width of the code, {WIDTHS}")
    x = torch.rand(32, 1, 200)
    for method in METHODS:
        largest = 1024 if method == "irmae" else WIDTHS[-1]  # its matrices are square
        sizes = [width for width in WIDTHS if width <= largest]
        times = [seconds_of(stepper(method, x, width, "curves")) for width in sizes]
        growth(method, sizes, times)


def batches() -> None:
    """A step of the network for curves with a code of 256 numbers."""
    print(f"Step against the batch, {BATCHES}")
    for method in METHODS:
        times = [
            seconds_of(stepper(method, torch.rand(size, 1, 200), 256, "curves")) for size in BATCHES
        ]
        growth(method, BATCHES, times)


def samples() -> None:
    """What a batch costs out of so many samples, and what setting up the data costs."""
    print(f"Data against the number of samples of 20 numbers, {SAMPLES}")
    taken: list[tuple[float, float]] = []
    for count in SAMPLES:
        x = np.random.default_rng(0).random((count, 20), dtype=np.float32)
        started = time.process_time()
        loader = iter(DataModule(Dataset("noise", Split(x), Split(x[:10])), 32).train_dataloader())
        next(loader)
        set_up = time.process_time() - started
        taken.append((set_up, seconds_of(lambda loader=loader: next(loader), rounds=20)))
    growth("first batch", SAMPLES, [first for first, _ in taken])
    growth("further batch", SAMPLES, [further for _, further in taken])


def columns() -> None:
    """Reading a table of 20 rows and so many columns."""
    print(f"Tables against the number of columns, 20 rows, {COLUMNS}")
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("csv", "parquet"):
            times = []
            for count in COLUMNS:
                path = Path(folder) / f"{count}.{suffix}"
                x = np.random.default_rng(0).random((20, count))
                frame = pd.DataFrame(x, columns=[f"gene{number}" for number in range(count)])
                getattr(frame, f"to_{suffix}")(path, index=False)
                times.append(seconds_of(lambda path=path: load(path), rounds=3))
            growth(suffix, COLUMNS, times)


def celeba(steps: int = 20) -> None:
    """Memory and waiting for data with a mapped file of 162 770 x 3 x 64 x 64 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        _write(path, (162_770, 3, 64, 64))
        x = np.load(path, mmap_mode="r")
        data = Dataset("images", Split(x), Split(x[:64]), bounded=True)
        step = stepper("lorae", torch.rand(64, 3, 64, 64), 128, "conv")
        step()
        before = _peak()
        for where in ("on disk", "in the page cache"):
            if where == "on disk":
                _drop(path)
            waited, worked = 0.0, 0.0
            batches = iter(DataModule(data, 64).train_dataloader())
            for _ in range(steps):
                started = time.perf_counter()
                next(batches)
                fetched = time.perf_counter()
                step()
                waited, worked = waited + fetched - started, worked + time.perf_counter() - fetched
            print(
                f"{len(x)} images of 3 x 64 x 64 in a mapped file {where}: the peak rises by "
                f"{_peak() - before:.0f} MiB, {waited / (waited + worked):.1%} of the time goes to "
                "data"
            )


def _drop(path: Path) -> None:
    """Make the system forget the pages of a file that it holds in memory."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _write(path: Path, shape: tuple[int, ...]) -> None:
    """Noise, a part at a time, so that this process never holds it."""
    block = np.random.default_rng(0).integers(0, 256, (1000, *shape[1:])).astype(np.uint8)
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, shape[0], 1000):
            file.write(block[: shape[0] - start].tobytes())


def _peak() -> float:
    """Largest resident memory so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--celeba", action="store_true", help="write and train on 2 GB")
    given = parser.parse_args()
    torch.set_num_threads(1)
    widths()
    batches()
    samples()
    columns()
    if given.celeba:
        celeba()


if __name__ == "__main__":
    main()
