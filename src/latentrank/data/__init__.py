"""Data sets: named ones, and your own arrays and images.

Whatever needs torch is imported on first use; the table of names does not need it.
"""

import importlib
from typing import TYPE_CHECKING, Any

from latentrank.data.registry import (
    DATASETS,
    Description,
    NamedData,
    describe,
    load,
    load_like,
    load_samples,
    names,
)

if TYPE_CHECKING:
    from latentrank.data.axes import Axes, Axis
    from latentrank.data.base import Batch, Dataset, Split, to_float
    from latentrank.data.layout import as_samples
    from latentrank.data.module import DataModule
    from latentrank.data.own import place
    from latentrank.data.units import infer

__all__ = [
    "DATASETS",
    "Axes",
    "Axis",
    "Batch",
    "DataModule",
    "Dataset",
    "Description",
    "NamedData",
    "Split",
    "as_samples",
    "describe",
    "infer",
    "load",
    "load_like",
    "load_samples",
    "names",
    "place",
    "to_float",
]

_HOMES = {
    "Axes": "axes",
    "Axis": "axes",
    "Batch": "base",
    "DataModule": "module",
    "Dataset": "base",
    "Split": "base",
    "as_samples": "layout",
    "infer": "units",
    "place": "own",
    "to_float": "base",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"latentrank.data.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
