"""Interpolation of codes: linear, spherical, in the principal plane, over parameters."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import RBFInterpolator, RegularGridInterpolator
from torch import Tensor

from latentrank.data import Dataset, to_float
from latentrank.density.base import Subspace, as_codes
from latentrank.errors import InputError, unknown

Array = NDArray[Any]
Kind = Literal["auto", "linear", "multilinear", "rbf"]

_MOST_CENTRES = 5000  # radial basis functions solve a dense system of this many equations
_PARALLEL = 1e-6  # sine of the angle below which the great circle is a line, or undefined


class Coder(Protocol):
    """Anything that encodes and decodes, such as an `Autoencoder`."""

    def encode(self, x: Tensor) -> Tensor:
        """Samples `(B, *shape)` to codes `(B, L)`."""

    def decode(self, z: Tensor) -> Tensor:
        """Codes `(B, L)` to samples `(B, *shape)`."""


def linear(a: ArrayLike, b: ArrayLike, steps: int) -> Array:
    """Equidistant points on the straight lines from `a` to `b`, both ends included.

    Args:
        a: codes to start from, `(R, L)`.
        b: codes to end at, `(R, L)`.
        steps: points per line, from 2; the points strictly between are `[:, 1:-1]`.

    Returns:
        `(R, steps, L)` of the codes' floating type; the ends equal `a` and `b` exactly.

    Raises:
        InputError: if `a` and `b` are no finite matrices of one shape, or `steps` is below 2.

    Example:
        >>> linear([[0.0, 4.0]], [[2.0, 0.0]], steps=3).tolist()
        [[[0.0, 4.0], [1.0, 2.0], [2.0, 0.0]]]
    """
    start, end, t = _ends(a, b, steps)
    return _with_ends((1 - t) * start + t * end, a, b)


def spherical(a: ArrayLike, b: ArrayLike, steps: int) -> Array:
    r"""Points at equal angles on the great circle arcs from `a` to `b`, both ends included.

    `x(t) = (sin((1 - t) w) a + sin(t w) b) / sin w`, `w` the angle between `a` and `b`
    (Shoemake, 1985). Where `a` and `b` are parallel, opposite or zero there is no one arc, and
    the points lie on the straight line.

    Args:
        a: codes to start from, `(R, L)`.
        b: codes to end at, `(R, L)`.
        steps: points per arc, from 2.

    Returns:
        `(R, steps, L)` of the codes' floating type; the ends equal `a` and `b` exactly.

    Raises:
        InputError: if `a` and `b` are no finite matrices of one shape, or `steps` is below 2.

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
    return _with_ends(from_start * start + from_end * end, a, b)


def pca_grid(codes: ArrayLike, size: int = 10, extent: float = 2.0) -> NDArray[np.float32]:
    """A square grid in the plane of the first two principal directions, around the mean.

    The first direction runs along the columns, the second along the rows. Each points where
    its largest entry is positive. A direction that the codes do not have (codes of rank 1 or 0)
    counts as zero, so that the grid repeats itself along it.

    Args:
        codes: `(N, L)`, `N` from 2.
        size: points along each side, from 2.
        extent: how far the grid reaches to each side, in standard deviations; the papers take 2.

    Returns:
        `(size, size, L)` float32.

    Raises:
        InputError: if the codes are no finite matrix or have fewer than 2 rows, or `size` is
            below 2.

    Example:
        >>> grid = pca_grid([[-1.0, 5.0], [0.0, 5.0], [1.0, 5.0]], size=3)
        >>> grid[0, :, 0].tolist(), grid[:, 0, 0].tolist()
        ([-2.0, 0.0, 2.0], [-2.0, -2.0, -2.0])
    """
    if size < 2:
        raise InputError(f"The grid's size is {size}, expected a whole number from 2; raise it.")
    subspace = Subspace.of(codes)
    ticks = np.linspace(-extent, extent, size)
    plane = np.stack(np.meshgrid(ticks, ticks), axis=-1)[..., : subspace.rank]
    padded = np.zeros((size, size, subspace.rank))
    padded[..., :2] = plane
    return subspace.points(padded).astype(np.float32)


