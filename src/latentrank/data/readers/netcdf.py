"""netCDF files, by xarray: variables over named dimensions, with coordinates."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrank.data.arrays import Contents, Meaning, Part, refuse_unused, text_of
from latentrank.data.axes import Axes, Axis
from latentrank.data.layout import check_first, recognise_names
from latentrank.data.readers import lazy
from latentrank.data.readers.named import LABELS, matrix, refuse_split, unused
from latentrank.data.views import Array
from latentrank.errors import InputError, check_all_known, need

_PARAMETERS = "parameters"


def read(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """Variables of a netCDF file, see `from_xarray`."""
    xarray = need("xarray", "fields", f"Reading {path}")
    try:
        # times stay numeric
        opened = xarray.open_dataset(path, decode_times=False)
    except ImportError as error:
        raise InputError(
            f"Reading {path} needs the package h5netcdf; install it with: "
            "pip install 'latentrank[fields]'"
        ) from error
    with opened as dataset:
        return from_xarray(dataset, path, inner, meaning, "")


def from_xarray(
    dataset: Any, path: Path, inner: str | None, meaning: Meaning, group: str | None = None
) -> Contents:
    """The samples in the variables of an xarray `Dataset`.

    The first dimension is the sample axis. Several variables over the same dimensions are channels
    of one array. A variable `parameters` along the first dimension, `(N,)` or `(N, P)`, or else
    coordinates along it only, except an index from 0 and those with a NaN, are parameters.
    Texts that are its coordinates name the samples.

    Args:
        dataset: the opened data set.
        path: its file.
        inner: name of a variable, if the user gave one.
        meaning: roles of the variables; `columns` names the channels.
        group: that of the file which holds them, `""` for the root; None if they are in memory.

    Raises:
        InputError: a variable does not exist, the samples cannot be identified, or they are
            arranged otherwise than those of the training.
    """
    meaning = meaning.within(map(str, dataset.variables))
    names = _variables(dataset, path, inner, meaning)
    dims = dataset[names[0]].dims
    sample = dims[0]
    if meaning.layout is None and not meaning.lenient:
        check_first(dims, str(path), dataset[names[0]].coords)
    given = meaning.parameters or _called_parameters(dataset, sample)
    found = () if given else _coordinates(dataset, sample)
    lacking = [name for name in found if not np.isfinite(dataset[name].values).all()]
    parameters = given or tuple(name for name in found if name not in lacking)
    known = [str(name) for name in dataset.variables]
    asked = filter(None, [*parameters, meaning.labels])
    check_all_known(f"variable in {path} called", asked, known)
    others = {*known} - {*names, *parameters}
    labels = meaning.labels or next((name for name in LABELS if name in others), None)
    arrays = [_values(dataset[name], path, group) for name in names]
    values, columns = _along_samples(dataset, path, sample, parameters)
    part = Part(
        str(path),
        arrays[0] if len(arrays) == 1 else np.stack(arrays, axis=1),
        None if labels is None else dataset[labels].values,
        values,
        _names(dataset, sample),
    )
    said = [f"Channels: {', '.join(names)}."] if len(names) > 1 else []
    measured = tuple(
        Axis(name, str(dataset[name].attrs.get("units", "")), key=name)
        for name in columns or ()
        if name in known
    )
    if parameters and not given:
        listed = ", ".join(axis.label for axis in measured)
        said.append(f"Parameters are read from coordinates: {listed}.")
    if lacking:
        said.append(f"No parameters, since some are NaN or infinite: {', '.join(lacking)}.")
    said.append(f"Samples are along {sample}.")
    used = {*names, *parameters, labels}
    if not (meaning.lenient or meaning.is_split):
        refuse_split(str(path), {n: v for n, v in dataset.variables.items() if n not in used})
    over = {str(name): values for name, values in dataset.data_vars.items() if name not in used}
    if over:
        said.append(unused(str(path), "variables", over, len(part.x)))
    kind = kind_of(dataset, dims) if part.x.ndim == 2 else None
    axes = Axes(
        tuple(_axis(dataset[name]) for name in names),
        places(dataset, dims[1:]),
        parameters=tuple(axis for axis in measured if axis.unit),
    )
    axes.check_like(meaning.trained, str(sample), str(path))
    # channels are where they have been stacked
    stacked = {3: "NCT", 4: "NCHW", 5: "NCDHW"}.get(part.x.ndim)
    layout = stacked if len(names) > 1 else None if kind == "table" else recognise_names(dims)
    return Contents([part], columns, tuple(said), kind, layout=layout, axes=axes)


def kind_of(source: Any, dims: Sequence[Hashable]) -> str | None:
    """What samples of an xarray `Dataset` or `DataArray` over two dimensions are; else None.

    They are curves along the second, or rows of a table if that was stacked from others: its places
    are then in no order, and may be of different quantities.

    Args:
        source: has the indexes.
        dims: names of the dimensions.
    """
    if len(dims) != 2:
        return None
    return "table" if getattr(source.indexes.get(dims[1]), "nlevels", 1) > 1 else "curves"


def _names(dataset: Any, sample: Hashable) -> NDArray[np.str_] | None:
    """The names of the samples, if texts are the coordinates along them."""
    if sample not in dataset.coords or dataset[sample].dtype.kind not in "OSUT":
        return None
    return np.array([text_of(value) for value in dataset[sample].values.tolist()], dtype=str)


def numeric_times(dataset: Any) -> Any:
    """An xarray `Dataset` whose times along an axis are numbers with units, as in a file.

    Those that are missing are NaN.
    """
    times = [name for name, values in dataset.coords.items() if values.dtype.kind in "mM"]
    return dataset.assign_coords({n: _numeric(dataset[n].variable) for n in times})


def _numeric(times: Any) -> Any:
    from xarray.conventions import encode_cf_variable

    encoded, missing = encode_cf_variable(times), np.isnat(times.values)
    # there they are the least integer
    return (
        encoded.copy(data=np.where(missing, np.nan, encoded.values)) if missing.any() else encoded
    )


def _values(variable: Any, path: Path, group: str | None) -> Array:
    """The values of a variable in a group of a file, or in memory."""
    if group is None:
        return np.asarray(variable.values)
    return lazy.load(variable.variable, path, f"{group}/{variable.name}")


def _axis(variable: Any, values: NDArray[np.float64] | None = None) -> Axis:
    """A variable's long name, or else its name, and its unit."""
    said, key = variable.attrs, str(variable.name)
    return Axis(str(said.get("long_name", key)), str(said.get("units", "")), values, key)


