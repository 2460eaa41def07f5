"""A training step of each method over one of the plain autoencoder.

    python benchmarks/steps.py

The papers' MNIST network at batch 32, and the curve network with latent width 2800 at batch 20,
where LoRAE's matrix has as many columns as its encoder has directions: 65.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from harness import record, row, take_turns

import latentrank

IMAGE_AXES = 4
MNIST = {
    "lorae": ({}, "at most 1.05"),
    "irmae": ({"depth": 8}, "at most 1.05"),
    "rrae": ({"rank": 8}, "at most 1.05"),
    "vrrae": ({"rank": 8}, "at most 1.15"),
}


def stepper(method: str, x: torch.Tensor, width: int, net: str, **options: Any) -> Callable:
    """A function that takes one training step."""
    torch.manual_seed(0)
    model = latentrank.build(method, tuple(x.shape[1:]), width, net=net, **options)
    if x.ndim == IMAGE_AXES:
        model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=0.0, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        model.losses(x)["loss"].backward()
        optimizer.step()

    return step


def main() -> None:
    x = torch.rand(32, 1, 32, 32)
    steps = {"ae": stepper("ae", x, 128, "mnist")}
    steps |= {name: stepper(name, x, 128, "mnist", **given) for name, (given, _) in MNIST.items()}
    seconds = take_turns(steps, rounds=21)
    rows = [
        row(f"step on the MNIST network, over `ae`: {name}", seconds, name, "ae", wanted)
        for name, (_, wanted) in MNIST.items()
    ]
    curves = torch.rand(20, 1, 500)
    wide = {name: stepper(name, curves, 2800, "curves") for name in ("ae", "lorae")}
    seconds = take_turns(wide, rounds=41)
    what = "step at latent width 2800, batch 20, over `ae`: lorae, exact norm"
    rows.append(row(what, seconds, "lorae", "ae", "at most 4"))
    record("steps", rows)


if __name__ == "__main__":
    main()
