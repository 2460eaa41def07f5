"""Entropy of a classifier on images, such as interpolated ones.

Low entropy means that the classifier is certain, not that the image is real: uniform noise can be
classified with as much certainty as a digit. Use it to compare models whose images look alike; it
complements a distance to real images without replacing it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from latentrank.data.base import to_float
from latentrank.data.plain import unwrapped
from latentrank.errors import InputError
from latentrank.evaluation.interpolation import random_pairs
from latentrank.models.base import BATCH

Images = NDArray[Any]
Prepare = Callable[[Images], Tensor]


class Coder(Protocol):
    """An autoencoder in evaluation mode."""

    def encode(self, x: Tensor) -> Tensor:
        """`(N, *shape)` to `(N, L)`."""

    def decode(self, z: Tensor) -> Tensor:
        """`(N, L)` to `(N, *shape)`."""


class Judge(Protocol):
    """Predicts class probabilities, as `latentrank.evaluation.Classifier` does."""

    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """`(N, C, H, W)` images to `(N, K)` probabilities."""


class Entropy(NamedTuple):
    """Mean and standard deviation over the draws of pairs, in nats."""

    mean: float
    std: float


def mean_entropy(probabilities: ArrayLike) -> float:
    r"""Mean entropy of rows of probabilities, :math:`-\sum_k p_k \log p_k`, in nats.

    Args:
        probabilities: `(N, K)`, rows adding up to 1.

    Returns:
        From 0 (every row certain) to log K (every row uniform).

    Raises:
        InputError: rows that are not probabilities.

    Example:
        >>> round(mean_entropy([[0.5, 0.5], [1.0, 0.0]]) / float(np.log(2)), 9)
        0.5
    """
    p = np.asarray(unwrapped(probabilities, "probabilities"), dtype=np.float64)
    usable = p.ndim == 2 and len(p) > 0 and p.min() >= 0  # not for NaN
    if not (usable and np.abs(p.sum(axis=1) - 1).max() <= 1e-3):
        raise InputError(
            f"An array of shape {p.shape} was given, expected (N, K) with rows of probabilities "
            "that add up to 1; take the softmax first."
        )
    return float(-(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1).mean())


def _device(model: Coder) -> torch.device:
    if isinstance(model, nn.Module):
        return next((p.device for p in model.parameters()), torch.device("cpu"))
    return torch.device("cpu")


def _between(
    model: Coder, start: Images, end: Images, shares: list[float], prepare: Prepare
) -> Images:
    """Decoded points on the straight lines between the codes: `(pairs * points, *shape)`."""
    device = _device(model)
    pieces = []
    with torch.inference_mode():
        for first in range(0, len(start), BATCH):
            rows = slice(first, first + BATCH)
            a = model.encode(prepare(start[rows]).to(device))
            b = model.encode(prepare(end[rows]).to(device))
            pieces += [model.decode(torch.lerp(a, b, share)).float().cpu() for share in shares]
    return torch.cat(pieces).numpy()


def interpolation_entropy(
    model: Coder,
    images: Images,
    classifier: Judge,
    pairs: int = 2000,
    points: int = 5,
    draws: int = 5,
    seed: int = 0,
    prepare: Prepare = to_float,
) -> Entropy:
    """Mean entropy of a classifier on images decoded between the codes of random pairs.

    The protocol of the rank-reduction paper on MNIST: 2000 pairs of training images, five
    equidistant points strictly between each, five draws of pairs [Mounayer et al. 2024,
    arXiv:2405.13980].

    Args:
        model: an autoencoder in evaluation mode.
        images: `(N, C, H, W)` uint8 or floats in [0, 1], N at least 2.
        classifier: trained on the same kind of images.
        pairs: pairs of different images per draw.
        points: equidistant points between the two images of a pair.
        draws: independent draws of pairs, for the standard deviation.
        seed: random seed for the pairs, which do not depend on the model.
        prepare: maps images to the model's input.

    Returns:
        Mean and standard deviation over the draws, in nats.

    Raises:
        InputError: fewer than two images, or a count below 1.

    Example:
        >>> class Identity:
        ...     def encode(self, x): return x.flatten(1)
        ...     def decode(self, z): return z.reshape(-1, 1, 2, 2)
        >>> class Uniform:
        ...     def probabilities(self, images): return np.full((len(images), 10), 0.1)
        >>> found = interpolation_entropy(Identity(), np.zeros((9, 1, 2, 2)), Uniform(), pairs=4)
        >>> round(found.mean / float(np.log(10)), 9), found.std < 1e-9
        (1.0, True)
    """
    if len(images) < 2 or min(pairs, points, draws) < 1:
        raise InputError(
            f"{pairs} pairs, {points} points and {draws} draws of {len(images)} images were "
            "requested, expected at least 1 of each and 2 images; raise the smallest."
        )
    rng = np.random.default_rng(seed)
    shares = np.linspace(0, 1, points + 2)[1:-1].tolist()
    values = []
    for _ in range(draws):
        start, end = random_pairs(len(images), pairs, rng)
        decoded = _between(model, images[start], images[end], shares, prepare)
        values.append(mean_entropy(classifier.probabilities(decoded)))
    return Entropy(float(np.mean(values)), float(np.std(values)))
