"""Distances between two sets of features: Fréchet, kernel, precision and recall, density, coverage.

Everything here is a function of feature arrays with one sample per row, computed in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg.blas import dtrmm

from latentrank.data.plain import unwrapped
from latentrank.errors import InputError
from latentrank.evaluation.statistics import Statistics, check_matrix, statistics

Array = NDArray[np.float64]

CHUNK = 128  # rows of a distance matrix held at once: 10 MB against 10 000 columns
WIDE = 512  # number of features above which covariances are factorised instead of the features


class KernelDistance(NamedTuple):
    """Mean and standard deviation of the kernel distance over the subsets."""

    mean: float
    std: float


class PrecisionRecall(NamedTuple):
    """Shares of generated samples near real ones, and of real samples near generated ones."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """Density of generated samples in real neighbourhoods, and the share of these covered."""

    density: float
    coverage: float


class _Root(NamedTuple):
    """A Gaussian with `covariance = factor.T @ factor`, `factor` of shape `(r, d)`."""

    mean: Array
    factor: Array
    triangular: bool = False


def _checked(features: ArrayLike, name: str) -> Array:
    values = np.asarray(unwrapped(features, name), dtype=np.float64)
    check_matrix(values, name)
    return values


def _same_width(width_a: int, width_b: int) -> None:
    if width_a != width_b:
        raise InputError(
            f"The two sets have {width_a} and {width_b} features, expected the same number; "
            "compute both with one extractor."
        )


def _checked_pair(features_a: ArrayLike, features_b: ArrayLike) -> tuple[Array, Array]:
    a, b = _checked(features_a, "The first set"), _checked(features_b, "The second set")
    _same_width(a.shape[1], b.shape[1])
    return a, b


def _root_of_samples(x: Array) -> _Root:
    mean = x.mean(axis=0)
    factor = (x - mean) / np.sqrt(len(x) - 1)
    # The R of a QR decomposition has the same Gram matrix as the data and fewer rows, and the
    # condition number is not squared.
    if len(x) > x.shape[1]:
        factor = np.asarray(np.linalg.qr(factor, mode="r"))
    return _Root(mean, factor)


def _root_of_statistics(given: Statistics) -> _Root:
    if given.count > len(given.mean) > WIDE:
        # takes a tenth of the time of an eigendecomposition if the covariance has full rank
        with suppress(np.linalg.LinAlgError):
            return _Root(given.mean, np.asarray(np.linalg.cholesky(given.covariance).T), True)
    values, vectors = np.linalg.eigh(given.covariance)
    # A covariance of n samples has rank n - 1 at most. The eigenvalues beyond it are rounding
    # errors, and their square roots (1e-8 of the first) are large enough to change the sum.
    kept = min(len(values), given.count - 1)
    scales = np.sqrt(np.clip(values[-kept:], 0.0, None))
    return _Root(given.mean, scales[:, None] * vectors[:, -kept:].T)


def _root(given: ArrayLike | Statistics, name: str) -> _Root:
    if isinstance(given, Statistics):
        return _root_of_statistics(given)
    x = np.asarray(unwrapped(given, name))
    check_matrix(x, name)
    if len(x) > x.shape[1] > WIDE:
        return _root_of_statistics(statistics(x))
    return _root_of_samples(x.astype(np.float64, copy=False))


def _nuclear_norm(product: Array) -> float:
    """Sum of the singular values, for large matrices from the eigenvalues of a Gram matrix.

    Singular values are then accurate to 1e-8 of the largest.
    """
    if min(product.shape) <= WIDE:
        return float(np.linalg.svd(product, compute_uv=False).sum())
    small = product if product.shape[0] <= product.shape[1] else product.T
    return float(np.sqrt(np.clip(np.linalg.eigvalsh(small @ small.T), 0.0, None)).sum())


def frechet_distance(
    features_a: ArrayLike | Statistics, features_b: ArrayLike | Statistics
) -> float:
    r"""Squared Fréchet (2-Wasserstein) distance of the Gaussians fitted to two sets of features.

    .. math:: \|\mu_a-\mu_b\|^2 + \mathrm{tr}\,\Sigma_a + \mathrm{tr}\,\Sigma_b
              - 2\,\mathrm{tr}(\Sigma_a\Sigma_b)^{1/2}

    [Heusel et al. 2017, arXiv:1706.08500, Eq. 6]. With any factors :math:`\Sigma = F^\top F`,
    such as the centred data themselves, the last trace is the nuclear norm of
    :math:`F_a F_b^\top`: its squared singular values are the eigenvalues of
    :math:`\Sigma_a\Sigma_b`. So no square root of a matrix is taken, and fewer samples than
    features are the easy case rather than the unstable one. Above 512 features the factors are
    Cholesky's and the singular values come from a Gram matrix: relative to the traces, the
    distance is then exact to about 1e-8 instead of 1e-12.

    Args:
        features_a: `(n, d)` features, or their `Statistics`. Features are a little more accurate.
        features_b: `(m, d)` features, or their `Statistics`.

    Returns:
        The distance, at least 0.

    Raises:
        InputError: sets of different width, fewer than 2 samples, or values that are not finite.

    Example:
        >>> x = np.arange(12.0).reshape(6, 2) ** 2
        >>> round(frechet_distance(x, x + [3.0, 4.0]), 9)
        25.0
    """
    a, b = _root(features_a, "The first set"), _root(features_b, "The second set")
    _same_width(len(a.mean), len(b.mean))
    # a triangular factor halves the work of the product
    multiply = partial(dtrmm, 1.0) if a.triangular else np.matmul
    overlap = _nuclear_norm(multiply(a.factor, b.factor.T))
    spread = np.square(a.factor).sum() + np.square(b.factor).sum() - 2.0 * overlap
    # The three terms cancel for equal covariances; rounding may make the result negative.
    return float(np.square(a.mean - b.mean).sum() + max(spread, 0.0))


def _polynomial_kernel(x: Array, y: Array) -> Array:
    base: Array = x @ y.T / x.shape[1] + 1.0
    return base * base * base  # `** 3` is ten times as slow


def _squared_mmd(x: Array, y: Array) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy (Gretton et al. 2012, Eq. 3)."""
    n, m = len(x), len(y)
    within_x, within_y = _polynomial_kernel(x, x), _polynomial_kernel(y, y)
    return float(
        (within_x.sum() - np.trace(within_x)) / (n * (n - 1))
        + (within_y.sum() - np.trace(within_y)) / (m * (m - 1))
        - 2.0 * _polynomial_kernel(x, y).mean()
    )


