"""What a training costs beside the network's own step: one thread, processor time.

Runs of a plain loop and of `latentrank.training.fit` take turns in one process, so that whatever
else the machine does meets both. `fit` takes as many small steps in a row as fit into a twentieth
of a second, and so many of each are timed together; compared are the fifth percentiles of a step,
which other processes disturb the least, beside the medians.

    OMP_NUM_THREADS=1 python benchmarks/training_loop.py
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from lightning.pytorch import Trainer
from sklearn.datasets import load_digits

import latentrank
from latentrank.config import TrainConfig
from latentrank.data import Dataset, Split
from latentrank.training import fit
from latentrank.training.ahead import SomeBatches
from latentrank.training.machine import quick_device_check

BATCH = 32


class Clock(SomeBatches):
    """Processor time, and the steps taken by then."""

    def __init__(self) -> None:
        self.times: list[tuple[float, int]] = []

    def on_train_batch_end(self, trainer: Trainer, *args: object) -> None:
        """Note the time."""
        self.times.append((time.process_time(), trainer.global_step))


def digits() -> Dataset:
    """Scikit-learn's digits as a table of 64 columns."""
    x = (load_digits().data / 16).astype(np.float32)
    return Dataset("digits", Split(x), Split(x[:100]), bounded=True)


def images() -> Dataset:
    """Noise of the size of MNIST; values do not change what a step costs."""
    x = np.random.default_rng(0).integers(0, 256, (2000, 1, 32, 32)).astype(np.uint8)
    return Dataset("images", Split(x), Split(x[:64]), bounded=True)


def build(method: str, data: Dataset, width: int) -> latentrank.Autoencoder:
    """A model of a method, the same at each call."""
    torch.manual_seed(0)
    return latentrank.build(method, data.shape, width)


def plain(method: str, data: Dataset, width: int, steps: int) -> list[tuple[float, int]]:
    """Times at the ends of steps of a loop that does nothing but train."""
    model = build(method, data, width)
    if len(data.shape) == 3:
        model.to(memory_format=torch.channels_last)
    x = data.preprocessing.normalise(data.train.x)
    optimizer = torch.optim.Adam(model.parameters(), 5e-4, weight_decay=0.0, fused=True)
    with quick_device_check():
        times = []
        for step in range(steps):
            if step % (len(x) // BATCH) == 0:
                order = torch.randperm(len(x)).split(BATCH)
            loss = model.losses(x[order[step % len(order)]])["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            times.append((time.process_time(), step + 1))
        return times


def library(method: str, data: Dataset, width: int, steps: int) -> list[tuple[float, int]]:
    """Times of `fit`, each after some steps."""
    clock = Clock()
    config = TrainConfig(steps=steps, batch_size=BATCH, validate_every=10**6, device="cpu")
    fit(build(method, data, width), data, config, progress=False, callbacks=[clock])
    return clock.times


def milliseconds_a_step(times: list[tuple[float, int]], together: int) -> list[float]:
    """Of as many steps as were timed together."""
    moments, steps = np.array(times)[::together].T
    return list(1e3 * np.diff(moments) / np.diff(steps))


def compare(
    title: str, run: Callable[..., list[tuple[float, int]]], steps: int, repeats: int
) -> None:
    """Print the fifth percentiles of both, what lies between them, and the medians."""
    ours: list[float] = []
    own: list[float] = []
    for _ in range(repeats):
        times = run(library, steps)
        together = int(np.median(np.diff([done for _, done in times])))
        ours += milliseconds_a_step(times, 1)
        own += milliseconds_a_step(run(plain, steps), together)
    (low, middle), (our_low, our_middle) = (np.percentile(v, (5, 50)) for v in (own, ours))
    print(
        f"{title:24} {low:9.3f} {our_low:9.3f} {our_low - low:9.3f} "
        f"{100 * (our_low / low - 1):8.1f} %   (medians {middle:.3f}, {our_middle:.3f})",
        flush=True,
    )


def main() -> None:
    """Measure the digits network and the MNIST network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    print(f"{'ms a step':24} {'network':>9} {'fit':>9} {'between':>9} {'share':>10}")
    tables, pictures = digits(), images()
    for method in ("ae", "lorae", "rrae"):
        run = lambda one, steps, m=method: one(m, tables, 16, steps)  # noqa: E731
        compare(f"digits, {method}", run, 2000, repeats)
    for method in ("ae", "lorae"):
        run = lambda one, steps, m=method: one(m, pictures, 128, steps)  # noqa: E731
        compare(f"MNIST network, {method}", run, 60, repeats)


if __name__ == "__main__":
    main()
