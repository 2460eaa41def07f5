"""What the low-rank part costs: a training step of LoRAE, IRMAE and RRAE over one of the plain AE.

The MNIST network of the papers at batch 32. The steps are taken in turn, so that a slower moment
of the machine slows all of them; what is printed is the median of the ratios of one round.

    python benchmarks/lorae_step.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

import latentrank

ROUNDS, BATCH = 60, 32
METHODS = {"ae": {}, "lorae": {}, "irmae": {"depth": 8}, "rrae": {"rank": 8}}


def stepper(method: str, x: torch.Tensor, **options: object) -> Callable[[], float]:
    """A function that takes one training step and returns its seconds."""
    model = latentrank.build(method, (1, 32, 32), 128, net="mnist", **options)
    optimizer = torch.optim.Adam(model.parameters())

    def step() -> float:
        started = time.perf_counter()
        optimizer.zero_grad()
        model.losses(x)["loss"].backward()
        optimizer.step()
        return time.perf_counter() - started

    return step


def main() -> None:
    torch.manual_seed(0)
    x = torch.rand(BATCH, 1, 32, 32)
    steps = {name: stepper(name, x, **options) for name, options in METHODS.items()}
    for step in steps.values():
        for _ in range(5):
            step()
    rounds = [{name: step() for name, step in steps.items()} for _ in range(ROUNDS)]
    print(f"batch {BATCH}, {torch.get_num_threads()} threads, {ROUNDS} rounds")
    for name in METHODS:
        seconds = statistics.median(r[name] for r in rounds)
        low, ratio, high = statistics.quantiles((r[name] / r["ae"] for r in rounds), n=4)
        print(
            f"{name:6} {1e3 * seconds:6.1f} ms   {ratio:.3f} of ae "
            f"(quartiles {low:.3f} to {high:.3f})"
        )


if __name__ == "__main__":
    main()