def parameters(
    train_parameters: ArrayLike,
    train_codes: ArrayLike,
    query_parameters: ArrayLike,
    kind: Kind = "auto",
) -> NDArray[np.float64]:
    """Codes at new parameters, from the codes at known ones.

    `"linear"` is for one parameter, `"multilinear"` for a full grid of several, `"rbf"`
    (thin plate splines with a linear part) for anything; `"auto"` takes the first of these that
    fits. Outside the known parameters the first two continue the outermost cell linearly.
    Samples with the same parameters count as one, with the mean of their codes; parameters that
    never vary are left out.

    All of these are linear in the codes, so interpolating codes `z = U a` is the same as
    interpolating the coefficients `a`.

    Args:
        train_parameters: `(N, P)`.
        train_codes: `(N, L)`.
        query_parameters: `(Q, P)`.
        kind: how to interpolate.

    Returns:
        `(Q, L)` float64.

    Raises:
        InputError: if the arrays do not fit together or hold other than finite numbers, if
            there are fewer than two different parameters, if the parameters do not suit the
            kind, or if there is no such kind.

    Example:
        >>> parameters([[0.0], [1.0]], [[0.0, 5.0], [2.0, 5.0]], [[0.5], [2.0]]).tolist()
        [[1.0, 5.0], [4.0, 5.0]]
    """
    if kind not in ("auto", "linear", "multilinear", "rbf"):
        raise unknown("kind of interpolation", kind, ("auto", "linear", "multilinear", "rbf"))
    known, codes, query = _matching(train_parameters, train_codes, query_parameters)
    if kind == "linear" and known.shape[1] > 1:
        raise InputError(
            f"Linear interpolation over {known.shape[1]} parameters is asked, expected 1; "
            "take 'multilinear' on a full grid, or 'rbf'."
        )
    levels, cells = _levels(known)
    known, codes = _merged(known, codes, cells)
    varying = np.array([len(level) > 1 for level in levels])
    if not varying.any():
        raise InputError(
            "All training samples have the same parameters, expected at least two different "
            "ones; there is nothing to interpolate over."
        )
    known, query = known[:, varying], query[:, varying]
    levels = [level for level in levels if len(level) > 1]
    full = len(known) == np.prod([len(level) for level in levels])
    if kind == "rbf" or (kind == "auto" and not full):
        return _radial(known, codes, query)
    if not full:
        raise InputError(
            f"The {len(known)} training parameters are no full regular grid, which multilinear "
            "interpolation expects; take 'rbf'."
        )
    return _on_grid(levels, codes, query)


def relative_error(prediction: ArrayLike, truth: ArrayLike) -> float:
    r"""Relative L2 error over all samples together, `100 |prediction - truth| / |truth|`.

    Args:
        prediction: any shape.
        truth: the same shape, not zero everywhere.

    Returns:
        The error in percent.

    Raises:
        InputError: if the shapes differ or the truth is zero everywhere.

    Example:
        >>> relative_error([3.0, 5.0], [3.0, 4.0])
        20.0
    """
    predicted = np.asarray(prediction, dtype=np.float64)
    true = np.asarray(truth, dtype=np.float64)
    if predicted.shape != true.shape:
        raise InputError(
            f"The prediction has shape {predicted.shape} and the truth {true.shape}, expected "
            "equal shapes; compare the same samples."
        )
    norm = np.linalg.norm(true)
    if norm == 0:
        raise InputError(
            "The truth is zero everywhere, so there is no error relative to it; "
            "compare in the data's original units."
        )
    return float(100 * np.linalg.norm(predicted - true) / norm)


