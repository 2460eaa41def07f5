"""Interpolation of codes: linear, spherical, in the principal plane."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentrank.data.plain import unwrapped
from latentrank.density.base import Subspace, as_codes
from latentrank.errors import InputError

Array = NDArray[Any]
_PARALLEL = 1e-6  # sine of the angle below which the great circle is a line, or undefined


def random_pairs(
    count: int, pairs: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of both ends of random lines between different samples, `(pairs,)` each.

    Args:
        count: number of samples, at least 2.
        pairs: number of lines.
        rng: draws them.

    Example:
        >>> start, end = random_pairs(3, 100, np.random.default_rng(0))
        >>> bool((start == end).any()), sorted({*start.tolist(), *end.tolist()})
        (False, [0, 1, 2])
    """
    start = rng.integers(count, size=pairs)
    # A step of 1 to N - 1 around the circle reaches every other sample, never the same one.
    return start, (start + rng.integers(1, count, size=pairs)) % count


def linear(a: ArrayLike, b: ArrayLike, steps: int) -> Array:
    """Equidistant points on the straight lines from `a` to `b`, both ends included.

    Args:
        a: codes to start from, `(R, L)`.
        b: codes to end at, `(R, L)`.
        steps: points per line, at least 2; the points strictly between are `[:, 1:-1]`.

    Returns:
        `(R, steps, L)` of the codes' floating type; the ends equal `a` and `b` exactly.

    Raises:
        InputError: if `a` and `b` are not finite matrices of the same shape, or `steps` is below 2.

    Example:
        >>> linear([[0.0, 4.0]], [[2.0, 0.0]], steps=3).tolist()
        [[[0.0, 4.0], [1.0, 2.0], [2.0, 0.0]]]
    """
    start, end, t = _ends(a, b, steps)
    return _typed((1 - t) * start + t * end, a, b)


def spherical(a: ArrayLike, b: ArrayLike, steps: int) -> Array:
    r"""Points at equal angles on the great circle arcs from `a` to `b`, both ends included.

    `x(t) = (sin((1 - t) w) a + sin(t w) b) / sin w`, `w` the angle between `a` and `b`
    (Shoemake, 1985). Where `a` and `b` are parallel, opposite or zero there is no unique arc, and
    the points lie on the straight line.

    Args:
        a: codes to start from, `(R, L)`.
        b: codes to end at, `(R, L)`.
        steps: points per arc, at least 2.

    Returns:
        `(R, steps, L)` of the codes' floating type; the ends equal `a` and `b` exactly.

    Raises:
        InputError: if `a` and `b` are not finite matrices of the same shape, or `steps` is below 2.

    Example:
        >>> spherical([[1.0, 0.0]], [[0.0, 1.0]], steps=3).round(3).tolist()
        [[[1.0, 0.0], [0.707, 0.707], [0.0, 1.0]]]
    """
    start, end, t = _ends(a, b, steps)
    angle = _angle(start, end)
    curved = np.sin(angle) > _PARALLEL
    sine = np.where(curved, np.sin(angle), 1.0)
    from_start = np.where(curved, np.sin((1 - t) * angle) / sine, 1 - t)
    from_end = np.where(curved, np.sin(t * angle) / sine, t)
    return _typed(from_start * start + from_end * end, a, b)


def pca_grid(
    codes: ArrayLike | Subspace, size: int = 10, extent: float = 2.0
) -> NDArray[np.float32]:
    """A square grid in the plane of the first two principal directions, around the mean.

    The first direction runs along the columns, the second along the rows. The sign of each makes
    its largest entry positive. A direction that the codes do not have (codes of rank 1 or 0)
    counts as zero, so that the grid repeats itself along it.

    Args:
        codes: `(N, L)`, `N` at least 2; or their subspace.
        size: points along each side, at least 2.
        extent: how far the grid reaches to each side, in standard deviations; the papers use 2.

    Returns:
        `(size, size, L)` float32.

    Raises:
        InputError: if the codes are not a finite matrix or have fewer than 2 rows, or `size` is
            below 2.

    Example:
        >>> grid = pca_grid([[-1.0, 5.0], [0.0, 5.0], [1.0, 5.0]], size=3)
        >>> grid[0, :, 0].tolist(), grid[:, 0, 0].tolist()
        ([-2.0, 0.0, 2.0], [-2.0, -2.0, -2.0])
    """
    if size < 2:
        raise InputError(f"The grid's size is {size}, expected an integer of at least 2; raise it.")
    subspace = codes if isinstance(codes, Subspace) else Subspace.of(codes)
    ticks = np.linspace(-extent, extent, size)
    plane = np.stack(np.meshgrid(ticks, ticks), axis=-1)[..., : subspace.rank]
    padded = np.zeros((size, size, subspace.rank))
    padded[..., :2] = plane
    return subspace.points(padded).astype(np.float32)


def _ends(a: ArrayLike, b: ArrayLike, steps: int) -> tuple[Array, Array, Array]:
    """Starts and ends `(R, 1, L)` and times `(steps, 1)`."""
    start, end = as_codes(a), as_codes(b)
    if start.shape != end.shape:
        raise InputError(
            f"The codes to start from have shape {start.shape} and those to end at {end.shape}, "
            "expected equal shapes; pair them row by row."
        )
    if steps < 2:
        raise InputError(f"steps is {steps}, expected an integer of at least 2; raise it.")
    return start[:, None], end[:, None], np.linspace(0, 1, steps)[:, None]


def _typed(path: Array, a: ArrayLike, b: ArrayLike) -> Array:
    """The path in the type of its ends, which both weights of 0 and 1 give exactly."""
    ends = (np.asarray(unwrapped(end, "codes")) for end in (a, b))
    return path.astype(np.result_type(*ends, np.float16))


def _angle(a: Array, b: Array) -> Array:
    """Angle between rows `(R, 1, 1)`, accurate near 0 and pi where the arccosine is not."""
    a_norm = np.linalg.norm(a, axis=-1, keepdims=True)
    b_norm = np.linalg.norm(b, axis=-1, keepdims=True)
    difference = np.linalg.norm(a * b_norm - b * a_norm, axis=-1, keepdims=True)
    total = np.linalg.norm(a * b_norm + b * a_norm, axis=-1, keepdims=True)
    return np.asarray(2 * np.arctan2(difference, total))
