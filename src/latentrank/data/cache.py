"""Arrays prepared once and memory-mapped afterwards."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import DTypeLike

from latentrank.data.views import Array
from latentrank.io import atomic_write, write_text

#: What to do where nothing can be kept.
ADVICE = "free some space there, or set LATENTRANK_CACHE to a folder on another disk"


def folder() -> Path:
    """Where prepared arrays lie: `LATENTRANK_CACHE`, or `latentrank` in the user's cache folder.

    Everything in it may be deleted at any time; it is made again when needed.
    """
    if given := os.environ.get("LATENTRANK_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "latentrank"


def cached(
    key: object,
    build: Callable[[], tuple[tuple[int, ...], DTypeLike, Iterable[Array]]],
) -> Array:
    """The array that belongs to a key: memory-mapped where it was built before, else built.

    Args:
        key: everything that the array depends on; its `repr` is what counts.
        build: gives the array's shape, its dtype, and its rows in blocks.

    Returns:
        A read-only memory map.

    Raises:
        InputError: when the array cannot be written, such as on a full disk.
    """
    path = _place(key)
    if (array := _mapped(path)) is None:
        write(path, *build())
        array = np.lib.format.open_memmap(path, mode="r")
    return array


def _place(key: object) -> Path:
    return folder() / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:32]}.npy"


def note(key: object, sentences: list[str]) -> None:
    """Keep what is to be said of an array beside it.

    Raises:
        InputError: it cannot be written.
    """
    if sentences:
        write_text(_place(key).with_suffix(".json"), json.dumps(sentences))


def noted(key: object) -> list[str]:
    """What `note` kept of an array."""
    try:
        kept = json.loads(_place(key).with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # nothing to be said
        return []
    return [str(sentence) for sentence in kept]


def _mapped(path: Path) -> Array | None:
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError):  # absent, or cut short by a crash of the machine
        return None


def write(path: Path, shape: tuple[int, ...], dtype: DTypeLike, blocks: Iterable[Array]) -> None:
    """Write an array block by block; under its name it is either whole or absent.

    Args:
        path: the `.npy` file to write; missing folders are made.
        shape: the shape of the whole array.
        dtype: the type of its values.
        blocks: its rows in order, `(n, *shape[1:])` each.

    Raises:
        InputError: when the system refuses to write, such as on a full disk.
    """
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False}
    with atomic_write(path, ADVICE) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {**header, "shape": shape})
        for block in blocks:
            _append(file, block)
        file.flush()
        os.fsync(file.fileno())  # before the name says that it is whole


def _append(file: BinaryIO, block: Array) -> None:
    # plain writes: a memory map that runs out of disk kills the process instead of raising
    file.write(np.ascontiguousarray(block).data)
