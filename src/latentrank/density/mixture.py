"""Mixtures of Gaussians."""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from latentrank.density.base import Array, Density, RandomState, Subspace, generator, integer_seed
from latentrank.density.gaussian import Normal
from latentrank.errors import InputError, check_count, check_known
from latentrank.linalg.threads import threads

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

Covariance = Literal["full", "tied", "diag", "spherical"]

COVARIANCES: tuple[Covariance, ...] = ("full", "tied", "diag", "spherical")

REGULARISATION = 1e-6
"""Variance added to every component, as a fraction of the codes' variance along each axis."""


class Mixture(Density):
    r"""A Gaussian mixture, `p(u) = sum_k w_k N(u; m_k, C_k)` in whitened coordinates.

    Args:
        subspace: the subspace the density lives in.
        model: scikit-learn's mixture, fitted to the coordinates.
    """

    def __init__(self, subspace: Subspace, model: GaussianMixture) -> None:
        super().__init__(subspace)
        self.model = model

    @property
    def components(self) -> int:
        """Number of Gaussians."""
        return len(self.model.weights_)

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        # scikit-learn draws component by component, from the random state of the model.
        model = copy.copy(self.model).set_params(random_state=integer_seed(rng))
        return rng.permutation(model.sample(n)[0])

    def _log_density(self, coordinates: Array) -> Array:
        return np.asarray(self.model.score_samples(coordinates))


def fit(
    codes: ArrayLike,
    *,
    components: int | Literal["bic"] = 4,
    covariance: Covariance = "full",
    max_components: int = 10,
    seed: RandomState = 0,
) -> Mixture | Normal:
    """A mixture of Gaussians, fitted by expectation maximisation.

    The mixture is fitted to the `r` coordinates of the codes in their own subspace rather than to
    all `L` numbers of a code, which is faster, and never singular.

    With `components="bic"`, the number of components minimises the Bayesian information
    criterion. Only numbers that leave more than `r` codes per component on average are tried:
    with fewer, a component collapses onto its codes and the likelihood grows without bound.

    Args:
        codes: `(N, L)`, `N` at least 2.
        components: number of Gaussians, from 1 to the number of codes, or bic to choose it; the
            papers use 4 on MNIST and 10 on CelebA.
        covariance: full, tied (one matrix for all components), diag (along the principal axes of
            all codes) or spherical.
        max_components: maximum number of components that bic tries.
        seed: random seed for the k-means initialisation.

    Returns:
        The density; for constant codes, a normal distribution of rank 0.

    Raises:
        InputError: the codes are not a finite matrix, have fewer than 2 rows or fewer rows than
            components, or an option is out of range.

    Example:
        >>> codes = np.concatenate([np.eye(3), np.eye(3) + 9])
        >>> fit(codes, components=2).components
        2
    """
    subspace = Subspace.of(codes)
    coordinates = subspace.coordinates(codes)
    _check(components, covariance, max_components, len(coordinates))
    state = integer_seed(generator(seed))
    if subspace.rank == 0:
        return Normal(subspace)
    if components != "bic":
        return Mixture(subspace, _maximise(coordinates, components, covariance, state))
    most = max(1, min(max_components, len(coordinates) // (subspace.rank + 1)))
    models = [_maximise(coordinates, k, covariance, state) for k in range(1, most + 1)]
    return Mixture(subspace, min(models, key=lambda model: float(model.bic(coordinates))))


def _check(components: Any, covariance: str, max_components: int, samples: int) -> None:
    check_known("covariance of a mixture", covariance, COVARIANCES)
    check_count(max_components, "max_components")
    if components == "bic":
        return
    integral = isinstance(components, int | np.integer) and not isinstance(components, bool)
    if not (integral and components >= 1):
        raise InputError(
            f"components is {components!r}, expected an integer of at least 1 "
            "or 'bic'; give one of these."
        )
    if components > samples:
        raise InputError(
            f"components is {components} for {samples} codes, expected at most one component "
            "per code; give fewer components or more codes."
        )


def _maximise(coordinates: Array, components: int, covariance: str, seed: int) -> GaussianMixture:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(
        components,
        covariance_type=covariance,
        reg_covar=REGULARISATION,
        max_iter=200,
        random_state=seed,
    )
    with warnings.catch_warnings(), threads(coordinates.shape[1]):
        # Duplicated codes leave k-means fewer distinct points than components. The mixture
        # is still valid, with two coinciding components.
        warnings.filterwarnings("ignore", "Number of distinct clusters", ConvergenceWarning)
        return model.fit(coordinates)
