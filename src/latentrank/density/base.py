"""What all densities share: the subspace of the codes, coordinates in it, and random seeds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentrank.errors import InputError, check_count, check_returned

if TYPE_CHECKING:
    from latentrank.models.statistics import CodeStatistics  # and with it torch

Array = NDArray[np.float64]
#: A seed, a generator of NumPy, or None for NumPy's global state.
RandomState = int | np.random.RandomState | np.random.Generator | None

RANK_TOLERANCE = 4 * float(np.finfo(np.float32).eps)
"""Directions count if their singular value exceeds this fraction of the norm of the codes.

The norm is the Frobenius norm before centring, since float32 rounds the uncentred values: codes
computed in float32 as a product of rank `r` carry noise of about 1e-7 of that norm.
"""

OFF_TOLERANCE = 1e-4
"""Points count as outside the subspace beyond this distance, relative to their norm."""


def as_codes(codes: ArrayLike, width: int | None = None) -> Array:
    """Codes as a float64 matrix, checked.

    Args:
        codes: `(N, L)`, one row per sample.
        width: the expected `L`, or None for any.

    Returns:
        The codes, `(N, L)` float64.

    Raises:
        InputError: the codes are not numbers, not a matrix, not finite, or of a different width.

    Example:
        >>> as_codes([[1, 2], [3, 4]]).shape
        (2, 2)
    """
    remedy = "give codes of the model that the density was fitted to"
    return as_matrix(codes, "codes", "(N, L)", width, remedy)


def as_matrix(
    values: ArrayLike,
    what: str,
    axes: str,
    width: int | None = None,
    remedy: str = "",
    names: Sequence[str] | None = None,
) -> Array:
    """A float64 matrix with one row per sample, checked.

    Args:
        values: the rows.
        what: name of the values in messages.
        axes: the expected shape as text, such as `"(N, L)"`.
        width: the expected number of columns, or None for any.
        remedy: what to do about a wrong number of columns.
        names: of the expected columns, for the message.

    Raises:
        InputError: they are not numbers, not a matrix, not finite, or of a different width.
    """
    from latentrank.data.plain import unwrapped  # and with it torch

    given = unwrapped(values, what)
    try:
        matrix = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The {what} are not an array of numbers ({error}); give a NumPy array {axes}."
        ) from None
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise InputError(
            f"The {what} have shape {matrix.shape}, expected {axes} with one row per sample; "
            "reshape them."
        )
    if width is not None and matrix.shape[1] != width:
        called = f" ({', '.join(names)})" if names else ""
        raise InputError(
            f"The {what} have {matrix.shape[1]} columns, expected {width}{called}; {remedy}."
        )
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(bad):
        raise InputError(
            f"{len(bad)} of {len(matrix)} {what} hold NaN or infinity, the first in row {bad[0]}, "
            "counted from 0; expected finite numbers: correct or drop those rows."
        )
    return matrix


def generator(seed: Any = None) -> np.random.Generator:
    """A random generator from a seed of any kind.

    Args:
        seed: an integer of at least 0, for reproducible results; a NumPy `RandomState` or
            `Generator`, which is advanced, as NumPy's global state is for the module
            `numpy.random`; or None for different results each time.

    Raises:
        InputError: the seed is negative or of another type.

    Example:
        >>> bool(generator(3).random() == generator(3).random())
        True
    """
    if seed is np.random or isinstance(seed, np.random.RandomState):
        return np.random.default_rng(seed.randint(0, 2**32, size=4, dtype=np.uint32))
    if seed is None or isinstance(seed, np.random.Generator):
        return np.random.default_rng(seed)
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise InputError(
            f"The seed is {seed!r}, expected None, an integer of at least 0, or a NumPy "
            "RandomState or Generator; give one of these."
        )
    return np.random.default_rng(int(seed))


def integer_seed(rng: np.random.Generator) -> int:
    """A seed drawn from a `Generator`, for libraries that do not take one.

    Example:
        >>> 0 <= integer_seed(generator(0)) < 2**31
        True
    """
    return int(rng.integers(2**31))


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
        """The smallest subspace that contains the codes, with their principal axes.

        The rank is the number of singular values of the centred codes above
        `RANK_TOLERANCE` times the Frobenius norm of the codes. The sign of each axis makes its
        largest entry positive, so that it does not depend on the linear algebra library.

        Args:
            codes: `(N, L)`, `N` at least 2; there may be fewer samples than dimensions, duplicates,
                and constant columns.

        Returns:
            The subspace; its rank is 0 for constant codes.

        Raises:
            InputError: the codes are not a finite matrix, or have fewer than 2 rows.
        """
        centred = as_codes(codes)
        if len(centred) < 2:
            raise InputError(
                f"{len(centred)} code is given, expected at least 2; encode more samples."
                if len(centred)
                else "No codes are given, expected at least 2; encode some samples."
            )
        size = float(np.linalg.norm(centred))
        mean = centred.mean(axis=0)
        centred = centred - mean
        values, axes = _principal_axes(centred, RANK_TOLERANCE * size)
        return cls(mean, _signed(axes).T, values / np.sqrt(len(centred) - 1))

    @classmethod
    def of_statistics(cls, statistics: CodeStatistics) -> Subspace:
        """The same subspace from the statistics of codes that a model stores, up to rounding.

        Args:
            statistics: of the training codes.
        """
        mean, directions, variances = (
            getattr(statistics, name).cpu().double().numpy()
            for name in ("mean", "directions", "variances")
        )
        scales = np.sqrt(variances)
        # Thresholds per sample do not need the number of samples.
        kept = scales > RANK_TOLERANCE * np.hypot(np.linalg.norm(mean), np.linalg.norm(scales))
        return cls(mean, _signed(directions.T[kept]).T, scales[kept])

    @property
    def rank(self) -> int:
        """Dimension of the subspace."""
        return len(self.scales)

    @property
    def width(self) -> int:
        """Width `L` of a code."""
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
            InputError: the codes are not a finite matrix of this width.
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
        codes from which the subspace was computed.

        Args:
            codes: `(N, L)`.

        Returns:
            `(N,)` bool.

        Raises:
            InputError: the codes are not a finite matrix of this width.
        """
        codes = as_codes(codes, self.width)
        distance = np.linalg.norm(codes - self.points(self.coordinates(codes)), axis=1)
        typical = np.hypot(np.linalg.norm(self.mean), np.linalg.norm(self.scales))
        return np.asarray(distance <= OFF_TOLERANCE * (np.linalg.norm(codes, axis=1) + typical))


