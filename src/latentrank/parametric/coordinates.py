"""Dimensionless coordinates of parameters, and the convex hull of the known ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.spatial import ConvexHull

from latentrank.density.base import Subspace

Array = NDArray[np.float64]

#: Maximum number of dimensions in which a convex hull has few enough faces to list.
MOST_DIMENSIONS = 5
#: Values closer than this share of a parameter's range are equal, since computed grids are rounded.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Known parameters scaled to [0, 1], in as many coordinates as they have degrees of freedom.

    A parameter that never varies is left out, and parameters on a line become one number.

    Args:
        low: `(P,)`, the lowest values.
        span: `(P,)`, the ranges; 1 where a parameter does not vary.
        axes: `(P, r)`, from scaled parameters to coordinates.

    Example:
        >>> line = Coordinates.of(np.array([[0.0, 5.0, 0.0], [1.0, 5.0, 2.0], [2.0, 5.0, 4.0]]))
        >>> line.axes.shape
        (3, 1)
    """

    low: Array
    span: Array
    axes: Array

    @classmethod
    def of(cls, known: Array) -> Coordinates:
        """Coordinates for known parameters, `(N, P)`, at least two of them different."""
        low, span = ranges(known)
        axes = np.eye(len(low))[:, known.max(axis=0) > low]
        subspace = Subspace.of((known - low) / span)
        if subspace.rank < axes.shape[1]:
            axes = subspace.basis
        return cls(low, span, axes)

    def __call__(self, parameters: Array) -> Array:
        """Coordinates `(Q, r)` of parameters `(Q, P)`."""
        return np.asarray(self.scaled(parameters) @ self.axes)

    def scaled(self, parameters: Array) -> Array:
        """Parameters `(Q, P)` in units of the known ones' ranges."""
        return np.asarray((parameters - self.low) / self.span)

    def outside(self, known: Array, query: Array, tolerance: float = 1e-6) -> NDArray[np.bool_]:
        """Which parameters lie outside the convex hull of known ones.

        Args:
            known: `(N, P)`.
            query: `(Q, P)`.
            tolerance: how far outside still counts as inside, in units of the ranges.

        Returns:
            `(Q,)`.

        Example:
            >>> known = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
            >>> query = np.array([[0.3, 0.3], [0.7, 0.7], [-0.1, 0.5]])
            >>> Coordinates.of(known).outside(known, query).tolist()
            [False, True, True]
        """
        nodes, points = self(known), self(query)
        # Directions that the coordinates leave out do not vary among the known parameters.
        origin = self.scaled(known[:1]) - nodes[:1] @ self.axes.T
        away = np.abs(self.scaled(query) - origin - points @ self.axes.T).max(axis=1) > tolerance
        low, high = nodes.min(axis=0) - tolerance, nodes.max(axis=0) + tolerance
        away |= ((points < low) | (points > high)).any(axis=1)
        if nodes.shape[1] == 1:
            return np.asarray(away)
        if nodes.shape[1] <= MOST_DIMENSIONS:
            faces = ConvexHull(nodes).equations
            beyond = points @ faces[:, :-1].T + faces[:, -1] > tolerance
            return np.asarray(away | beyond.any(axis=1))
        away[~away] = [not _is_mean(nodes, point) for point in points[~away]]
        return np.asarray(away)


def ranges(known: Array) -> tuple[Array, Array]:
    """The lowest value of each parameter, and its range or, where it does not vary, 1."""
    span = np.ptp(known, axis=0)
    return known.min(axis=0), np.where(span > 0, span, 1.0)


def levels(points: Array) -> list[Array]:
    """The different values along each axis, ascending.

    Args:
        points: `(N, r)`, of ranges about 1.
    """
    return [line[np.diff(line, prepend=-np.inf) > ROUNDING] for line in np.sort(points, axis=0).T]


def cells(points: Array) -> NDArray[np.int64]:
    """The index of each value among the levels of its axis, `(N, r)`."""
    found = [
        np.searchsorted(level, values + ROUNDING, side="right") - 1
        for level, values in zip(levels(points), points.T, strict=True)
    ]
    return np.stack(found, axis=1)


def _is_mean(nodes: Array, point: Array) -> bool:
    """Whether a point is a convex combination of nodes."""
    mean = np.vstack([nodes.T, np.ones(len(nodes))])
    return bool(linprog(np.zeros(len(nodes)), A_eq=mean, b_eq=[*point, 1.0]).success)
