r"""Four ways to interpolate values between points; all of them are linear in the values.

`linear` is piecewise linear on the Delaunay triangulation, `multilinear` on the cells of a full
grid; outside, both continue the outermost cell. `radial` is

    s(p) = \sum_i w_i ||p - p_i||^3 + c_0 + c^T p,

which reproduces linear functions (Powell, 1992). `gaussian-process` is the posterior mean

    s(p) = k(p)^T K^{-1} y

under one stationary kernel with a length scale for each parameter, for all values together. The
kernel, squared exponential or Matern 5/2, and its length scales maximise the likelihood (Rasmussen
and Williams, 2006, section 5.4.1); so one parameter may matter more than another.

Each kind is a function of points `(N, r)`, all different and spanning all `r` dimensions, and of
the values there, `(N, k)`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator, RegularGridInterpolator
from scipy.spatial import Delaunay
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from latentrank.data.views import spread_evenly
from latentrank.errors import InputError
from latentrank.parametric.coordinates import MOST_DIMENSIONS, cells, levels

Array = NDArray[np.float64]
#: Values `(Q, k)` at points `(Q, r)`.
Interpolant = Callable[[Array], Array]
Kind = Literal["auto", "linear", "multilinear", "radial", "gaussian-process"]

#: By name, in the order in which tables show them.
KINDS = ("linear", "multilinear", "radial", "gaussian-process")

_MOST_CENTRES = 5000  # the last two solve a dense system of this many equations
_JITTER = 1e-10  # of the variance: keeps the Cholesky factorisation of a smooth kernel finite
_LEARNT_FROM = 300  # nodes that length scales are learnt from
_LEADING = 64  # and principal directions of their values
_START = 0.3  # initial length scale, as a share of a parameter's range


class UnsuitableError(InputError):
    """The parameters do not suit this kind of interpolation."""


def choose(points: Array) -> str:
    """The kind that `auto` stands for: multilinear on a full grid, radial elsewhere.

    Args:
        points: `(N, r)`, different ones.

    Example:
        >>> choose(np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]))
        'multilinear'
    """
    return "multilinear" if _is_grid(levels(points), points) else "radial"


def linear(points: Array, values: Array) -> Interpolant:
    """Piecewise linear on the Delaunay triangulation.

    Raises:
        UnsuitableError: there are too many dimensions for a triangulation.
    """
    if points.shape[1] == 1:
        return multilinear(points, values)
    if points.shape[1] > MOST_DIMENSIONS:
        raise UnsuitableError(
            f"Linear interpolation over {points.shape[1]} parameters was requested, expected at "
            f"most {MOST_DIMENSIONS}; use 'radial' or 'gaussian-process'."
        )
    mesh = Delaunay(points)

    def interpolant(query: Array) -> Array:
        simplices = mesh.find_simplex(query)
        for row in np.flatnonzero(simplices < 0):
            # The simplex from which the point is least far outside.
            simplices[row] = _weights(mesh, slice(None), query[row]).min(axis=1).argmax()
        weights = _weights(mesh, simplices, query)
        return np.asarray(np.einsum("qv,qvk->qk", weights, values[mesh.simplices[simplices]]))

    return interpolant


def _weights(mesh: Delaunay, simplices: Any, query: Array) -> Array:
    """Barycentric coordinates `(Q, r + 1)` of points in simplices."""
    transform = mesh.transform[simplices]
    first = np.einsum("qij,qj->qi", transform[:, :-1], query - transform[:, -1])
    weights = np.concatenate([first, 1 - first.sum(axis=1, keepdims=True)], axis=1)
    # A flat simplex has no coordinates; other simplices contain its points.
    return np.asarray(np.nan_to_num(weights, nan=-np.inf))


def multilinear(points: Array, values: Array) -> Interpolant:
    """Linear in each parameter on the cells of a full grid.

    Raises:
        UnsuitableError: the points do not form a full grid.
    """
    axes = levels(points)
    if not _is_grid(axes, points):
        raise UnsuitableError(
            f"The {len(points)} training parameters are not a full regular grid, which multilinear "
            "interpolation expects; use 'linear', 'radial' or 'gaussian-process'."
        )
    table = np.empty((*map(len, axes), values.shape[1]))
    table[tuple(cells(points).T)] = values
    # fill_value None means linear continuation outside the grid
    interpolator = RegularGridInterpolator(axes, table, bounds_error=False, fill_value=None)
    return lambda query: np.asarray(interpolator(query))


def _is_grid(axes: list[Array], points: Array) -> bool:
    return len(points) == np.prod([len(axis) for axis in axes])


def radial(points: Array, values: Array) -> Interpolant:
    """Cubic radial basis functions with a linear part.

    Raises:
        UnsuitableError: there are too many points for a dense system.
    """
    _check_centres(points, "Radial basis functions")
    interpolator = RBFInterpolator(points, values, kernel="cubic", degree=1)
    return lambda query: np.asarray(interpolator(query))


def _check_centres(points: Array, what: str) -> None:
    if len(points) > _MOST_CENTRES:
        raise UnsuitableError(
            f"{what} over {len(points)} different parameters are asked, expected at most "
            f"{_MOST_CENTRES}; give fewer samples."
        )


def gaussian_process(points: Array, values: Array, learnt: Array) -> Interpolant:
    """The posterior mean of a Gaussian process through all values.

    Args:
        points: as for every kind.
        values: likewise.
        learnt: result of `learn_kernel` for these points and values.

    Raises:
        UnsuitableError: there are too many points for a dense system.
    """
    _check_centres(points, "Gaussian processes")
    mean = values.mean(axis=0)
    process = GaussianProcessRegressor(_kernel(learnt), alpha=_JITTER, optimizer=None)
    process.fit(points, values - mean)
    return lambda query: np.asarray(process.predict(query).reshape(len(query), -1) + mean)


def learn_kernel(points: Array, values: Array) -> Array:
    """The smoothness and the length scales that maximise the likelihood of the values.

    The amplitude does not change the posterior mean. Without it, the likelihood depends on the
    values only through their inner products, so that their leading principal directions suffice,
    and codes and coefficients give the same result.

    Args:
        points: `(N, r)`.
        values: `(N, k)`.

    Returns:
        `(1 + r,)`: the smoothness, 2.5 or infinity, and a length scale for each dimension.
    """
    rows = spread_evenly(len(points), _LEARNT_FROM)
    nodes, centred = points[rows], values[rows] - values.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    leading = (u * s)[:, :_LEADING]
    leading = leading / (leading.std() or 1.0)
    found: list[tuple[float, Array]] = []
    for smoothness in (np.inf, 2.5):
        first = np.array([smoothness, *np.full(points.shape[1], _START)])
        amplitude = ConstantKernel(1.0, (1e-5, 1e8))
        process = GaussianProcessRegressor(amplitude * _kernel(first), alpha=_JITTER)
        with warnings.catch_warnings():
            # At a bound the values do not depend on a parameter, or hardly on each other.
            warnings.simplefilter("ignore", ConvergenceWarning)
            process.fit(nodes, leading)
        learnt = np.array([smoothness, *np.exp(process.kernel_.theta[1:])])
        found.append((float(process.log_marginal_likelihood_value_), learnt))
    return max(found, key=lambda one: one[0])[1]


def _kernel(learnt: Array) -> Any:
    return Matern(learnt[1:], (1e-2, 1e2), nu=learnt[0])  # with nu infinite, squared exponential
