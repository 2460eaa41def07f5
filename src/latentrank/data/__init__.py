"""Data sets: named ones, and your own arrays and images."""

from typing import TYPE_CHECKING, Any

from latentrank.data.base import Batch, Dataset, Split, to_float
from latentrank.data.layout import as_samples
from latentrank.data.registry import (
    DATASETS,
    Description,
    NamedData,
    describe,
    load,
    load_samples,
    names,
)
from latentrank.data.units import infer

if TYPE_CHECKING:
    from latentrank.data.module import DataModule

__all__ = [
    "DATASETS",
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
    "load_samples",
    "names",
    "to_float",
]


def __getattr__(name: str) -> Any:
    # importing Lightning takes seconds, which listing data sets should not
    if name == "DataModule":
        from latentrank.data.module import DataModule

        return DataModule
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
