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
        found = _at(file, inner) if inner else file
        if isinstance(found, h5py.Group):
            held, inner = arrays(found), None
        elif found is None:
            held = arrays(file)
        else:
            group, _, inner = (inner or "").rpartition("/")
            held = arrays(file[group or "/"]) | {inner: found}
        for name in meaning.asked:
            if name not in held and (other := _at(file, name)) is not None:
                held[name] = other  # by its path from the root
        return named.contents(str(path), held, meaning, inner, _unpacked)


def _at(group: Any, name: str) -> Any:
    """What a name in a group stands for, or None.

    Raises:
        InputError: it is in another file, which is not there.
    """
    found = group.get(name)
    if found is None and hasattr(link := group.get(name, getlink=True), "filename"):
        _sources(Path(group.file.filename), [link.filename])
    return found


def arrays(group: Any) -> dict[str, Any]:
    """The arrays in a group, by their paths in it, also those that it links to in other files."""
    held = {"": group, **_objects(group)}
    for name, item in list(held.items()):
        for key in item if hasattr(item, "keys") else ():
            if hasattr(item.get(key, getlink=True), "filename"):
                linked, place = _at(item, key), f"{name}/{key}".lstrip("/")
                held |= {place: linked, **_objects(linked, f"{place}/")}
    # data sets without values have no shape
    return {name: item for name, item in held.items() if getattr(item, "shape", None) is not None}


def _objects(group: Any, prefix: str = "") -> dict[str, Any]:
    """All that is in a group, at any depth."""
    found: dict[str, Any] = {}
    if hasattr(group, "visititems"):
        group.visititems(lambda name, item: found.update({f"{prefix}{name}": item}))
    return found


def _unpacked(dataset: Any) -> Array:
    """The values of an HDF5 data set.

    Raises:
        InputError: they stand for others, as netCDF's conventions have it.
    """
    x = values(dataset)
    told = {name: np.ravel(dataset.attrs[name])[0] for name in _PACKED if name in dataset.attrs}
    packed = {name: value for name, value in told.items() if value != _PACKED[name]}
    if packed:
        stored = ", ".join(f"{name} {value}" for name, value in packed.items())
        raise _stand_for_others(dataset, f"packed values ({stored})")
    for fill in _fills(dataset):
        if any((block == fill).any() for block in views.blocks(x)):
            raise _stand_for_others(dataset, f"the fill value {fill}")
    return x


def _stand_for_others(dataset: Any, what: str) -> InputError:
    return InputError(
        f"{dataset.file.filename}:{dataset.name} holds {what}, expected the numbers that are "
        "meant; unpack and fill the values, or if this is a netCDF file, rename it to .nc."
    )


def _fills(dataset: Any) -> list[Any]:
    """Numbers that stand for missing values; NaN is refused in any data."""
    known = [np.ravel(dataset.attrs[name]) for name in _FILLS if name in dataset.attrs]
    return [found[0] for found in known if found.dtype.kind in "iuf" and np.isfinite(found[0])]


def values(dataset: Any) -> Array:
    """The values of an HDF5 data set, memory-mapped if stored contiguously.

    Raises:
        InputError: they are in other files, one of which is not there.
    """
    path = Path(dataset.file.filename)  # not the one that was opened, if that links to it
    names = [name for name, *_ in dataset.external or ()]
    if dataset.is_virtual:
        names += [source.file_name for source in dataset.virtual_sources()]
    sources = _sources(path, names)
    offset = dataset.id.get_offset()
    if offset is None or dataset.dtype.hasobject or names or 0 in dataset.shape:
        return lazy.load(dataset, path, dataset.name, sources)
    return np.memmap(path, dataset.dtype, "r", offset, dataset.shape)


def _sources(path: Path, names: list[str]) -> list[Path]:
    """Other files from which a file takes values; `%b` in a name stands for numbers.

    Raises:
        InputError: one is not there; HDF5 would return zeros in place of its values.
    """
    found: list[Path] = []
    for name in dict.fromkeys(names):
        places = (path.parent / name, Path(name))
        pattern = escape(places[0].name).replace("%b", "*")
        files = [file for place in places for file in sorted(place.parent.glob(pattern))]
        if name != "." and not files:
            raise InputError(
                f"{path} takes its values from {name}, which is not there; copy it beside "
                f"{path.name}."
            )
        found += files
    return found
