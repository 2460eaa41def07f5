"""Files that hold data: one table of what each suffix is read by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from latentrank.data.arrays import Contents, Meaning
from latentrank.data.readers import numpy_files


class Reader(NamedTuple):
    """One format.

    Args:
        suffixes: in small letters.
        read: file, path inside it or None, and what its owner says, to what it holds.
        summary: what is read, in a few words.
    """

    suffixes: tuple[str, ...]
    read: Callable[[Path, str | None, Meaning], Contents]
    summary: str


READERS = (
    Reader((".npy",), numpy_files.read_npy, "one NumPy array"),
    Reader((".npz",), numpy_files.read_npz, "NumPy arrays by name"),
)
_BY_SUFFIX = {suffix: reader for reader in READERS for suffix in reader.suffixes}


def find(path: Path) -> Reader | None:
    """The reader of a file, by its name; None if there is none.

    Example:
        >>> find(Path("A.NPY")).summary
        'one NumPy array'
    """
    name = path.name.lower()
    fitting = [suffix for suffix in _BY_SUFFIX if name.endswith(suffix)]
    return _BY_SUFFIX[max(fitting, key=len)] if fitting else None


def suffixes() -> list[str]:
    """All that can be read."""
    return list(_BY_SUFFIX)
