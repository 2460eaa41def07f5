"""MATLAB's `.mat` files of every version."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from latentrank.data.arrays import Contents, Meaning
from latentrank.data.readers import hdf5, named
from latentrank.data.views import Array
from latentrank.errors import need


def read(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """Arrays by name, up to version 7.2 with SciPy, later versions as HDF5."""
    with path.open("rb") as file:
        if (head := file.read(_HEAD)).startswith(b"MATLAB 5"):
            _check_types(file.read(), "<" if head.endswith(b"IM") else ">")
    try:
        held = {
            name: x
            for key, value in loadmat(path).items()
            for name, x in _arrays(key, value)
            if not name.startswith("__")
        }
    except NotImplementedError:  # raised by SciPy for version 7.3
        held = _arrays_of_hdf5(path)
    group = f"{(inner or '').strip('/')}/"
    within = {name.removeprefix(group): x for name, x in held.items() if name.startswith(group)}
    if within:  # a structure; labels and parameters may be named by their whole path
        held, inner = {**within, **{n: x for n, x in held.items() if n in meaning.asked}}, None
    return named.contents(str(path), held, meaning, inner)


def _arrays(name: str, value: Any) -> Iterator[tuple[str, Array]]:
    """An array by its name; the fields of a structure as `NAME/FIELD`, as in version 7.3."""
    if not isinstance(value, np.ndarray):  # sparse
        yield name, value
    elif value.dtype.names is None or value.size != 1:
        yield name, _text(value)
    else:
        for field in value.dtype.names:
            yield from _arrays(f"{name}/{field}", value[field].item())


def _arrays_of_hdf5(path: Path) -> dict[str, Array]:
    h5py = need("h5py", "fields", f"Reading {path}")
    with h5py.File(path, "r") as file:
        # MATLAB writes arrays in column-major order, so HDF5 sees their axes reversed
        return {
            name: np.asarray(hdf5.values(x)).T
            for name, x in hdf5.arrays(file).items()
            if not name.startswith("#")
        }


def _text(value: Any) -> Any:
    """A cell array of text as an array of it, and other values as they are."""
    cells = value.ravel().tolist() if value.dtype.kind == "O" else []
    if not cells or any(getattr(cell, "dtype", value.dtype).kind != "U" for cell in cells):
        return value
    return np.array(["".join(cell) for cell in cells]).reshape(value.shape)


#: Types of data elements in MATLAB's format of version 5, and those that hold others.
_TYPES = frozenset((*range(1, 8), 9, 12, 13, 14, 15, 16, 17, 18))
_MATRIX, _COMPRESSED = 14, 15

#: Length of the header; its last two bytes tell the order of bytes.
_HEAD = 128


def _check_types(content: bytes, order: str) -> None:
    """Reject types of data that do not exist, at which SciPy 1.17 crashes.

    Args:
        content: data elements, each a tag of 8 bytes and its content.
        order: of the bytes of numbers, `"<"` or `">"`.

    Raises:
        ValueError: there is one.
    """
    at = 0
    while at + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, at)
        small = kind >> 16  # up to four bytes lie in the tag itself
        if kind & 0xFFFF not in _TYPES or small > 4:
            raise ValueError(f"there is no type of data {kind}")
        inner = content[at + 8 : at + 8 + size]
        if kind == _COMPRESSED:
            _check_types(zlib.decompress(inner), order)
        elif kind == _MATRIX:
            _check_types(inner, order)
        padded = size if kind == _COMPRESSED else -(-size // 8) * 8
        at += 8 if small else 8 + padded
