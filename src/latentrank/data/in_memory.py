"""Data that are in memory already: arrays, labelled arrays and tables, data sets of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    default_collate,
    default_convert,
)
from torch.utils.data import Dataset as TorchDataset

from latentrank.data.alike import same_names
from latentrank.data.arrays import UNSAID, Contents, Meaning, Part, assemble, refuse_unused
from latentrank.data.axes import Axes, names_of_columns, of_columns
from latentrank.data.base import Dataset
from latentrank.data.plain import as_array, is_array_of_objects, refuse_sparse, stacked
from latentrank.data.readers import huggingface, named, netcdf, tables
from latentrank.data.splits import role
from latentrank.errors import InputError, need


def as_dataset(source: Any, name: str = "data", meaning: Meaning = UNSAID) -> Dataset:
    """A data set from samples in memory, read as those of a file are.

    Args:
        source: a `Dataset`, which is returned; samples `(N, ...)` as an array or tensor, or a list
            of them or of pictures of Pillow; a dictionary of arrays, read like an `.npz` file; a
            data frame of pandas, polars or dask or a `Table` of pyarrow, read like a table;
            an xarray `DataArray` or `Dataset`, read like a netCDF file; a data set of Hugging Face,
            read like one that it saved; or a map-style data set or
            a `DataLoader` of torch, whose items are samples, or pairs of a sample and its class
            (an integer or text), its parameters (real numbers), or the sample itself.
        name: what to call it.
        meaning: how to read them; of a `Dataset` everything is known.

    Raises:
        InputError: samples of different shapes, or of a kind that is none of these.

    Example:
        >>> from torch.utils.data import TensorDataset
        >>> import torch
        >>> data = as_dataset(TensorDataset(torch.rand(10, 3), torch.arange(10) % 2))
        >>> data.shape, data.train.labels.shape
        ((3,), (8,))
    """
    if isinstance(source, Dataset):
        refuse_unused(f"the data set {source.name}", **meaning.shapes, **meaning.names)
        return source
    return assemble(name, _contents(source, name, meaning), meaning)


def _contents(source: Any, name: str, meaning: Meaning) -> Contents:
    if any("GroupBy" in base.__name__ for base in type(source).__mro__):
        raise InputError(
            f"The data are a {type(source).__name__}, whose groups are not samples; give one "
            "sample for each group, such as its mean(), or the data before they were grouped."
        )
    if hasattr(source, "to_pandas") and hasattr(source, "columns"):  # polars, and pyarrow
        need("pandas", "tables", f"A table of type {type(source).__name__}")
        source = source.to_pandas()
    if hasattr(source, "npartitions") and hasattr(source, "iloc"):  # of dask
        source = source.compute()
    # pandas, xarray and datasets need not be installed
    if hasattr(source, "iloc") and hasattr(source, "columns"):
        return tables.from_frame(name, source, meaning)
    if huggingface.is_loaded(source):
        return huggingface.from_loaded(source, name, meaning)
    if hasattr(source, "subtree"):
        raise InputError(
            "The data are a DataTree of xarray, expected one of its data sets; give "
            "tree['NAME'].to_dataset()."
        )
    if hasattr(source, "to_dataset"):
        source = source.to_dataset(name=source.name or name)
    if hasattr(source, "data_vars"):
        return netcdf.from_xarray(netcdf.numeric_times(source), Path(name), None, meaning)
    if isinstance(source, Mapping):
        return _named(source, name, meaning)
    refuse_unused(name, **meaning.names)
    if isinstance(source, DataLoader):
        source = _behind(source)
    is_array = hasattr(source, "__array__") and not is_array_of_objects(source)
    if isinstance(source, Tensor) or is_array:
        return Contents([Part(name, as_array(source, name))])
    return Contents([_items(name, source)])


def _named(source: Mapping[Any, Any], name: str, meaning: Meaning) -> Contents:
    """Arrays by name, where data frames of samples, or of parameters, are matched by columns."""
    for key, values in source.items():
        if isinstance(values, TorchDataset | DataLoader):
            raise InputError(
                f"{key} is a {type(values).__name__}, expected an array; gather its samples, as in "
                f"torch.stack([x for x, _ in {key}]), and its labels likewise."
            )
    held = {str(key): as_array(values, str(key)) for key, values in source.items()}
    frames = {
        str(key): list(map(str, values.columns))
        for key, values in source.items()
        if hasattr(values, "columns")
    }
    samples = _matched(held, {key: frames[key] for key in frames if named.holds_samples(key)})
    asked = meaning.parameters or ("parameters",)
    of_parameters = [
        _matched(held, {key: frames[key] for key in frames if role(key, base) is not None})
        for base in asked
    ]
    found = named.contents(name, held, meaning)
    called = names_of_columns(of_parameters[0]) if len(asked) == 1 else ()
    names = called or found.parameter_names
    return replace(found, axes=Axes(of_columns(samples)), parameter_names=names)


def _matched(held: dict[str, Any], columns: Mapping[str, list[str]]) -> list[str]:
    """Put the columns of data frames in the order of those of the first, and return their names."""
    first = next(iter(columns), "")
    for key, names in columns.items():
        order = same_names(names, columns[first], key, first)
        held[key] = held[key] if order is None else held[key][:, order]
    return columns.get(first, [])


def _behind(loader: DataLoader[Any]) -> Any:
    """The data set of a loader that does nothing but gather all of its samples in batches."""
    if isinstance(loader.dataset, IterableDataset):  # refused later
        return loader.dataset
    sampler, count = loader.sampler, len(loader.dataset)  # type: ignore[arg-type]
    every = type(sampler) is SequentialSampler or (
        type(sampler) is RandomSampler and not sampler.replacement and sampler.num_samples == count
    )
    if not every or type(loader.batch_sampler) not in (BatchSampler, type(None)):
        own = loader.batch_sampler if every else sampler
        raise InputError(
            f"The loader draws samples with a {type(own).__name__}, expected all of its data set; "
            "give the samples as a data set, such as torch.utils.data.Subset."
        )
    if loader.collate_fn not in (default_collate, default_convert):
        raise InputError(
            "The loader has a custom collate_fn, expected samples as its data set returns "
            "them; give a data set that returns what the collate_fn would."
        )
    return loader.dataset


def _items(name: str, source: Any) -> Part:
    """The samples of a data set of torch, or of a list, with labels or parameters."""
    if isinstance(source, tuple):
        raise InputError(
            f"The data are a tuple of {len(source)} parts, expected samples; give arrays by name, "
            "such as {'x': x, 'y': y} or {'x_train': x_train, 'x_test': x_test}."
        )
    indexed = hasattr(source, "__getitem__") and not isinstance(source, IterableDataset)
    refuse_sparse(source, name)
    if not (indexed and hasattr(source, "__len__")):
        raise InputError(
            f"The data are a {type(source).__name__}, expected a dense array, a tensor, or a "
            "data set that has a length and an index; gather the samples into an array."
        )
    items = [source[i] for i in range(len(source))]
    if not items:
        raise InputError(f"{name} has no samples, expected at least two; give some.")
    if any(isinstance(item, dict) for item in items):
        raise InputError(
            f"The samples of {name} are dictionaries, expected arrays, or pairs of an array and a "
            "label; return those from the data set."
        )
    pairs = isinstance(items[0], tuple)
    if pairs and len(items[0]) > 2:
        raise InputError(
            f"The items of {name} have {len(items[0])} parts, expected a sample, or a sample and "
            "its label or parameters; return those from the data set."
        )
    samples = stacked([item[0] if pairs else item for item in items], name)
    if not pairs or len(items[0]) == 1:
        return Part(name, samples)
    targets = as_array([item[1] for item in items], name)
    if np.array_equal(targets, samples):  # what an autoencoder reconstructs
        return Part(name, targets)
    if targets.dtype.kind == "f":
        return Part(name, samples, parameters=targets)
    return Part(name, samples, targets)
