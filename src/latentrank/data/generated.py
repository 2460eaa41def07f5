"""Data computed from a few parameters: a regular grid for training, random points for testing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from latentrank.data.base import Dataset, Split
from latentrank.errors import InputError
from latentrank.preprocessing import Preprocessing

Ranges = Sequence[tuple[float, float]]
Floats = NDArray[np.float64]


def generate(
    name: str,
    function: Callable[[Floats], Floats],
    ranges: Ranges,
    train_size: int,
    test_size: int,
    *,
    seed: int,
    net: str,
) -> Dataset:
    """A data set whose true dimension is the number of its parameters.

    Args:
        name: name of the data set.
        function: `(N, P)` parameters to `(N, *shape)` samples.
        ranges: lowest and highest value of each of the `P` parameters.
        train_size: number of training samples, on a regular grid over the ranges.
        test_size: number of test samples, drawn uniformly over the ranges.
        seed: random seed for the test parameters.
        net: default network family.

    Returns:
        float32 samples with their parameters, preprocessed by the mean and standard deviation of
        all training values.

    Raises:
        InputError: when `train_size` is not the `P`-th power of an integer from 2.

    Example:
        >>> data = generate("line", lambda p: p @ np.ones((1, 5)), [(0.0, 1.0)], 3, 2,
        ...                 seed=0, net="mlp")
        >>> data.train.parameters.ravel().tolist(), data.preprocessing.offset, len(data.test)
        ([0.0, 0.5, 1.0], 0.5, 2)
    """
    train, test = grid(ranges, train_size), uniform(ranges, test_size, seed)
    samples = function(train)
    return Dataset(
        name,
        Split(samples.astype(np.float32), parameters=train),
        Split(function(test).astype(np.float32), parameters=test),
        Preprocessing(float(samples.mean()), float(samples.std())),
        net=net,
        content=f"{name} v1 of {train_size} and {test_size}, seed {seed}",
    )


def grid(ranges: Ranges, n: int) -> Floats:
    """A regular grid of `n` points, with the same number along each axis.

    Args:
        ranges: lowest and highest value of each of the `P` parameters.
        n: number of points, a `P`-th power.

    Returns:
        `(n, P)`; the last parameter changes fastest.

    Raises:
        InputError: when `n` is not the `P`-th power of an integer from 2.

    Example:
        >>> grid([(0, 1), (0, 2)], 4).tolist()
        [[0.0, 0.0], [0.0, 2.0], [1.0, 0.0], [1.0, 2.0]]
    """
    power = len(ranges)
    side = max(2, round(max(n, 0) ** (1 / power)))
    if side**power != n:
        nearest = (side - 1) ** power if side**power > n and side > 2 else (side + 1) ** power
        low, high = sorted((side**power, nearest))
        raise InputError(
            f"train_size is {n}, but the training parameters form a regular grid with at least "
            f"2 values of each of {power} parameters; give a size such as {low} or {high}."
        )
    axes = np.meshgrid(*(np.linspace(low, high, side) for low, high in ranges), indexing="ij")
    return np.stack([axis.ravel() for axis in axes], axis=1)


def uniform(ranges: Ranges, n: int, seed: int) -> Floats:
    """Parameters drawn uniformly and independently of each other.

    Args:
        ranges: lowest and highest value of each of the `P` parameters.
        n: number of points.
        seed: random seed; a longer draw begins with the shorter one.

    Returns:
        `(n, P)`.

    Example:
        >>> uniform([(0, 1), (5, 6)], 3, seed=0).shape
        (3, 2)
    """
    low, high = np.array(ranges, dtype=np.float64).T
    unit = np.random.default_rng(seed).random((n, len(ranges)))
    points: Floats = low + (high - low) * unit
    return points
