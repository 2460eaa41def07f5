"""Points on a spiral in five dimensions."""

import numpy as np

from latentrank.data.base import Dataset, Split
from latentrank.data.own import Request
from latentrank.data.registry import Description, NamedData


def _split(n: int, seed: int) -> Split:
    t = np.random.default_rng(seed).uniform(0, 6, n)
    columns = [t * np.cos(t), t * np.sin(t), t, np.cos(t), np.sin(t)]
    return Split(np.stack(columns, axis=1), parameters=t[:, None])


def load(request: Request) -> Dataset:
    train, test = (
        _split(n or usual, request.seed + i)
        for i, (n, usual) in enumerate(((request.train_size, 200), (request.test_size, 100)))
    )
    return Dataset("spirals", train, test, true_dimension=1, latent_dim=4)


SPIRALS = NamedData(
    Description("spirals", (5,), 200, 100, 1, 4, "points on a spiral", "an example"),
    load,
    computed=True,
)
