"""Lazy access to arrays: selected rows of one, and iteration by blocks."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
Rows = NDArray[np.int64]

#: Above this many bytes, selected rows of an array are read on demand.
LARGE = 2**30
BLOCK_VALUES = 2**22


class RowView:
    """Selected rows of a large array, read on demand.

    Args:
        x: `(N, ...)`, usually memory-mapped.
        rows: `(n,)` row indices.

    Example:
        >>> view = RowView(np.arange(8).reshape(4, 2), np.array([3, 1]))
        >>> view.shape, view[0].tolist(), np.asarray(view[:]).tolist()
        ((2, 2), [6, 7], [[6, 7], [2, 3]])
    """

    def __init__(self, x: Array, rows: Rows) -> None:
        self.x = x
        self.rows = rows

    @property
    def shape(self) -> tuple[int, ...]:
        """Like that of an array."""
        return (len(self.rows), *self.x.shape[1:])

    @property
    def ndim(self) -> int:
        """Like that of an array."""
        return self.x.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Like that of an array."""
        return self.x.dtype

    @property
    def nbytes(self) -> int:
        """Like that of an array."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Array:
        first, *rest = index if isinstance(index, tuple) else (index,)
        chosen: Array = self.x[self.rows[first]]
        release(self.x)
        if not rest:
            return chosen
        return chosen[(slice(None), *rest)] if chosen.ndim == self.ndim else chosen[tuple(rest)]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.asarray(self.x[self.rows], dtype=dtype)

    def astype(self, dtype: DTypeLike) -> Array:
        """A copy in memory."""
        return np.asarray(self).astype(dtype)


def take_rows(x: Array, index: Rows | slice) -> Array:
    """Rows of an array: a view of a slice, a copy of a few rows, a `RowView` of many.

    Args:
        x: `(N, ...)`.
        index: row numbers or a slice.

    Example:
        >>> take_rows(np.arange(4), np.array([2, 0])).tolist()
        [2, 0]
    """
    view: Any = x
    if isinstance(view, RowView):
        return cast(Array, RowView(view.x, view.rows[index]))
    if isinstance(index, slice):
        return x[index]
    # a few rows of a large array are better copied
    if x.nbytes > LARGE and len(index) * math.prod(x.shape[1:]) * x.dtype.itemsize > LARGE / 16:
        return cast(Array, RowView(x, index))
    return x[index]


def spread_evenly(n: int, limit: int | None = None) -> NDArray[np.int64]:
    """At most `limit` evenly spaced row indices; None means all `n`.

    Example:
        >>> spread_evenly(9, 3)
        array([0, 4, 8])
    """
    count = n if limit is None else min(limit, n)
    return np.linspace(0, n - 1, count).round().astype(np.int64)


def blocks(x: Array) -> Iterator[Array]:
    """An array's rows in order, a few million values at a time."""
    step = max(1, BLOCK_VALUES // max(1, math.prod(x.shape[1:])))
    for start in range(0, x.shape[0], step):  # what reads a file may have no length
        yield x[start : start + step]
        release(x)


def release(x: Array) -> None:
    """Release pages of a large mapped file, which would count as resident memory.

    They stay in the page cache while there is room.
    """
    mapped = _large_map(x)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def will_need(x: Array, rows: Rows) -> None:
    """Have the system read rows of a large mapped file while something else is computed.

    Otherwise each row is waited for in turn, and much around it is read as well.

    Args:
        x: `(N, ...)`; arrays in memory are left alone.
        rows: row numbers.
    """
    view: Any = x
    if isinstance(view, RowView):
        view, rows = view.x, view.rows[rows]
    mapped = _large_map(view)
    if mapped is None or not hasattr(mmap, "MADV_WILLNEED"):
        return
    size = view.strides[0]
    if size * len(view) != view.nbytes:  # rows are not contiguous
        return
    first = view.ctypes.data - np.frombuffer(mapped, np.uint8).ctypes.data
    for start in (first + rows * size).tolist():
        before = start % mmap.PAGESIZE
        mapped.madvise(mmap.MADV_WILLNEED, start - before, before + size)


def lazily(x: Array) -> Array:
    """A large mapped array as a `RowView`, which releases what it has read; others unchanged."""
    return x if _large_map(x) is None else cast(Array, RowView(x, np.arange(len(x))))


def _large_map(x: Array) -> mmap.mmap | None:
    base: Any = x
    while isinstance(base, np.ndarray) and base.base is not None:
        if getattr(base, "mode", "") == "c":  # its changes are in memory alone
            return None
        base = base.base
    return base if isinstance(base, mmap.mmap) and x.nbytes > LARGE else None
