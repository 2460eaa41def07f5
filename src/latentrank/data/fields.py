"""One Gaussian bump on a square: images whose true dimension is two, or three."""

from __future__ import annotations

import numpy as np

from latentrank.data.base import Dataset
from latentrank.data.generated import Floats, generate

SIZE = 64
SIGMA = 0.2
_CENTRE = (-0.5, 0.5)
_SIGMAS = (0.1, 0.3)
_PER_AXIS = 10


def load(
    train_size: int | None = None,
    test_size: int | None = None,
    seed: int = 0,
    scale: bool = False,
) -> Dataset:
    """Images of one Gaussian bump, the small synthetic set of VRRAE (Mounayer et al., 2025).

    Training centres lie on a regular grid over `[-0.5, 0.5]^2`; test centres are drawn uniformly
    from the same square, both coordinates independently.

    Args:
        train_size: number of training images, a square number (a cube with `scale`); by default 10
            values of each parameter.
        test_size: number of test images, by default 1000.
        seed: random seed for the test parameters.
        scale: let sigma vary over `[0.1, 0.3]` too; otherwise it is 0.2.

    Returns:
        float32 images `(N, 1, 64, 64)`; parameters are x and y of the centre, and sigma with
        `scale`.

    Raises:
        InputError: when `train_size` is not a square (a cube) from 2 values of each parameter.

    Example:
        >>> data = load(train_size=16, test_size=3)
        >>> data.shape, data.train.parameters.shape, data.true_dimension
        ((1, 64, 64), (16, 2), 2)
    """
    ranges = [_CENTRE, _CENTRE, _SIGMAS] if scale else [_CENTRE, _CENTRE]
    return generate(
        "gaussian2d:scale" if scale else "gaussian2d",
        bump,
        ranges,
        _PER_AXIS ** len(ranges) if train_size is None else train_size,
        1000 if test_size is None else test_size,
        seed=seed,
        net="conv",
    )


def bump(parameters: Floats, size: int = SIZE) -> Floats:
    """The image `exp(-((u - x)^2 + (v - y)^2) / (2 sigma^2))` of the square `[-1, 1]^2`.

    Args:
        parameters: `(N, 2)` centres `x, y`, or `(N, 3)` with sigma in the last column.
        size: points along each side; the outermost ones lie on the border.

    Returns:
        `(N, 1, size, size)` in `[0, 1]`; `u` runs along the last axis, `v` along the one before.

    Example:
        >>> float(bump(np.array([[0.0, 0.0]]), size=3)[0, 0, 1, 1])
        1.0
    """
    sigma = parameters[:, 2:] if parameters.shape[1] == 3 else SIGMA
    axis = np.linspace(-1, 1, size)
    along_u, along_v = (
        np.exp(-((axis - parameters[:, i, None]) ** 2) / (2 * sigma**2)) for i in (0, 1)
    )
    return (along_v[:, :, None] * along_u[:, None, :])[:, None]
