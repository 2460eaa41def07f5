"""What another busy process on the same machine does to the estimator: wall clocks, side by side.

    python benchmarks/busy.py

`LowRankAutoencoder` is fitted to scikit-learn's digits, 580 steps, alone and with a process beside
it that never rests, in turn. OMP_NUM_THREADS must not be set, since an explicit number of threads
is never changed. If the machine is busy already, the fit alone is slowed down, too, and the ratio
is too low; then compare with the fit on one thread, which no other thread can hold up: with as
many threads as we choose, it should take no longer, on the wall or of the processor.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from sklearn.datasets import load_digits

from latentrank import LowRankAutoencoder

METHODS: dict[str, dict[str, int]] = {"lorae": {}, "rrae": {"rank": 5}}
X = load_digits().data


def fit(method: str, epochs: int = 20) -> tuple[float, float]:
    """Seconds on the wall and of the processor."""
    given = dict(latent_dim=16, epochs=epochs, random_state=0, **METHODS[method])
    wall, processor = time.perf_counter(), time.process_time()
    LowRankAutoencoder(method, **given).fit_transform(X)
    return time.perf_counter() - wall, time.process_time() - processor


def _spin() -> None:
    while True:
        pass


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """Beside this block runs a process that never rests."""
    neighbour = multiprocessing.get_context("spawn").Process(target=_spin, daemon=True)
    neighbour.start()
    try:
        yield
    finally:
        neighbour.terminate()
        neighbour.join()


def one_thread(method: str) -> tuple[float, float]:
    """The same fit where torch has one thread, whatever it is asked to do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return fit(method)
    finally:
        torch.set_num_threads(before)


def beside(method: str) -> tuple[float, float]:
    """The same fit beside a busy process."""
    with busy_neighbour():
        return fit(method)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore")
    if "OMP_NUM_THREADS" in os.environ:
        print("OMP_NUM_THREADS is set, so this measures that choice of threads and not ours.")
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}", flush=True)
    cases = {"alone": fit, "beside a busy process": beside, "one thread": one_thread}
    for method in METHODS:
        fit(method, epochs=1)
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
        for _ in range(rounds):
            for name, case in cases.items():
                taken[name].append(case(method))
        for name, times in taken.items():
            wall, processor = map(statistics.median, zip(*times, strict=True))
            ratio = statistics.median(
                a[0] / b[0] for a, b in zip(times, taken["alone"], strict=True)
            )
            print(
                f"{method}, {name}: {wall:.1f} s, {processor:.1f} s of the processor, "
                f"{ratio:.2f} times the wall clock alone",
                flush=True,
            )


if __name__ == "__main__":
    main()