def parameter_error(
    model: Coder, dataset: Dataset, kind: Kind = "auto", batch_size: int = 256
) -> float:
    """How well codes interpolated over the parameters decode to the test samples.

    The training samples are encoded, their codes interpolated at the test parameters, decoded,
    and compared with the test samples in the data's own units (normalisation undone).

    Args:
        model: encodes and decodes; in evaluation mode, on the processor.
        dataset: with parameters in both splits, such as `curves:shifted-sine`.
        kind: as in `parameters`.
        batch_size: samples encoded or decoded at a time, from 1.

    Returns:
        The relative L2 error over the whole test split in percent.

    Raises:
        InputError: if the data has no parameters, or as in `parameters`.

    Example:
        >>> from types import SimpleNamespace
        >>> from latentrank.data import Split
        >>> known, new = np.linspace(0, 1, 5)[:, None], np.array([[0.3], [0.9]])
        >>> splits = [Split((p * [1, 2]).astype(np.float32), parameters=p) for p in (known, new)]
        >>> same = SimpleNamespace(encode=lambda x: x, decode=lambda z: z)
        >>> parameter_error(same, Dataset("lines", *splits, bounded=False)) < 1e-4
        True
    """
    train, test = dataset.train, dataset.test
    if train.parameters is None or test.parameters is None:
        raise InputError(
            f"The data set '{dataset.name}' has no parameters to interpolate over; "
            "take one that has, such as 'curves:shifted-sine'."
        )
    with torch.no_grad():
        seen = dataset.preprocessing.normalise(train.x).numpy()
        codes = _in_batches(model.encode, seen, batch_size)
        wanted = parameters(train.parameters, codes, test.parameters, kind)
        decoded = _in_batches(model.decode, wanted, batch_size)
    return relative_error(dataset.preprocessing.denormalise(decoded), np.asarray(test.x))


def reconstruction_error(model: Coder, dataset: Dataset, batch_size: int = 256) -> float:
    """Relative L2 error of the reconstructed training samples together, in percent.

    Args:
        model: encodes and decodes; in evaluation mode, on the processor.
        dataset: its training split is reconstructed, and compared in the data's own units.
        batch_size: samples encoded or decoded at a time, from 1.

    Example:
        >>> from types import SimpleNamespace
        >>> from latentrank.data import Split
        >>> split = Split(np.ones((3, 2), dtype=np.float32))
        >>> half = SimpleNamespace(encode=lambda x: x, decode=lambda z: z / 2)
        >>> reconstruction_error(half, Dataset("ones", split, split, bounded=False))
        50.0
    """
    prepared = dataset.preprocessing
    with torch.no_grad():
        codes = _in_batches(model.encode, prepared.normalise(dataset.train.x).numpy(), batch_size)
        decoded = _in_batches(model.decode, codes, batch_size)
    return relative_error(prepared.denormalise(decoded), np.asarray(dataset.train.x))


def _ends(a: ArrayLike, b: ArrayLike, steps: int) -> tuple[Array, Array, Array]:
    """Starts and ends `(R, 1, L)` and times `(steps, 1)`."""
    start, end = as_codes(a), as_codes(b)
    if start.shape != end.shape:
        raise InputError(
            f"The codes to start from have shape {start.shape} and those to end at {end.shape}, "
            "expected equal shapes; pair them row by row."
        )
    if steps < 2:
        raise InputError(f"steps is {steps}, expected a whole number from 2; raise it.")
    return start[:, None], end[:, None], np.linspace(0, 1, steps)[:, None]


def _with_ends(path: Array, a: ArrayLike, b: ArrayLike) -> Array:
    kind = np.result_type(np.asarray(a), np.asarray(b), np.float16)
    path = path.astype(kind)
    path[:, 0], path[:, -1] = np.asarray(a), np.asarray(b)
    return path


