"""Circles and squares on a black background: images of true dimension seven."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentrank.data.base import Dataset, Split
from latentrank.data.units import BYTES

SIZE = 32
CIRCLE, SQUARE = 0, 1
_CHUNK = 4096


def load(train_size: int = 50_000, test_size: int = 10_000, seed: int = 0) -> Dataset:
    """The synthetic shapes of IRMAE (Jing et al., 2020), generated from a seed.

    Args:
        train_size: number of training images, by default 50 000.
        test_size: number of test images, by default 10 000.
        seed: random seed; training and test images use independent streams.

    Returns:
        uint8 images `(N, 3, 32, 32)`; labels are 0 for a circle and 1 for a square;
        parameters are red, green, blue, x, y, size, kind. A smaller size gives the first
        images of a larger one.

    Example:
        >>> data = load(train_size=4, test_size=2)
        >>> data.shape, data.true_dimension, data.train.parameters.shape
        ((3, 32, 32), 7, (4, 7))
    """
    streams = np.random.SeedSequence(seed).spawn(2)
    train, test = (
        _split(sample_parameters(n, np.random.default_rng(stream)))
        for n, stream in zip((train_size, test_size), streams, strict=True)
    )
    return Dataset(
        "shapes",
        train,
        test,
        BYTES,
        true_dimension=7,
        net="shapes",
        class_names=("circle", "square"),
        content=f"shapes v1 of {len(train)} and {len(test)}, seed {seed}",
    )


def sample_parameters(n: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """The parameters of each image, drawn uniformly.

    Returns:
        `(n, 7)`: red, green and blue in [0, 1); x and y integers in 8..24; size a whole
        number in 3..8; kind 0 (circle) or 1 (square).

    Example:
        >>> sample_parameters(2, np.random.default_rng(0)).shape
        (2, 7)
    """
    # one block of uniforms, so that a longer draw begins with the shorter one
    unit = generator.random((n, 7))
    low = np.array([8, 8, 3, 0])
    count = np.array([17, 17, 6, 2])
    return np.concatenate([unit[:, :3], low + np.floor(unit[:, 3:] * count)], axis=1)


def draw(parameters: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The images of given parameters.

    A pixel is coloured when its centre lies inside the figure; `size` is the circle's radius
    and the square's side, as in the paper's public code.

    Args:
        parameters: `(N, 7)`, see `sample_parameters`.

    Returns:
        `(N, 3, 32, 32)` uint8.

    Example:
        >>> image = draw(np.array([[1.0, 0.0, 0.0, 16, 16, 3, SQUARE]]))[0]
        >>> int((image[0] == 255).sum()), int(image[1:].sum())
        (9, 0)
    """
    images = np.empty((len(parameters), 3, SIZE, SIZE), dtype=np.uint8)
    for start in range(0, len(parameters), _CHUNK):
        part = slice(start, start + _CHUNK)
        colour = np.rint(parameters[part, :3] * 255).astype(np.uint8)
        np.multiply(_inside(parameters[part])[:, None], colour[:, :, None, None], out=images[part])
    return images


def _inside(parameters: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which pixels `(N, 32, 32)` lie in the figure; rows are y."""
    pixel = np.arange(SIZE) + 0.5
    x, y, size, kind = parameters[:, 3:, None].transpose(1, 0, 2).astype(np.float32)
    dx, dy = (pixel - x)[:, None, :], (pixel - y)[:, :, None]
    size = size[:, :, None]
    # half-open, so that odd side lengths are exact in pixels
    square = (-size / 2 <= np.minimum(dx, dy)) & (np.maximum(dx, dy) < size / 2)
    circle = dx**2 + dy**2 < size**2
    inside: NDArray[np.bool_] = np.where(kind[:, :, None] == SQUARE, square, circle)
    return inside


def _split(parameters: NDArray[np.float64]) -> Split:
    return Split(draw(parameters), parameters[:, 6].astype(np.int64), parameters)