def kernel_distance(
    features_a: ArrayLike,
    features_b: ArrayLike,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 2020,
) -> KernelDistance:
    r"""Squared maximum mean discrepancy with the cubic kernel, averaged over random subsets.

    .. math:: k(x, y) = (x^\top y / d + 1)^3

    [Binkowski et al. 2018, arXiv:1801.01401, Sec. 4]. Its estimate is unbiased, so it may be
    slightly negative for similar sets, and it depends less on the number of samples than the
    Fréchet distance does.

    Args:
        features_a: `(n, d)` features.
        features_b: `(m, d)` features.
        subsets: number of subsets drawn from each set.
        subset_size: samples in a subset, from 2; those of the smaller set if it has fewer.
        seed: random seed for the subsets; the default draws the same subsets as torch-fidelity.

    Returns:
        Mean and standard deviation over the subsets.

    Raises:
        InputError: sets of different width, fewer than 2 samples in one or in a subset, no subset,
            or values that are not finite.

    Example:
        >>> x = np.array([[0.0], [1.0]])
        >>> kernel_distance(x, x + 1.0, subsets=3).mean  # (1 + 8) / 1 - 2 * (1 + 1 + 8 + 27) / 4
        9.5
    """
    a, b = _checked_pair(features_a, features_b)
    if subsets < 1 or subset_size < 2:
        raise InputError(
            f"{subsets} subsets of {subset_size} samples were requested, expected at least 1 of at "
            "least 2; raise them."
        )
    size = min(subset_size, len(a), len(b))
    rng = np.random.RandomState(seed)  # the generator of torch-fidelity
    values = [
        _squared_mmd(
            a[rng.choice(len(a), size, replace=False)], b[rng.choice(len(b), size, replace=False)]
        )
        for _ in range(subsets)
    ]
    return KernelDistance(float(np.mean(values)), float(np.std(values)))


