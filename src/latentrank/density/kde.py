"""A kernel density: one small Gaussian on every code."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from latentrank.density.base import Array, Density, Subspace
from latentrank.errors import InputError

_CHUNK = 2**23  # distances held at a time: 64 MiB


class KernelDensity(Density):
    r"""Gaussian kernels of width `h`, `p(u) = 1/N sum_i N(u; u_i, h^2 I)`.

    The samples have the mean of the codes and `(N - 1)/N + h^2` times their covariance: the
    price of a kernel density is this blur, and it grows with the rank.

    Args:
        subspace: where the density lives.
        centres: whitened coordinates of the codes, `(N, r)`.
        bandwidth: `h`, positive, in standard deviations of the codes.
    """

    def __init__(self, subspace: Subspace, centres: Array, bandwidth: float) -> None:
        super().__init__(subspace)
        self.centres = centres
        self.bandwidth = bandwidth

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        picked = rng.integers(len(self.centres), size=n)
        return self.centres[picked] + self.bandwidth * rng.standard_normal((n, self.rank))

    def _log_density(self, coordinates: Array) -> Array:
        rows = max(1, _CHUNK // len(self.centres))
        starts = range(0, len(coordinates), rows)
        sums = np.concatenate([self._log_sum(coordinates[i : i + rows]) for i in starts])
        norm = np.log(len(self.centres))
        norm += self.rank * (0.5 * np.log(2 * np.pi) + np.log(self.bandwidth))
        return np.asarray(sums - norm)

    def _log_sum(self, coordinates: Array) -> Array:
        """`log sum_i exp(-|u - u_i|^2 / 2 h^2)` for every row `u`."""
        squares = (coordinates**2).sum(axis=1)[:, None] + (self.centres**2).sum(axis=1)
        squares -= 2 * coordinates @ self.centres.T
        return np.asarray(logsumexp(squares / (-2 * self.bandwidth**2), axis=1))


def fit(
    codes: ArrayLike, bandwidth: float | Literal["scott", "silverman"] = "scott"
) -> KernelDensity:
    """A Gaussian kernel density in the whitened subspace of the codes.

    Scott's rule is `h = N^(-1/(r+4))`, Silverman's `h = (N (r+2)/4)^(-1/(r+4))`.

    Args:
        codes: `(N, L)`, `N` from 2.
        bandwidth: a rule, or the width `h` in standard deviations of the codes, positive.

    Returns:
        The density.

    Raises:
        InputError: if the codes are no finite matrix or have fewer than 2 rows, or if the
            bandwidth is no rule and not positive.

    Example:
        >>> fit([[0.0], [1.0], [3.0], [9.0]], bandwidth=0.1).bandwidth
        0.1
    """
    subspace = Subspace.of(codes)
    centres = subspace.coordinates(codes)
    return KernelDensity(subspace, centres, _width(bandwidth, *centres.shape))


def _width(bandwidth: float | str, samples: int, rank: int) -> float:
    if bandwidth == "scott":
        return float(samples ** (-1 / (rank + 4)))
    if bandwidth == "silverman":
        return float((samples * (rank + 2) / 4) ** (-1 / (rank + 4)))
    if isinstance(bandwidth, str) or not 0 < bandwidth < np.inf:
        raise InputError(
            f"The bandwidth is {bandwidth!r}, expected 'scott', 'silverman' or a positive number; "
            "give one of these."
        )
    return float(bandwidth)