def places(source: Any, dims: Sequence[Hashable]) -> tuple[Axis, ...]:
    """Dimensions of an xarray `Dataset` or `DataArray`, with their coordinates if these are known.

    Args:
        source: has the coordinates.
        dims: names of the dimensions.
    """
    return tuple(_along(source, str(dim)) for dim in dims)


def _along(dataset: Any, dim: str) -> Axis:
    """A dimension, with its coordinates where they are monotone numbers."""
    if dim not in dataset.coords or dataset[dim].dtype.kind not in "iuf":
        return Axis(dim, key=dim)
    values = dataset[dim].values.astype(np.float64)
    steps = np.diff(values)
    return _axis(dataset[dim], values if (steps > 0).all() or (steps < 0).all() else None)


def _variables(dataset: Any, path: Path, inner: str | None, meaning: Meaning) -> list[str]:
    if inner and not meaning.lenient:
        refuse_unused(f"{path}:{inner}", columns=meaning.columns)
    chosen = [inner.strip("/")] if inner else list(meaning.columns or ())
    check_all_known(f"variable in {path} called", chosen, map(str, dataset.variables))
    if not chosen:
        named = {meaning.labels, *(meaning.parameters or (_PARAMETERS,)), *LABELS}
        chosen = [
            str(n) for n, v in dataset.data_vars.items() if v.ndim >= 2 and str(n) not in named
        ]
    if not chosen:
        raise InputError(
            f"{path} has no variable of two or more dimensions; it has "
            f"{', '.join(map(str, dataset.variables)) or 'none'}."
        )
    if scalars := [name for name in chosen if not dataset[name].dims]:
        raise InputError(
            f"{scalars[0]} in {path} is a single number, expected a variable whose first dimension "
            "is that of the samples; name another one."
        )
    if len({dataset[name].dims for name in chosen}) > 1:
        several = "" if meaning.lenient else ", or several over the same dimensions with columns="
        raise InputError(
            f"{path} holds variables over different dimensions ({', '.join(chosen)}); select one "
            f"as {path}:/{chosen[0]}{several}."
        )
    return chosen


def _called_parameters(dataset: Any, sample: str) -> tuple[str, ...]:
    found = dataset.variables.get(_PARAMETERS)
    return (_PARAMETERS,) if found is not None and found.dims[:1] == (sample,) else ()


def _along_samples(
    dataset: Any, path: Path, sample: str, names: tuple[str, ...]
) -> tuple[Array | None, tuple[str, ...] | None]:
    """The parameters of the samples, see `matrix`."""
    for name in names:
        dims = dataset[name].dims
        if dims[:1] != (sample,) or len(dims) > 2:
            raise InputError(
                f"The parameters {name} in {path} have the dimensions ({', '.join(dims)}), "
                f"expected ({sample},) or ({sample}, P), along the first dimension of the samples; "
                "transpose these with xarray, or name other parameters."
            )
    return matrix({name: dataset[name].values for name in names})


def _coordinates(dataset: Any, sample: str) -> tuple[str, ...]:
    """Names of numeric variables with one value per sample."""
    return tuple(
        str(name)
        for name, values in dataset.coords.items()
        if values.dims == (sample,)
        and values.dtype.kind in "iuf"
        and not (name == sample and (values.values == np.arange(len(values))).all())
    )
