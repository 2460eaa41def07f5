"""The prior that a model was trained towards, which looks at no codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from latentrank.density.base import Subspace, as_codes
from latentrank.density.gaussian import Gaussian
from latentrank.errors import InputError


def fit(codes: ArrayLike, basis: ArrayLike | None = None) -> Gaussian:
    """The standard normal: over all `L` numbers of a code, or over coefficients in a basis.

    With a basis `U` the samples are `U a`, `a ~ N(0, I_k)`, as in VRRAE. The density of `U a`
    is the Gaussian of covariance `U U^T`, so `U` need not be orthonormal.

    Args:
        codes: `(N, L)`; only the width `L` is read.
        basis: `(L, k)`, or `None` for the prior of VAE, WAE and GAN.

    Returns:
        The density; its rank is `L`, or the rank of the basis.

    Raises:
        InputError: if the codes or the basis are no finite matrix, or the basis has other than
            `L` rows.

    Example:
        >>> fit(np.zeros((2, 3))).rank, fit(np.zeros((2, 3)), basis=np.eye(3)[:, :1]).rank
        (3, 1)
    """
    width = as_codes(codes).shape[1]
    if basis is None:
        return Gaussian(Subspace(np.zeros(width), np.eye(width), np.ones(width)))
    matrix = _as_basis(basis, width)
    axes, scales, _ = np.linalg.svd(matrix, full_matrices=False)
    kept = scales > np.finfo(np.float32).eps * scales.max()
    return Gaussian(Subspace(np.zeros(width), axes[:, kept], scales[kept]))


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
