"""Zarr stores: folders or zips of chunks."""

from __future__ import annotations

from pathlib import Path

from latentrank.data.arrays import Contents, Meaning, Part
from latentrank.data.readers import lazy, named
from latentrank.data.readers.optional import damaged, need


def read(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """One array, or arrays by name; `STORE.zarr:/GROUP` reads only those in a group."""
    zarr = need("zarr", "fields", path)
    try:
        store = zarr.open(str(path), mode="r")
        found = store[inner.strip("/")] if inner and isinstance(store, zarr.Group) else store
    except Exception as error:  # stores raise of every kind
        raise damaged(path, "a Zarr store", error) from error
    if isinstance(found, zarr.Array):
        if isinstance(store, zarr.Array):
            return Contents([Part(str(path), lazy.load(found, path, ""))])
        found = store
    else:
        inner = None
    held = {name: a for name, a in found.members(max_depth=None) if isinstance(a, zarr.Array)}
    return named.contents(
        str(path), held, meaning, inner, lambda array: lazy.load(array, path, array.path)
    )
