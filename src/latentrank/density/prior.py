"""The prior: the density of a code before any data are seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from latentrank.density.base import Subspace, as_codes
from latentrank.density.gaussian import Normal
from latentrank.errors import InputError, check_count


def standard_normal(latent_dim: int, basis: ArrayLike | None = None) -> Normal:
    """The standard normal over the `L` numbers of a code, or over coefficients in a basis.

    With a basis `U` the samples are `U a`, `a ~ N(0, I_k)`, as in VRRAE. The density of `U a`
    is the Gaussian of covariance `U U^T`, so `U` need not be orthonormal.

    Args:
        latent_dim: width `L` of a code, at least 1.
        basis: `(L, k)`, or None for the prior of VAE, WAE and GAN.

    Returns:
        The density; its rank is `L`, or the rank of the basis.

    Raises:
        InputError: the width is below 1, or the basis is not a finite matrix of `L` rows.

    Example:
        >>> standard_normal(3).rank, standard_normal(3, basis=np.eye(3)[:, :1]).rank
        (3, 1)
    """
    check_count(latent_dim, "latent_dim")
    mean = np.zeros(latent_dim)
    if basis is None:
        return Normal(Subspace(mean, np.eye(latent_dim), np.ones(latent_dim)))
    axes, scales, _ = np.linalg.svd(_as_basis(basis, latent_dim), full_matrices=False)
    kept = scales > np.finfo(np.float32).eps * scales.max()
    return Normal(Subspace(mean, axes[:, kept], scales[kept]))


def fit(codes: ArrayLike) -> Normal:
    """The standard normal distribution, over coefficients if the method has a basis.

    This function does not know the method: it returns the standard normal over all numbers of a
    code. `latentrank.inference` uses the model's prior.

    Args:
        codes: `(N, L)`; only their width matters.

    Raises:
        InputError: the codes are not a finite matrix.

    Example:
        >>> fit([[5.0, 5.0, 5.0]]).rank
        3
    """
    return standard_normal(as_codes(codes).shape[1])


def _as_basis(basis: ArrayLike, width: int) -> np.ndarray:
    matrix = np.asarray(basis, dtype=np.float64)
    if matrix.ndim != 2 or len(matrix) != width or not matrix.size:
        raise InputError(
            f"The basis has shape {matrix.shape}, expected ({width}, k) for codes of width "
            f"{width}; give one column per coefficient."
        )
    if not np.isfinite(matrix).all():
        raise InputError("The basis holds NaN or infinity, expected finite numbers; refit it.")
    return matrix
