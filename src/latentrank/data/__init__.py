"""Data sets: named ones, and anybody's own arrays and images."""

from typing import TYPE_CHECKING, Any

from latentrank.data.base import Batch, Dataset, Split, to_float
from latentrank.data.registry import describe, load, names

if TYPE_CHECKING:
    from latentrank.data.module import DataModule

__all__ = ["Batch", "DataModule", "Dataset", "Split", "describe", "load", "names", "to_float"]


def __getattr__(name: str) -> Any:
    # importing Lightning takes seconds, which listing data sets should not
    if name == "DataModule":
        from latentrank.data.module import DataModule

        return DataModule
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
