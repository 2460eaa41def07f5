"""Small coloured blobs: images of true dimension seven that are fast to learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentrank.data.base import Dataset, Split
from latentrank.data.generated import Floats, uniform
from latentrank.data.units import BYTES

SIZE = 16
RANGES = (
    (0.2, 1.0),  # red
    (0.2, 1.0),  # green
    (0.2, 1.0),  # blue
    (-0.5, 0.5),  # x
    (-0.5, 0.5),  # y
    (0.15, 0.35),  # size
    (-0.5, 0.5),  # stretch
)


def load(train_size: int = 10_000, test_size: int = 2_000, seed: int = 0) -> Dataset:
    """Images of one coloured Gaussian blob: colour, position, size and stretch vary.

    Every parameter changes the image smoothly and can be recovered from it, so that an image is
    described by exactly seven numbers. They are drawn uniformly and independently.

    Args:
        train_size: number of training images, by default 10 000.
        test_size: number of test images, by default 2 000.
        seed: random seed for the parameters.

    Returns:
        uint8 images `(N, 3, 16, 16)` with their parameters, `(N, 7)`: red, green, blue, x, y,
        size and stretch.

    Example:
        >>> data = load(train_size=5, test_size=3)
        >>> data.train.x.shape, data.true_dimension
        ((5, 3, 16, 16), 7)
    """
    # Separate streams, so that no test image is among the training images.
    train = uniform(RANGES, train_size, 2 * seed)
    test = uniform(RANGES, test_size, 2 * seed + 1)
    return Dataset(
        "blobs",
        Split(draw(train), parameters=train),
        Split(draw(test), parameters=test),
        BYTES,
        content=f"blobs v1 of {len(train)} and {len(test)}, seed {seed}",
        net="conv",
    )


def draw(parameters: Floats, size: int = SIZE) -> NDArray[np.uint8]:
    """`colour * exp(-((u - x) / a)^2 / 2 - ((v - y) / b)^2 / 2)` on the square `[-1, 1]^2`.

    The half-widths are `a = size * exp(stretch)` along u and `b = size * exp(-stretch)` along v.

    Args:
        parameters: `(N, 7)` red, green, blue, x, y, size, stretch.
        size: pixels along each side.

    Returns:
        `(N, 3, size, size)` uint8; `u` runs along the last axis, `v` along the one before.
    """
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    colour, (x, y, width, stretch) = parameters[:, :3], parameters[:, 3:].T
    along_u = np.exp(-0.5 * ((axis - x[:, None]) / (width * np.exp(stretch))[:, None]) ** 2)
    along_v = np.exp(-0.5 * ((axis - y[:, None]) / (width * np.exp(-stretch))[:, None]) ** 2)
    image = np.einsum("nc,nv,nu->ncvu", colour, along_v, along_u)
    bytes_: NDArray[np.uint8] = (255 * image).round().astype(np.uint8)
    return bytes_
