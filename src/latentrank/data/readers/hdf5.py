"""HDF5 files, including MATLAB files from version 7.3."""

from __future__ import annotations

from glob import escape
from pathlib import Path
from typing import Any

import numpy as np

from latentrank.data import views
from latentrank.data.arrays import Contents, Meaning
from latentrank.data.readers import lazy, named
from latentrank.data.views import Array
from latentrank.errors import InputError, need

#: Attributes that say what a stored number stands for, and what they are without them.
_PACKED = {"scale_factor": 1, "add_offset": 0}
_FILLS = ("_FillValue", "missing_value")


def read(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """Arrays by name, at any depth; `FILE.h5:/GROUP` reads only those in a group."""
    h5py = need("h5py", "fields", f"Reading {path}")
    with h5py.File(path, "r") as file:
        found = file.get(inner) if inner else file
        group = found if isinstance(found, h5py.Group) else file if found is None else found.parent
        held = arrays(group)
        for name in meaning.asked:
            if name not in held and name in file:
                held[name] = file[name]  # by its path from the root
        inner = inner.rpartition("/")[2] if inner and group is not found else None
        return named.contents(str(path), held, meaning, inner, lambda x: _unpacked(x, path))


def arrays(group: Any) -> dict[str, Any]:
    """The arrays in a group, by their paths in it; not those without any values."""
    held = {}

    def visit(name: str, item: Any) -> None:
        if getattr(item, "shape", None) is not None:
            held[name] = item

    group.visititems(visit)
    return held


def _unpacked(dataset: Any, path: Path) -> Array:
    """The values of an HDF5 data set.

    Raises:
        InputError: they stand for others, as netCDF's conventions have it.
    """
    x = values(dataset, path)
    told = {name: np.ravel(dataset.attrs[name])[0] for name in _PACKED if name in dataset.attrs}
    packed = {name: value for name, value in told.items() if value != _PACKED[name]}
    if packed:
        stored = ", ".join(f"{name} {value}" for name, value in packed.items())
        raise _stand_for_others(path, dataset, f"packed values ({stored})")
    for fill in _fills(dataset):
        if any((block == fill).any() for block in views.blocks(x)):
            raise _stand_for_others(path, dataset, f"the fill value {fill}")
    return x


def _stand_for_others(path: Path, dataset: Any, what: str) -> InputError:
    return InputError(
        f"{path}:{dataset.name} holds {what}, expected the numbers that are meant; unpack and fill "
        "the values, or if this is a netCDF file, rename it to .nc."
    )


def _fills(dataset: Any) -> list[Any]:
    """Numbers that stand for missing values; NaN is refused in any data."""
    known = [np.ravel(dataset.attrs[name]) for name in _FILLS if name in dataset.attrs]
    return [found[0] for found in known if found.dtype.kind in "iuf" and np.isfinite(found[0])]


def values(dataset: Any, path: Path) -> Array:
    """The values of an HDF5 data set, memory-mapped if stored contiguously.

    Raises:
        InputError: they are in other files, one of which is not there.
    """
    if dataset.is_virtual:  # HDF5 returns zeros in place of files that it does not find
        for source in dataset.virtual_sources():
            _check_there(path, source.file_name)
    offset = dataset.id.get_offset()
    if offset is None or dataset.dtype.hasobject or dataset.external or 0 in dataset.shape:
        return lazy.load(dataset, path, dataset.name)
    return np.memmap(path, dataset.dtype, "r", offset, dataset.shape)


def _check_there(path: Path, name: str) -> None:
    """Refuse a virtual data set one of whose files is missing; `%b` in a name is a number."""
    places = (path.parent / name, Path(name))
    pattern = escape(places[0].name).replace("%b", "*")
    if name != "." and not any(any(place.parent.glob(pattern)) for place in places):
        raise InputError(
            f"{path} takes its values from {name}, which is not there; copy it beside {path.name}."
        )
