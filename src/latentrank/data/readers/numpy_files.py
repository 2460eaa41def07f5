"""`.npy` and `.npz` files."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from latentrank.data.arrays import Contents, Meaning, Part, refuse_unused
from latentrank.data.readers import lazy, named
from latentrank.data.views import Array
from latentrank.errors import InputError


def read_npy(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """One memory-mapped array, with optional `NAME.labels.npy` and `NAME.parameters.npy`."""
    refuse_unused(str(path), **meaning.names)
    return Contents([Part(str(path), open_npy(path), _sidecar(path, "labels"),
                          _sidecar(path, "parameters"))])  # fmt: skip


def read_npz(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """Arrays by name, see `latentrank.data.readers.named`."""
    try:
        with np.load(path) as archive:
            held = {name: _Member(archive, name) for name in archive}
            return named.contents(
                str(path), held, meaning, inner, lambda member: lazy.load(member, path, member.name)
            )
    except InputError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise different errors
        raise _damaged(path, error) from error


class _Member:
    """An array in an `.npz` file, of which rows are read in order."""

    def __init__(self, archive: Any, name: str) -> None:
        self.archive, self.name = archive, name
        self.file = archive.zip.open(name if name in archive.zip.namelist() else f"{name}.npy")
        old = np.lib.format.read_magic(self.file) == (1, 0)
        read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
        self.shape, self.by_columns, self.dtype = read(self.file)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self.archive[self.name], dtype)

    def __getitem__(self, rows: Any) -> Array:
        if rows is Ellipsis:
            return np.asarray(self)
        if self.by_columns:
            return np.asarray(np.asarray(self)[rows])
        row = math.prod(self.shape[1:])
        count = len(range(*rows.indices(self.shape[0])))
        content = self.file.read(count * row * self.dtype.itemsize)
        return np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:])


#: What a file beside an `.npy` file can hold, `FILE.labels.npy` for instance.
_SIDECARS = ("labels", "parameters")


def sidecars(path: Path) -> list[Path]:
    """The files with labels and parameters beside an `.npy` file, of those that exist."""
    if path.suffix.lower() != ".npy":
        return []
    places = [_beside(path, what) for what in _SIDECARS]
    return [place for place in places if place.exists()]


def are_beside(names: Collection[str]) -> set[str]:
    """Those of several files that hold labels or parameters of another of them.

    Example:
        >>> are_beside(["train.npy", "train.labels.npy", "test.npy"])
        {'train.labels.npy'}
    """
    named = set(names)
    of = {name: re.sub(rf"\.({'|'.join(_SIDECARS)})\.npy$", ".npy", name) for name in names}
    return {name for name, array in of.items() if array != name and array in named}


def _beside(path: Path, what: str) -> Path:
    return path.with_suffix(f".{what}.npy")


def _sidecar(path: Path, what: str) -> Array | None:
    place = _beside(path, what)
    return open_npy(place) if place.exists() else None


def open_npy(path: Path) -> Array:
    """The array in a `.npy` file, memory-mapped.

    Raises:
        InputError: it is damaged or holds Python objects.
    """
    try:
        # not np.load, which accepts other contents; an .npy file holds one array
        mapped: Array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # pickle and numpy raise different errors
        raise _damaged(path, error) from error
    return mapped


def _damaged(path: Path, error: Exception) -> InputError:
    if "allow_pickle" in str(error) or "Python objects" in str(error):
        return InputError(
            f"{path} holds Python objects; expected numbers: "
            "save it again with a numeric dtype such as float32, and labels that are text with "
            "astype(str)."
        )
    return InputError(
        f"{path} is not a complete NumPy file ({str(error).rstrip('.')}); save it again."
    )
