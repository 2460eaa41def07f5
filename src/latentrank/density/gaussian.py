"""One multivariate normal distribution."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from latentrank.density.base import Array, Density, Subspace


class Normal(Density):
    r"""The normal distribution with the mean and the covariance of its subspace.

    In whitened coordinates it is the standard normal,
    `log p(u) = -(|u|^2 + r log 2 pi) / 2`.
    """

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        return rng.standard_normal((n, self.rank))

    def _log_density(self, coordinates: Array) -> Array:
        squares = (coordinates**2).sum(axis=1)
        return np.asarray(-0.5 * (squares + self.rank * np.log(2 * np.pi)))


def fit(codes: ArrayLike) -> Normal:
    """One Gaussian with the mean and the covariance of the codes.

    The covariance is the unbiased one.

    Args:
        codes: `(N, L)`, `N` at least 2.

    Returns:
        The density; its rank is that of the centred codes.

    Raises:
        InputError: the codes are not a finite matrix, or have fewer than 2 rows.

    Example:
        >>> density = fit([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
        >>> density.rank, density.sample(5, seed=0)[:, 1].tolist()
        (1, [1.0, 1.0, 1.0, 1.0, 1.0])
    """
    return Normal(Subspace.of(codes))
