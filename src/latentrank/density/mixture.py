"""A mixture of Gaussians with full covariances."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from latentrank.density.base import Array, Density, Subspace, generator
from latentrank.density.gaussian import Gaussian
from latentrank.errors import InputError

REGULARISATION = 1e-6
"""Variance added to every component, as a fraction of the codes' variance along each axis."""


class Mixture(Density):
    r"""A Gaussian mixture, `p(u) = sum_k w_k N(u; m_k, C_k)` in whitened coordinates.

    Args:
        subspace: where the density lives.
        model: the mixture fitted to the coordinates.
    """

    def __init__(self, subspace: Subspace, model: GaussianMixture) -> None:
        super().__init__(subspace)
        self.model = model

    @property
    def components(self) -> int:
        """How many Gaussians the mixture has."""
        return len(self.model.weights_)

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        labels = rng.choice(self.components, size=n, p=self.model.weights_)
        result = rng.standard_normal((n, self.rank))
        roots = np.linalg.cholesky(self.model.covariances_)
        for k, (mean, root) in enumerate(zip(self.model.means_, roots, strict=True)):
            result[labels == k] = mean + result[labels == k] @ root.T
        return result

    def _log_density(self, coordinates: Array) -> Array:
        return np.asarray(self.model.score_samples(coordinates))


def fit(
    codes: ArrayLike,
    components: int | Literal["bic"] = 4,
    max_components: int = 10,
    seed: int | None = 0,
) -> Mixture | Gaussian:
    """A Gaussian mixture by expectation maximisation from a k-means start.

    `"bic"` takes the number of components with the least Bayesian information criterion. It
    tries only so many that a component has more than `r` points on average: with fewer, a
    component collapses onto its points and the criterion rewards it without limit.

    Args:
        codes: `(N, L)`, `N` from 2.
        components: how many Gaussians, from 1 to `N`, or `"bic"`; the papers take 4 on MNIST
            and 10 on CelebA.
        max_components: the most that `"bic"` tries.
        seed: of the k-means start; the same seed gives the same mixture, `None` is
            fresh entropy.

    Returns:
        The density; for constant codes, which have no covariance, the Gaussian of rank 0.

    Raises:
        InputError: if the codes are no finite matrix, have fewer than 2 rows or fewer rows than
            components, or if a number of components is not a whole number from 1.

    Example:
        >>> codes = np.concatenate([np.eye(3), np.eye(3) + 9])
        >>> fit(codes, components=2).components
        2
    """
    subspace = Subspace.of(codes)
    coordinates = subspace.coordinates(codes)
    _check(components, len(coordinates))
    if subspace.rank == 0:
        return Gaussian(subspace)
    state = int(generator(seed).integers(2**31))
    if components != "bic":
        return Mixture(subspace, _maximise(coordinates, components, state))
    if max_components < 1:
        raise InputError(
            f"max_components is {max_components}, expected a whole number from 1; raise it."
        )
    most = max(1, min(max_components, len(coordinates) // (subspace.rank + 1)))
    models = [_maximise(coordinates, k, state) for k in range(1, most + 1)]
    return Mixture(subspace, min(models, key=lambda model: float(model.bic(coordinates))))


def _check(components: int | str, samples: int) -> None:
    if components == "bic":
        return
    if isinstance(components, str) or components < 1:
        raise InputError(
            f"components is {components!r}, expected a whole number from 1 or 'bic'; "
            "give one of these."
        )
    if components > samples:
        raise InputError(
            f"A mixture of {components} components is asked of {samples} codes, expected at most "
            "one component per code; give fewer components or more codes."
        )


def _maximise(coordinates: Array, components: int, seed: int) -> GaussianMixture:
    model = GaussianMixture(components, reg_covar=REGULARISATION, max_iter=200, random_state=seed)
    with warnings.catch_warnings():
        # Duplicated codes leave k-means fewer distinct points than components. The mixture
        # is still a valid one, with two components in one place.
        warnings.filterwarnings("ignore", "Number of distinct clusters", ConvergenceWarning)
        return model.fit(coordinates)