def _angle(a: Array, b: Array) -> Array:
    """Angle between rows `(R, 1, 1)`, accurate near 0 and pi where the arccosine is not."""
    a_norm = np.linalg.norm(a, axis=-1, keepdims=True)
    b_norm = np.linalg.norm(b, axis=-1, keepdims=True)
    difference = np.linalg.norm(a * b_norm - b * a_norm, axis=-1, keepdims=True)
    total = np.linalg.norm(a * b_norm + b * a_norm, axis=-1, keepdims=True)
    return np.asarray(2 * np.arctan2(difference, total))


def _matching(known: ArrayLike, codes: ArrayLike, query: ArrayLike) -> tuple[Array, Array, Array]:
    arrays = []
    for what, values in (("training", known), ("new", query)):
        matrix = np.asarray(values, dtype=np.float64)
        if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
            raise InputError(
                f"The {what} parameters have shape {matrix.shape}, expected finite numbers "
                "(N, P) with one row per sample; reshape them or drop bad rows."
            )
        arrays.append(matrix)
    if arrays[0].shape[1] != arrays[1].shape[1]:
        raise InputError(
            f"There are {arrays[0].shape[1]} training parameters and {arrays[1].shape[1]} new "
            "ones per sample, expected as many; give the same parameters."
        )
    matrix = as_codes(codes)
    if len(matrix) != len(arrays[0]):
        raise InputError(
            f"There are {len(arrays[0])} rows of training parameters and {len(matrix)} training "
            "codes, expected one row per code; give the same samples."
        )
    return arrays[0], matrix, arrays[1]


def _levels(known: Array) -> tuple[list[Array], Array]:
    """Per parameter its different values, ascending, and which of them each sample has.

    Values closer than 1e-9 of the range are one level: grids are computed, and rounded.
    """
    low, high = known.min(axis=0), known.max(axis=0)
    scaled = np.round((known - low) / np.where(high > low, high - low, 1.0), 9)
    found = [np.unique(column, return_index=True, return_inverse=True) for column in scaled.T]
    levels = [known[first, p] for p, (_, first, _) in enumerate(found)]
    return levels, np.stack([inverse for _, _, inverse in found], axis=1)


def _merged(known: Array, codes: Array, cells: Array) -> tuple[Array, Array]:
    """One row per different parameters, in ascending order, with the mean of the codes there."""
    cells, first, inverse = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    inverse = inverse.reshape(-1)
    sums = np.zeros((len(cells), codes.shape[1]))
    np.add.at(sums, inverse, codes)
    return known[first], sums / np.bincount(inverse)[:, None]


def _on_grid(levels: list[Array], codes: Array, query: Array) -> NDArray[np.float64]:
    """Multilinear interpolation of codes that stand in the grid's order, last axis fastest."""
    table = codes.reshape(*(len(level) for level in levels), -1)
    # fill_value None means linear continuation outside the grid
    interpolator = RegularGridInterpolator(levels, table, bounds_error=False, fill_value=None)
    return np.asarray(interpolator(query))


def _radial(known: Array, codes: Array, query: Array) -> NDArray[np.float64]:
    if len(known) > _MOST_CENTRES:
        raise InputError(
            f"Radial basis functions over {len(known)} different parameters are asked, expected "
            f"at most {_MOST_CENTRES}; give fewer samples."
        )
    # In the parameters' own subspace the linear part is never singular: parameters that lie
    # on a line make a one-dimensional problem.
    low, high = known.min(axis=0), known.max(axis=0)
    known, query = (known - low) / (high - low), (query - low) / (high - low)
    subspace = Subspace.of(known)
    centres = subspace.coordinates(known)
    return np.asarray(RBFInterpolator(centres, codes)(subspace.coordinates(query)))


def _in_batches(function: Any, rows: Array, batch_size: int) -> NDArray[np.float32]:
    starts = range(0, len(rows), batch_size)
    parts = [function(to_float(rows[i : i + batch_size])) for i in starts]
    return np.asarray(torch.cat(parts).numpy())
