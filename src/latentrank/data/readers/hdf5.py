"""HDF5 files, including MATLAB files from version 7.3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from latentrank.data.arrays import Contents, Meaning
from latentrank.data.readers import lazy, named
from latentrank.data.views import Array
from latentrank.errors import need


def read(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """Arrays by name, at any depth; `FILE.h5:/GROUP` reads only those in a group."""
    h5py = need("h5py", "fields", f"Reading {path}")
    with h5py.File(path, "r") as file:
        found = file.get(inner) if inner else file
        group = found if isinstance(found, h5py.Group) else file if found is None else found.parent
        held = arrays(group, h5py)
        for name in meaning.asked:
            if name not in held and name in file:
                held[name] = file[name]  # by its path from the root
        inner = inner.rpartition("/")[2] if inner and group is not found else None
        return named.contents(str(path), held, meaning, inner, lambda x: values(x, path))


def arrays(group: Any, h5py: Any) -> dict[str, Any]:
    """The arrays in a group, by their paths in it."""
    held = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            held[name] = item

    group.visititems(visit)
    return held


def values(dataset: Any, path: Path) -> Array:
    """The values of an HDF5 data set, memory-mapped if stored contiguously."""
    offset = dataset.id.get_offset()
    if offset is None or dataset.dtype.hasobject or dataset.external or 0 in dataset.shape:
        return lazy.load(dataset, path, dataset.name)
    return np.memmap(path, dataset.dtype, "r", offset, dataset.shape)
