"""The training loop of classifiers and probes: cross-entropy on shuffled batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def fit_classes(
    network: nn.Module,
    batch: Callable[[NDArray[np.int64]], Tensor],
    targets: NDArray[np.int64],
    rows: NDArray[np.int64],
    optimiser: torch.optim.Optimizer,
    rng: np.random.Generator,
    *,
    batch_size: int,
    steps: int,
    after_step: Callable[[int], Any] = lambda step: None,
) -> None:
    """Train a network to classify.

    Args:
        network: `(B, ...)` to logits `(B, K)`; left in training mode.
        batch: returns the inputs of given rows, float32, on the network's device.
        targets: `(N,)` class numbers of all rows.
        rows: the rows to train on, reshuffled every epoch.
        optimiser: optimiser of the network's parameters.
        rng: generator for the shuffling.
        batch_size: maximum number of rows per step.
        steps: number of steps, unless `after_step` ends the training earlier.
        after_step: called with the number of steps done; true ends the training.

    Example:
        >>> network = nn.Linear(1, 2)
        >>> x, y = torch.tensor([[-1.0], [1.0]]), np.array([0, 1])
        >>> sgd = torch.optim.SGD(network.parameters(), lr=1.0)
        >>> rng = np.random.default_rng(0)
        >>> fit_classes(network, lambda r: x[r], y, np.arange(2), sgd, rng, batch_size=2, steps=50)
        >>> network(x).argmax(1).tolist()
        [0, 1]
    """
    per_epoch = math.ceil(len(rows) / batch_size)
    for step in range(steps):
        if step % per_epoch == 0:
            batches = np.array_split(rng.permutation(rows), per_epoch)
        chosen = batches[step % per_epoch]
        network.train()
        logits = network(batch(chosen))
        loss = nn.functional.cross_entropy(
            logits, torch.from_numpy(targets[chosen]).to(logits.device)
        )
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        if after_step(step + 1):
            return