def _squared_distances(a: Array, b: Array) -> Iterator[Array]:
    """Chunks of rows of the `(n, m)` matrix of squared distances; copies have exactly 0."""
    norms_b, doubled = np.square(b).sum(axis=1), -2.0 * b.T
    # A difference below the rounding error of its terms means that the points coincide.
    resolution = (16 + a.shape[1]) * np.finfo(np.float64).eps
    for start in range(0, len(a), CHUNK):
        rows = a[start : start + CHUNK]
        scale = np.square(rows).sum(axis=1)[:, None] + norms_b
        squared = rows @ doubled
        squared += scale
        scale *= resolution
        squared[squared < scale] = 0.0
        yield squared


def _squared_radii(x: Array, k: int) -> Array:
    """Squared distance of each point to its k-th nearest other point."""
    # Each point is its own nearest, at distance 0, so the k-th other point is at index k.
    parts = [np.partition(rows, k, axis=1)[:, k] for rows in _squared_distances(x, x)]
    return np.concatenate(parts)


def _checked_neighbours(
    real: ArrayLike, generated: ArrayLike, k: int, smallest: str
) -> tuple[Array, Array]:
    a, b = _checked_pair(real, generated)
    count = len(a) if smallest == "real" else min(len(a), len(b))
    given: Any = k
    if not (isinstance(given, Integral) and 1 <= k < count):
        raise InputError(
            f"k is {k}, expected an integer from 1 to below the number of samples, "
            f"{count}; lower k or give more samples."
        )
    centre = a.mean(axis=0)  # smaller norms lose fewer digits in the expanded distances
    return a - centre, b - centre


def precision_recall(real: ArrayLike, generated: ArrayLike, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall: shares of each set inside the other's neighbourhoods.

    A set's neighbourhoods are the balls around its points that reach their k-th nearest
    neighbour [Kynkäänniemi et al. 2019, arXiv:1904.06991, Eq. 1 and 2].

    Args:
        real: `(n, d)` features of real samples.
        generated: `(m, d)` features of generated samples.
        k: which nearest neighbour sets the radius, at least 1, below n and m.

    Returns:
        Precision (generated samples inside a real ball) and recall (real samples inside a
        generated ball), each from 0 to 1.

    Raises:
        InputError: sets of different width, k out of range, or values that are not finite.

    Example:
        >>> real = np.arange(10.0)[:, None]
        >>> precision_recall(real, np.array([[2.1], [3.2], [4.1], [5.2]]), k=2)
        PrecisionRecall(precision=1.0, recall=0.7)
    """
    a, b = _checked_neighbours(real, generated, k, "both")
    radii_a, radii_b = _squared_radii(a, k), _squared_radii(b, k)
    covered_a = np.zeros(len(a), dtype=bool)
    covered_b = np.zeros(len(b), dtype=bool)
    for chunk, rows in enumerate(_squared_distances(b, a)):
        part = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        covered_b[part] = (rows <= radii_a).any(axis=1)
        covered_a |= (rows <= radii_b[part, None]).any(axis=0)
    return PrecisionRecall(float(covered_b.mean()), float(covered_a.mean()))


def density_coverage(real: ArrayLike, generated: ArrayLike, k: int = 5) -> DensityCoverage:
    """Density and coverage of the neighbourhoods of real samples by generated ones.

    Density counts the real balls that a generated sample lies in, divided by k; coverage is
    the share of real balls with a generated sample inside [Naeem et al. 2020,
    arXiv:2002.09797, Eq. 3 and 4]. Unlike precision, density is not raised by one outlier
    with a large ball, and may exceed 1.

    Args:
        real: `(n, d)` features of real samples.
        generated: `(m, d)` features of generated samples.
        k: which nearest neighbour sets the radius, at least 1, below n.

    Returns:
        Density (at least 0) and coverage (0 to 1).

    Raises:
        InputError: sets of different width, k out of range, or values that are not finite.

    Example:
        >>> real = np.arange(10.0)[:, None]
        >>> density_coverage(real, np.array([[0.5], [4.5]]), k=1)
        DensityCoverage(density=2.0, coverage=0.4)
    """
    a, b = _checked_neighbours(real, generated, k, "real")
    radii = _squared_radii(a, k)
    hits, covered = 0, np.zeros(len(a), dtype=bool)
    for rows in _squared_distances(b, a):
        inside = rows <= radii
        hits += int(inside.sum())
        covered |= inside.any(axis=0)
    return DensityCoverage(hits / (k * len(b)), float(covered.mean()))
