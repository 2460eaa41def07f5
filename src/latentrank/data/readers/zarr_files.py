"""Zarr stores: folders or zips of chunks."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from latentrank.data.arrays import Contents, Meaning, Part
from latentrank.data.readers import lazy, named, netcdf
from latentrank.data.readers.reading import unnamed
from latentrank.errors import need, unknown


def read(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """One array, arrays by name, or variables of xarray; `STORE.zarr:/GROUP` reads a group."""
    zarr = need("zarr", "fields", f"Reading {path}")
    place = zarr.storage.ZipStore(path, mode="r") if path.is_file() else str(path)
    store = zarr.open(place, mode="r")
    if isinstance(store, zarr.Array):
        if inner:
            raise unnamed(path, inner, "one array")
        return Contents([Part(str(path), lazy.load(store, path, ""))])
    found = _inside(store, inner.strip("/"), path) if inner else store
    group, name, written = found, None, any
    if isinstance(found, zarr.Array):
        place_of_group, _, name = found.path.rpartition("/")
        group, written = store[place_of_group] if place_of_group else store, all
    if written(_has_dimensions(array) for _, array in group.arrays()):
        xarray = need("xarray", "fields", f"Reading {path}")
        with warnings.catch_warnings():
            # A store without consolidated metadata is read as well, if more slowly.
            warnings.filterwarnings("ignore", "Failed to open Zarr store with consolidated")
            opened = xarray.open_zarr(place, group.path or None, decode_times=False, chunks=None)
        with opened:
            return netcdf.from_xarray(opened, path, name, meaning, group.path)
    found, inner = (found, None) if name is None else (store, inner)
    held = {name: a for name, a in found.members(max_depth=None) if isinstance(a, zarr.Array)}
    return named.contents(
        str(path), held, meaning, inner, lambda array: lazy.load(array, path, array.path)
    )


def _inside(store: Any, name: str, path: Path) -> Any:
    try:
        return store[name]
    except KeyError:
        known = [each for each, _ in store.members(max_depth=None)]
        raise unknown(f"array or group in {path} called", name, known) from None


def _has_dimensions(array: Any) -> bool:
    """Whether it was written by xarray, with dimension names."""
    named = getattr(array.metadata, "dimension_names", None)
    return bool(named and any(named)) or "_ARRAY_DIMENSIONS" in array.attrs
