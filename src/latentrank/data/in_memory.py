"""Data that are in memory already: arrays, and data sets and loaders of torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader

from latentrank.data.arrays import Contents, Meaning, Part, assemble
from latentrank.data.base import Array, Dataset
from latentrank.errors import InputError


def as_dataset(source: Any, name: str = "data", meaning: Meaning | None = None) -> Dataset:
    """A data set from samples in memory, read as those of a file are.

    Args:
        source: a `Dataset`, which is returned; samples `(N, ...)` as an array or tensor; or a
            map-style data set or a `DataLoader` of torch, whose items are samples, or tuples of a
            sample and a label.
        name: what to call it.
        meaning: kind and layout, where the shape leaves a doubt.

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
        return source
    x, labels = _arrays(source)
    return assemble(name, Contents([Part(name, x, labels)]), meaning or Meaning())


def _arrays(source: Any) -> tuple[Array, Array | None]:
    if isinstance(source, DataLoader):
        source = source.dataset
    if isinstance(source, Tensor):
        return source.detach().cpu().numpy(), None
    if isinstance(source, np.ndarray):
        return source, None
    if not (hasattr(source, "__getitem__") and hasattr(source, "__len__")):
        raise InputError(
            f"The data are a {type(source).__name__}, expected an array, a tensor, or a data set "
            "that has a length; gather the samples into an array."
        )
    items = [source[i] for i in range(len(source))]
    if isinstance(items[0], tuple):
        samples = [item[0] for item in items]
        labels = np.asarray([int(item[1]) for item in items]) if len(items[0]) > 1 else None
    else:
        samples, labels = items, None
    shapes = {tuple(np.shape(sample)) for sample in samples}
    if len(shapes) > 1:
        raise InputError(
            f"The samples have shapes {', '.join(map(str, sorted(shapes)))}, expected one shape; "
            "resize or crop them."
        )
    return np.stack([np.asarray(sample) for sample in samples]), labels
