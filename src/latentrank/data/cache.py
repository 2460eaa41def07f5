"""Cache of prepared arrays, memory-mapped after the first use."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike

from latentrank.data.views import Array
from latentrank.io import (
    UnwritableError,
    atomic_write,
    expanded,
    make_folder,
    remove_leftovers,
    write_text,
)

#: Advice if the cache cannot be written.
ADVICE = "free some space there, or set LATENTRANK_CACHE to a folder on another disk"

#: Seconds without a change after which a half-written array counts as abandoned.
_ABANDONED = 3600


def folder() -> Path:
    """The cache folder: `LATENTRANK_CACHE`, or `latentrank` in the user's cache folder.

    Its contents may be deleted at any time and are recreated when needed.
    """
    if given := os.environ.get("LATENTRANK_CACHE"):
        return expanded(given)
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "latentrank"


def cached(
    key: object,
    build: Callable[[], tuple[tuple[int, ...], DTypeLike, Iterable[Array]]],
) -> Array:
    """The array for a key: memory-mapped from the cache, or built.

    Args:
        key: everything that the array depends on; compared by `repr`.
        build: returns the array's shape, its dtype, and its rows in blocks.

    Returns:
        A read-only memory map.

    Raises:
        InputError: when the array cannot be written, such as on a full disk.
    """
    path = _place(key)
    with suppress(OSError, ValueError):  # absent, or truncated by a system crash
        return np.lib.format.open_memmap(path, mode="r")
    write(path, *build())
    return np.lib.format.open_memmap(path, mode="r")


def _place(key: object) -> Path:
    return folder() / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:32]}.npy"


def note(key: object, sentences: list[str]) -> None:
    """Store notes on an array with it.

    Raises:
        InputError: it cannot be written.
    """
    if sentences:
        write_text(_place(key).with_suffix(".json"), json.dumps(sentences))


def noted(key: object) -> list[str]:
    """The stored notes on an array."""
    try:
        kept = json.loads(_place(key).with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # no notes
        return []
    return [str(sentence) for sentence in kept]


def write(path: Path, shape: tuple[int, ...], dtype: DTypeLike, blocks: Iterable[Array]) -> None:
    """Write an array block by block, atomically.

    Args:
        path: the `.npy` file to write; missing folders are created.
        shape: the shape of the array.
        dtype: the type of its values.
        blocks: its rows in order, `(n, *shape[1:])` each.

    Raises:
        InputError: when writing fails, such as on a full disk, or the array is larger than the
            free space: a file of a few bytes can claim any size.
    """
    remove_leftovers(path.parent, _ABANDONED)
    _check_space(path, shape, np.dtype(dtype))
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False}
    with atomic_write(path, ADVICE) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {**header, "shape": shape})
        for block in blocks:
            _append(file, block)
        file.flush()
        os.fsync(file.fileno())  # before the rename marks it as complete


def _check_space(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse an array for which there is no space, before the disk is full."""
    make_folder(path.parent, ADVICE)
    size, free = math.prod(shape) * dtype.itemsize, shutil.disk_usage(path.parent).free
    if size > free:
        raise UnwritableError(
            f"An array of shape {shape} takes {size / 1e9:,.1f} GB, but {path.parent} has "
            f"{free / 1e9:,.1f} GB free; {ADVICE}."
        )


def _append(file: BinaryIO, block: Array) -> None:
    # plain writes: a memory map that runs out of disk kills the process instead of raising
    file.write(np.ascontiguousarray(block).data)
