"""What another busy process on the same machine does to the estimator: wall clocks, side by side.

    python benchmarks/busy.py

`LowRankAutoencoder` is fitted to scikit-learn's digits, 580 steps, alone and with a process beside
it that never rests, in turn; each fit is a process of its own, and the time of its second fit
counts. OMP_NUM_THREADS has to be left alone, since a number that is asked for is never changed.
Other processes of the machine slow both, the fit that is alone the more: on a machine that others
use, the ratio is too low, and the processor time of a fit, which is shown beside it, says whether
threads wait for each other.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

METHODS = {"lorae": {}, "rrae": {"rank": 5}}
WANTED = "at most 2"

FIT = """
import sys, time, warnings
warnings.filterwarnings("ignore")
from sklearn.datasets import load_digits
from latentrank import LowRankAutoencoder
X = load_digits().data
def fit(epochs):
    given = dict(latent_dim=16, epochs=epochs, random_state=0, rank={rank})
    LowRankAutoencoder({method!r}, **given).fit_transform(X)
fit(1)
wall, processor = time.perf_counter(), time.process_time()
fit(20)
print(time.perf_counter() - wall, time.process_time() - processor)
"""


def fit(method: str) -> tuple[float, float]:
    """Seconds on the wall and of the processor."""
    code = FIT.format(method=method, rank=METHODS[method].get("rank"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    wall, processor = map(float, done.stdout.split())
    return wall, processor


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    if "OMP_NUM_THREADS" in os.environ:
        print("OMP_NUM_THREADS is set, so that this measures one choice of threads and not ours.")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; wanted: {WANTED}")
    for method in METHODS:
        alone, beside = [], []
        for _ in range(rounds):
            alone.append(fit(method))
            with busy_neighbour():
                beside.append(fit(method))
        ratio = statistics.median(b[0] / a[0] for a, b in zip(alone, beside, strict=True))
        (wall, processor), (later, worked) = (
            [statistics.median(column) for column in zip(*rows, strict=True)]
            for rows in (alone, beside)
        )
        print(
            f"{method}: {wall:.1f} s alone, {later:.1f} s beside a busy process, ratio {ratio:.2f}"
            f" (processor time {processor:.1f} s and {worked:.1f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
