"""Principal directions of data given in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from latentrank.linalg.truncation import GramAccumulator

#: Number of features up to which the covariance is formed: 128 MiB in float64.
EXACT_FEATURES = 4096

#: Variances up to this part of the largest are rounding errors of data in float32.
_NOISE = 1e-13

_OVERSAMPLING = 16
_ITERATIONS = 6


def principal_directions(
    batches: Callable[[], Iterable[Tensor]], features: int, k: int
) -> tuple[Tensor, Tensor]:
    """Mean and leading principal directions of data, in float64.

    Up to `EXACT_FEATURES` features from the eigenvectors of their covariance; beyond, by
    randomised subspace iteration (Halko, Martinsson and Tropp 2011, algorithm 4.4), in which each
    iteration passes over the data once.

    Args:
        batches: returns a fresh iterator over batches of samples, `(B, features)`.
        features: number of features, `F`.
        k: number of directions, at least 1; at most `F` are returned.

    Returns:
        Mean, `(F,)`, and orthonormal directions, `(F, min(k, F))`, or fewer where the data do not
        vary along more, as `N` samples do along at most `N - 1`.

    Example:
        >>> x = torch.tensor([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
        >>> mean, directions = principal_directions(lambda: [x], features=2, k=1)
        >>> mean.tolist(), directions.abs().tolist()
        ([2.0, 1.0], [[1.0], [0.0]])
    """
    if features <= EXACT_FEATURES:
        gram = GramAccumulator(features)
        for x in batches():
            gram.update(x)
        return gram.mean(), _leading(*gram.principal(), min(k, int(gram.count) - 1))
    return _by_iteration(batches, features, k)


def _leading(variances: Tensor, directions: Tensor, k: int) -> Tensor:
    """At most `k` of the directions, largest variance first, without those of rounding errors."""
    return directions[:, :k][:, variances[:k] > _NOISE * variances[0]]


def _by_iteration(
    batches: Callable[[], Iterable[Tensor]], features: int, k: int
) -> tuple[Tensor, Tensor]:
    total, count = torch.zeros(features, dtype=torch.float64), 0
    for x in batches():
        total += x.double().sum(0)
        count += len(x)
    mean = total / count
    generator = torch.Generator().manual_seed(0)
    width = min(k + _OVERSAMPLING, features)
    basis = torch.randn(features, width, dtype=torch.float64, generator=generator)
    for _ in range(_ITERATIONS):
        basis = torch.linalg.qr(_covariance_times(batches, mean, basis))[0]
    small = basis.T @ _covariance_times(batches, mean, basis)
    sizes, rotation = torch.linalg.eigh(small)
    return mean, _leading(sizes.flip(0), basis @ rotation.flip(1), min(k, count - 1))


def _covariance_times(
    batches: Callable[[], Iterable[Tensor]], mean: Tensor, basis: Tensor
) -> Tensor:
    product = torch.zeros_like(basis)
    for x in batches():
        centred = x.double() - mean
        product += centred.T @ (centred @ basis)
    return product
