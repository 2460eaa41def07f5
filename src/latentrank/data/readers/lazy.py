"""Arrays in files: small ones are read into memory, large ones mapped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from latentrank.data import cache, views
from latentrank.data.folders import every_file, stamp_of
from latentrank.data.views import Array


def load(source: Any, path: Path, name: str, others: Sequence[Path] = ()) -> Array:
    """The values of an array-like that reads slices of a file.

    A large one is copied block by block into the cache, once, and memory-mapped from there:
    random access to compressed files is slow.

    Args:
        source: has `shape` and `dtype`, and can be sliced along its first axis.
        path: file or folder that contains it.
        name: its name there.
        others: further files that it takes values from.

    Returns:
        An array, in memory or memory-mapped.
    """
    shape, dtype = tuple(source.shape), np.dtype(source.dtype)
    if not shape or dtype.hasobject or math.prod(shape) * dtype.itemsize <= views.LARGE:
        return np.asarray(source[...])
    key = (str(path.resolve()), [stamp(file) for file in (path, *others)], name, "v3")
    return cache.cached(key, lambda: (shape, dtype, map(np.asarray, views.blocks(source))))


def stamp(path: Path) -> object:
    """A stamp that changes with the file, or with any file in the folder."""
    return [stamp_of(file) for file in every_file(path) if file.is_file()]
