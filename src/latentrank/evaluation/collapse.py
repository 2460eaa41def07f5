"""Posterior collapse: active units and KL divergence of each coordinate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentrank.density.base import as_matrix
from latentrank.errors import InputError


def active_units(means: ArrayLike, threshold: float = 0.01) -> int:
    r"""The number of coordinates whose posterior mean depends on the data.

    .. math:: \#\{i : \mathrm{Var}_x\, \mu_i(x) > \text{threshold}\}

    [Burda et al. 2016, arXiv:1509.00519, Sec. 5.2].

    Args:
        means: `(N, L)` posterior means of N samples.
        threshold: variance above which a coordinate counts as active, relative to the prior's.

    Returns:
        From 0 to L.

    Raises:
        InputError: an array that does not have two axes, or is not finite.

    Example:
        >>> active_units([[0.0, 5.0], [1.0, 5.0]])
        1
    """
    return int((as_matrix(means, "posterior means", "(N, L)").var(axis=0) > threshold).sum())


def kl_per_unit(means: ArrayLike, logvars: ArrayLike) -> NDArray[np.float64]:
    r"""Mean divergence of each coordinate's posterior from the standard normal prior, in nats.

    .. math:: \mathrm{KL}_i = \tfrac12\,\mathbb{E}_x[\mu_i^2 + \sigma_i^2 - 1 - \log\sigma_i^2]

    [Kingma and Welling 2014, arXiv:1312.6114, App. B]. A collapsed coordinate has 0.

    Args:
        means: `(N, L)` posterior means of N samples.
        logvars: `(N, L)` logarithms of the posterior variances.

    Returns:
        `(L,)` float64, at least 0.

    Raises:
        InputError: arrays that do not have two axes, are not finite, or differ in shape.

    Example:
        >>> kl_per_unit([[0.0, 2.0], [0.0, -2.0]], np.zeros((2, 2))).tolist()
        [0.0, 2.0]
    """
    mean = as_matrix(means, "posterior means", "(N, L)")
    logvar = as_matrix(logvars, "posterior log-variances", "(N, L)")
    if mean.shape != logvar.shape:
        raise InputError(
            f"The posterior means have shape {mean.shape} and the log-variances {logvar.shape}, "
            "expected the same; take both from one encoding."
        )
    divergence: NDArray[np.float64] = 0.5 * (mean**2 + np.expm1(logvar) - logvar).mean(axis=0)
    return divergence