def _signed(axes: Array) -> Array:
    """Rows with the sign that makes their largest entry positive."""
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return np.asarray(axes * np.sign(largest))


def _principal_axes(centred: Array, threshold: float) -> tuple[Array, Array]:
    """Singular values above a threshold, largest first, and their right singular vectors.

    The eigenvectors of the small Gram matrix reduce the columns to factorise to a few. Its
    eigenvalues, accurate to about 1e-15 of the largest, distinguish singular values from zero down
    to 3e-8 of the largest; the values returned are computed from the columns themselves.
    """
    axes = np.eye(centred.shape[1])
    if len(centred) > centred.shape[1]:
        squares, axes = np.linalg.eigh(centred.T @ centred)
        axes = axes[:, squares > (threshold / 2) ** 2]
        centred = np.asarray(np.linalg.qr(centred @ axes, mode="r"))
    values, turned = np.linalg.svd(centred, full_matrices=False)[1:]
    kept = values > threshold
    return values[kept], turned[kept] @ axes.T


class Density(ABC):
    """A probability density on the subspace that the codes span.

    A subclass provides two formulas in the coordinates of its `Subspace`: how to draw, and the log
    density. Rank, units and seeds are handled here.

    Args:
        subspace: the subspace the density lives in.
    """

    def __init__(self, subspace: Subspace) -> None:
        self.subspace = subspace

    def __repr__(self) -> str:
        width = len(self.subspace.mean)
        return f"<{type(self).__name__} of rank {self.rank} in {width} dimensions>"

    @property
    def rank(self) -> int:
        """Dimension of the subspace that the density lives in."""
        return self.subspace.rank

    def sample(self, n: int, seed: RandomState = None) -> NDArray[np.float32]:
        """Draw codes; all of them lie in the subspace.

        Args:
            n: number of codes, at least 1.
            seed: as for `generator`; an integer gives the same codes each time.

        Returns:
            `(n, L)` float32.

        Raises:
            InputError: `n` or the seed is out of range.
        """
        check_count(n, "n")
        drawn = self._draw(n, generator(seed))
        self._check(self._draw, drawn, (n, self.rank))
        return self.subspace.points(drawn).astype(np.float32)

    def log_prob(self, codes: ArrayLike) -> Array:
        """Log density with respect to the Lebesgue measure of the subspace.

        For rank `r` the unit is nats per volume of dimension `r`. Points outside the subspace
        have minus infinity, with the tolerance of `Subspace.contains`. At rank 0 the density is
        a point of mass 1, whose log density is 0.

        Args:
            codes: `(N, L)`.

        Returns:
            `(N,)` float64.

        Raises:
            InputError: the codes are not a finite matrix of the width fitted to.
        """
        coordinates = self.subspace.coordinates(codes)
        inside = self.subspace.contains(codes)
        result = np.full(len(coordinates), -np.inf)
        if inside.any():
            logs = self._log_density(coordinates[inside])
            self._check(self._log_density, logs, (int(inside.sum()),))
            result[inside] = logs - self.subspace.log_volume
        return result

    def _check(self, method: Callable[..., Array], found: Array, shape: tuple[int, ...]) -> None:
        check_returned(found, np.ndarray, method)
        if found.shape != shape:
            raise InputError(
                f"{method.__qualname__} returned an array of shape {found.shape}, expected "
                f"{shape}; correct it."
            )
        if np.isnan(found).any():
            raise InputError(f"{method.__qualname__} returned NaN; correct it.")

    @abstractmethod
    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        """Coordinates of `n` new points, `(n, r)`."""

    @abstractmethod
    def _log_density(self, coordinates: Array) -> Array:
        """Log density of coordinates `(N, r)`, `(N,)`; at least one row."""
