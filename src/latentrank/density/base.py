"""What every density shares: the subspace that the codes fill, and the way in and out of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentrank.errors import InputError

Array = NDArray[np.float64]

RANK_TOLERANCE = 4 * float(np.finfo(np.float32).eps)
"""A direction counts when its singular value is above this fraction of the codes' norm.

The norm is the Frobenius norm of the codes before centring, because that is what float32
rounds: codes computed as a product of rank r in float32 carry noise of about 1e-7 of it.
"""

OFF_TOLERANCE = 1e-4
"""A point is off the subspace when its distance is above this fraction of its size."""


def as_codes(codes: ArrayLike, width: int | None = None) -> Array:
    """Codes as a float64 matrix, or the sentence that says why they are none.

    Args:
        codes: numbers, `(N, L)`, rows are samples.
        width: the `L` that is expected, or `None` for any.

    Returns:
        The codes, `(N, L)` float64.

    Raises:
        InputError: if the codes are not numbers, not a matrix, not finite, or of another width.

    Example:
        >>> as_codes([[1, 2], [3, 4]]).shape
        (2, 2)
    """
    try:
        matrix = np.asarray(codes, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The codes are no array of numbers ({error}); give a NumPy array (N, L)."
        ) from error
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise InputError(
            f"The codes have shape {matrix.shape}, expected (N, L) with one row per sample; "
            "reshape them."
        )
    if width is not None and matrix.shape[1] != width:
        raise InputError(
            f"The codes have {matrix.shape[1]} columns, expected {width}; "
            "give codes of the model that the density was fitted to."
        )
    bad = int((~np.isfinite(matrix).all(axis=1)).sum())
    if bad:
        raise InputError(
            f"{bad} of {len(matrix)} codes hold NaN or infinity, expected finite numbers; "
            "check the model that made them or drop those rows."
        )
    return matrix


def generator(seed: int | None) -> np.random.Generator:
    """A random generator of its own, so that no global state is read or changed.

    Args:
        seed: a whole number from 0, or `None` for fresh entropy.

    Returns:
        The generator.

    Raises:
        InputError: if the seed is negative.

    Example:
        >>> bool(generator(3).random() == generator(3).random())
        True
    """
    if seed is not None and seed < 0:
        raise InputError(f"The seed is {seed}, expected a whole number from 0; drop the sign.")
    return np.random.default_rng(seed)


@dataclass(frozen=True)
class Subspace:
    r"""An affine subspace with a scale along each of its axes.

    A point is `x = mean + basis (scales * u)`. The coordinates `u` are what densities are
    fitted to: they have zero mean, no correlation and unit variance, whatever the rank and the
    units of the codes.

    Args:
        mean: the origin, `(L,)` float64.
        basis: orthonormal columns, `(L, r)` float64, `r` from 0 to `L`.
        scales: standard deviation along each column, `(r,)` float64, positive.

    Example:
        >>> line = Subspace.of(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]))
        >>> line.rank, line.contains(np.array([[5.0, 5.0], [5.0, 6.0]])).tolist()
        (1, [True, False])
    """

    mean: Array
    basis: Array
    scales: Array

    @classmethod
    def of(cls, codes: ArrayLike) -> Subspace:
        """The smallest subspace that holds the codes, with their principal axes.

        The rank is the number of singular values of the centred codes above
        `RANK_TOLERANCE` times the Frobenius norm of the codes. The singular values come from a
        QR factorisation and not from the covariance, which would square them and lose the small
        ones. Each axis points where its largest entry is positive, so that it does not depend
        on the linear algebra library.

        Args:
            codes: `(N, L)`, `N` from 2; fewer samples than dimensions, duplicates and constant
                codes are fine.

        Returns:
            The subspace; its rank is 0 for constant codes.

        Raises:
            InputError: if the codes are no finite matrix, or have fewer than 2 rows.
        """
        centred = as_codes(codes)
        if len(centred) < 2:
            raise InputError(
                f"{len(centred)} code is given, expected at least 2 to fit to; encode more samples."
                if len(centred)
                else "No codes are given, expected at least 2 to fit to; encode some samples."
            )
        size = float(np.linalg.norm(centred))
        mean = centred.mean(axis=0)
        centred = centred - mean
        if centred.shape[0] > centred.shape[1]:
            triangle = np.linalg.qr(centred, mode="r")
        else:
            triangle = centred
        values, axes = np.linalg.svd(triangle, full_matrices=False)[1:]
        rank = int((values > RANK_TOLERANCE * size).sum())
        axes = axes[:rank]
        largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
        return cls(mean, (axes * np.sign(largest)).T, values[:rank] / np.sqrt(len(centred) - 1))

    @property
    def rank(self) -> int:
        """How many dimensions the subspace has."""
        return len(self.scales)

    @property
    def width(self) -> int:
        """How many numbers a code has."""
        return len(self.mean)

    @property
    def log_volume(self) -> float:
        """Logarithm of the volume of the unit cube of coordinates: the sum of the log scales."""
        return float(np.log(self.scales).sum())

    def coordinates(self, codes: ArrayLike) -> Array:
        """Coordinates of the points of the subspace nearest to the codes.

        Args:
            codes: `(N, L)`.

        Returns:
            `(N, r)` float64.

        Raises:
            InputError: if the codes are no finite matrix of this width.
        """
        return (as_codes(codes, self.width) - self.mean) @ self.basis / self.scales

    def points(self, coordinates: Array) -> Array:
        """The points with these coordinates.

        Args:
            coordinates: `(N, r)` float64.

        Returns:
            `(N, L)` float64.
        """
        return self.mean + (coordinates * self.scales) @ self.basis.T

    def contains(self, codes: ArrayLike) -> NDArray[np.bool_]:
        """Which codes lie in the subspace, up to `OFF_TOLERANCE`.

        The tolerance is relative to the norm of the code plus the root mean square norm of the
        codes that the subspace was made from.

        Args:
            codes: `(N, L)`.

        Returns:
            `(N,)` bool.

        Raises:
            InputError: if the codes are no finite matrix of this width.
        """
        codes = as_codes(codes, self.width)
        distance = np.linalg.norm(codes - self.points(self.coordinates(codes)), axis=1)
        typical = np.hypot(np.linalg.norm(self.mean), np.linalg.norm(self.scales))
        return np.asarray(distance <= OFF_TOLERANCE * (np.linalg.norm(codes, axis=1) + typical))


class Density(ABC):
    """A probability density on the subspace that the codes fill.

    A density is two formulas in the coordinates of its `Subspace`: how to draw, and how large
    the density is. Everything about rank, units and seeds is here.

    Args:
        subspace: where the density lives.
    """

    def __init__(self, subspace: Subspace) -> None:
        self.subspace = subspace

    @property
    def rank(self) -> int:
        """Dimension of the subspace that the density lives in."""
        return self.subspace.rank

    def sample(self, n: int, seed: int | None = None) -> NDArray[np.float32]:
        """New codes; they fill the subspace and never leave it.

        Args:
            n: how many, from 1.
            seed: the same seed gives the same codes; `None` gives fresh ones.

        Returns:
            `(n, L)` float32.

        Raises:
            InputError: if `n` is below 1 or the seed is negative.
        """
        if n < 1:
            raise InputError(f"n is {n}, expected a whole number from 1; ask for more samples.")
        return self.subspace.points(self._draw(n, generator(seed))).astype(np.float32)

    def log_prob(self, codes: ArrayLike) -> Array:
        """Log density with respect to the Lebesgue measure of the subspace.

        For rank `r` the unit is nats per volume of dimension `r`. Points off the subspace have
        minus infinity; how far is off, `Subspace.contains` says. At rank 0 the density is a
        point of mass 1, whose log density is 0.

        Args:
            codes: `(N, L)`.

        Returns:
            `(N,)` float64.

        Raises:
            InputError: if the codes are no finite matrix of the width that was fitted to.
        """
        coordinates = self.subspace.coordinates(codes)
        inside = self.subspace.contains(codes)
        result = np.full(len(coordinates), -np.inf)
        if inside.any():
            result[inside] = self._log_density(coordinates[inside]) - self.subspace.log_volume
        return result

    @abstractmethod
    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        """Coordinates of `n` new points, `(n, r)`."""

    @abstractmethod
    def _log_density(self, coordinates: Array) -> Array:
        """Log density of coordinates `(N, r)`, `(N,)`; at least one row."""
