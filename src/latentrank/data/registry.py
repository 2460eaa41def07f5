"""Data sets by name."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from latentrank.data import fields, shapes, standard
from latentrank.data.base import Dataset, Split
from latentrank.errors import unknown


def names() -> list[str]:
    """The names that `load` knows."""
    return ["shapes", "mnist", "fashion-mnist", "gaussian2d", "gaussian2d:scale"]


def load(
    name_or_path: str | Path,
    root: str | Path | None = None,
    download: bool = False,
    *,
    train_size: int | None = None,
    test_size: int | None = None,
    image_size: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Dataset:
    """The data set of that name."""
    name = str(name_or_path)
    folder = Path(root or os.environ.get("LATENTRANK_DATA") or "data").expanduser()
    if name == "shapes":
        return shapes.load(train_size, test_size, seed)
    if name in ("gaussian2d", "gaussian2d:scale"):
        return fields.load(train_size, test_size, seed, scale=name.endswith("scale"))
    if name in ("mnist", "fashion-mnist"):
        loader = standard.load_mnist if name == "mnist" else standard.load_fashion_mnist
        data = loader(folder, download, image_size or 32)
        return _subset(data, train_size, test_size, seed)
    raise unknown("data set", name, names())


def _subset(data: Dataset, train_size: int | None, test_size: int | None, seed: int) -> Dataset:
    from dataclasses import replace

    def part(split: Split, size: int | None) -> Split:
        if size is None:
            return split
        return split.take(np.sort(np.random.default_rng(seed).permutation(len(split))[:size]))

    return replace(data, train=part(data.train, train_size), test=part(data.test, test_size))
