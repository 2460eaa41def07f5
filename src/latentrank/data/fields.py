"""One Gaussian bump on a square: fields whose true dimension is two, or three."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from latentrank.data.base import Dataset, Split
from latentrank.errors import InputError

SIZE = 64
SIGMA = 0.2
_CENTRES = (-0.5, 0.5)
_SIGMAS = (0.1, 0.3)
_PER_AXIS = 10


def load(
    train_size: int | None = None,
    test_size: int | None = None,
    seed: int = 0,
    scale: bool = False,
) -> Dataset:
    """Images of one Gaussian bump, as in VRRAE (Mounayer et al., 2025).

    Training parameters lie on a regular grid; test parameters are drawn uniformly, each
    coordinate by itself, from the same ranges. Fields are normalised by the mean and standard
    deviation of the training part.

    Args:
        train_size: number of training fields, a square number (a cube with `scale`), 10 per
            axis unless given.
        test_size: number of test fields, 1000 unless given.
        seed: of the test parameters.
        scale: let sigma vary over [0.1, 0.3] too; otherwise it is 0.2.

    Returns:
        float32 fields `(N, 1, 64, 64)`; parameters are x and y of the centre, and sigma with
        `scale`.

    Raises:
        InputError: when `train_size` is not a square (cube) from 2 per axis.

    Example:
        >>> data = load(train_size=16, test_size=3)
        >>> data.shape, data.train.parameters.shape, data.true_dimension
        ((1, 64, 64), (16, 2), 2)
    """
    ranges = [_CENTRES, _CENTRES, _SIGMAS] if scale else [_CENTRES, _CENTRES]
    train = grid(ranges, _PER_AXIS ** len(ranges) if train_size is None else train_size)
    test = uniform(ranges, 1000 if test_size is None else test_size, seed)
    fields = bump(train)
    mean, std = float(fields.mean()), float(fields.std())
    train_split, test_split = (
        Split(((bump(p) - mean) / std).astype(np.float32), parameters=p) for p in (train, test)
    )
    return Dataset(
        "gaussian2d:scale" if scale else "gaussian2d",
        train_split,
        test_split,
        mean=mean,
        std=std,
        bounded=False,
        true_dimension=len(ranges),
        latent_dim=64,
        net="conv",
    )


def bump(parameters: NDArray[np.float64], size: int = SIZE) -> NDArray[np.float64]:
    """The field `exp(-((u - x)^2 + (v - y)^2) / (2 sigma^2))` on `[-1, 1]^2`.

    Args:
        parameters: `(N, 2)` centres, or `(N, 3)` with sigma in the last column.
        size: points along each side; the outermost ones lie on the border.

    Returns:
        `(N, 1, size, size)` in (0, 1]; x runs along the last axis.

    Example:
        >>> float(bump(np.array([[0.0, 0.0]]), size=3)[0, 0, 1, 1])
        1.0
    """
    sigma = parameters[:, 2] if parameters.shape[1] == 3 else np.full(len(parameters), SIGMA)
    axis = np.linspace(-1, 1, size)
    along_x, along_y = (
        np.exp(-((axis - parameters[:, i, None]) ** 2) / (2 * sigma[:, None] ** 2)) for i in (0, 1)
    )
    return (along_y[:, :, None] * along_x[:, None, :])[:, None]


def grid(ranges: list[tuple[float, float]], n: int) -> NDArray[np.float64]:
    """A regular grid of `n` points with equally many along each axis.

    Args:
        ranges: lowest and highest value of each of the `P` parameters.
        n: number of points, a `P`-th power.

    Returns:
        `(n, P)`; the last parameter changes fastest.

    Raises:
        InputError: when `n` is not the `P`-th power of a whole number from 2.

    Example:
        >>> grid([(0, 1), (0, 2)], 4).tolist()
        [[0.0, 0.0], [0.0, 2.0], [1.0, 0.0], [1.0, 2.0]]
    """
    power = len(ranges)
    side = max(2, round(n ** (1 / power))) if n > 0 else 2
    if side**power != n:
        below = max(2, math.floor(max(n, 1) ** (1 / power)))
        raise InputError(
            f"train_size is {n}, but the training parameters form a regular grid in {power} "
            f"dimensions; give a size such as {below**power} or {(below + 1) ** power}."
        )
    axes = np.meshgrid(*(np.linspace(low, high, side) for low, high in ranges), indexing="ij")
    return np.stack([axis.ravel() for axis in axes], axis=1)


def uniform(ranges: list[tuple[float, float]], n: int, seed: int) -> NDArray[np.float64]:
    """Parameters drawn uniformly and independently.

    Args:
        ranges: lowest and highest value of each of the `P` parameters.
        n: number of points.
        seed: of the draw; a longer draw begins with the shorter one.

    Returns:
        `(n, P)`.

    Example:
        >>> uniform([(0, 1), (5, 6)], 3, seed=0).shape
        (3, 2)
    """
    low, high = np.array(ranges, dtype=np.float64).T
    return low + (high - low) * np.random.default_rng(seed).random((n, len(ranges)))
