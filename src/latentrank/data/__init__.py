"""Data sets: named ones, and anybody's own arrays and images."""

from latentrank.data.base import Batch, Dataset, Split, to_float
from latentrank.data.module import DataModule
from latentrank.data.registry import load, names

__all__ = ["Batch", "DataModule", "Dataset", "Split", "load", "names", "to_float"]
