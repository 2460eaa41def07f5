"""Kernel density estimation: one small Gaussian on every code."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from latentrank.density.base import Array, Density, Subspace, integer_seed
from latentrank.density.gaussian import Normal
from latentrank.errors import InputError

if TYPE_CHECKING:
    from sklearn.neighbors import KernelDensity


class KernelEstimate(Density):
    r"""Gaussian kernels of width `h`, `p(u) = 1/N sum_i N(u; u_i, h^2 I)`.

    The samples have the mean of the codes and `(N - 1)/N + h^2` times their covariance: a kernel
    density is wider than the distribution of the codes, and the more so the higher their rank.

    Args:
        subspace: the subspace the density lives in.
        model: scikit-learn's estimate, fitted to the coordinates.
    """

    def __init__(self, subspace: Subspace, model: KernelDensity) -> None:
        super().__init__(subspace)
        self.model = model

    @property
    def bandwidth(self) -> float:
        """Width `h` of the kernels, in standard deviations of the codes."""
        return float(self.model.bandwidth_)

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        return np.asarray(self.model.sample(n, random_state=integer_seed(rng)))

    def _log_density(self, coordinates: Array) -> Array:
        return np.asarray(self.model.score_samples(coordinates))


def fit(
    codes: ArrayLike, *, bandwidth: float | Literal["scott", "silverman"] = "scott"
) -> KernelEstimate | Normal:
    """Gaussian kernels of equal width around the training codes.

    Scott's rule is `h = N^(-1/(r+4))`, Silverman's `h = (N (r+2)/4)^(-1/(r+4))`, for `N` codes
    of rank `r`.

    Args:
        codes: `(N, L)`, `N` at least 2.
        bandwidth: width of the kernels in standard deviations of the codes, above 0, or a rule:
            scott or silverman.

    Returns:
        The density; for constant codes, a normal distribution of rank 0.

    Raises:
        InputError: the codes are not a finite matrix or have fewer than 2 rows, or the
            bandwidth is neither a rule nor positive.

    Example:
        >>> fit([[0.0], [1.0], [3.0], [9.0]], bandwidth=0.1).bandwidth
        0.1
    """
    from sklearn.neighbors import KernelDensity

    _check(bandwidth)
    subspace = Subspace.of(codes)
    if subspace.rank == 0:
        return Normal(subspace)
    model = KernelDensity(bandwidth=bandwidth).fit(subspace.coordinates(codes))
    return KernelEstimate(subspace, model)


def _check(bandwidth: Any) -> None:
    if bandwidth in ("scott", "silverman"):
        return
    number = isinstance(bandwidth, Real) and not isinstance(bandwidth, bool)
    if not (number and 0 < float(bandwidth) < np.inf):
        raise InputError(
            f"The bandwidth is {bandwidth!r}, expected 'scott', 'silverman' or a positive number; "
            "give one of these."
        )
