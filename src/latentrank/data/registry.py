"""Data sets by name: one table of what there is, and the way to load any of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from latentrank.data import arrays, blobs, curves, fields, images, shapes, standard
from latentrank.data.base import Dataset, Split
from latentrank.errors import InputError, unknown


class Description(NamedTuple):
    """A named data set in one row.

    Args:
        name: what to call it by.
        shape: of one sample.
        train_size: number of training samples.
        test_size: number of test samples.
        true_dimension: number of parameters behind the data, where known.
        latent_dim: the latent width that suits it.
        summary: what it is.
        source: where it comes from.
    """

    name: str
    shape: tuple[int, ...]
    train_size: int
    test_size: int
    true_dimension: int | None
    latent_dim: int
    summary: str
    source: str


class _Request(NamedTuple):
    """What a caller of `load` asked for."""

    root: Path
    download: bool
    train_size: int | None
    test_size: int | None
    image_size: int | None
    seed: int
    progress: bool


@dataclass(frozen=True)
class _Entry:
    """A named data set: its row, and how to load it.

    `computed` data is made to size; the rest is read whole, and a part of it taken.
    """

    description: Description
    load: Callable[[_Request], Dataset]
    computed: bool = False


def _family(name: str) -> _Entry:
    family = curves.FAMILIES[name]
    described = Description(
        f"curves:{name}",
        (1, len(family.t)),
        family.train_size,
        family.test_size,
        len(family.ranges),
        family.latent_dim,
        f"curves, {family.formula}",
        "Mounayer et al., 2024 (RRAE)",
    )
    return _Entry(
        described, lambda r: curves.load(name, r.train_size, r.test_size, r.seed), computed=True
    )


_ENTRIES = [
    _Entry(
        Description(
            "shapes",
            (3, 32, 32),
            50_000,
            10_000,
            7,
            32,
            "one coloured circle or square on black",
            "Jing et al., 2020 (IRMAE)",
        ),
        lambda r: shapes.load(r.train_size, r.test_size, r.seed),
        computed=True,
    ),
    _Entry(
        Description(
            "blobs",
            (3, 16, 16),
            10_000,
            2_000,
            7,
            32,
            "one small coloured blob, quickly learned",
            "latentrank",
        ),
        lambda r: blobs.load(r.train_size, r.test_size, r.seed),
        computed=True,
    ),
    _Entry(
        Description(
            "mnist", (1, 32, 32), 60_000, 10_000, None, 128, "handwritten digits",
            "LeCun et al., 1998",
        ),
        lambda r: standard.load_mnist(r.root, r.download, r.image_size or 32),
    ),
    _Entry(
        Description(
            "fashion-mnist", (1, 32, 32), 60_000, 10_000, None, 128, "articles of clothing",
            "Xiao et al., 2017",
        ),
        lambda r: standard.load_fashion_mnist(r.root, r.download, r.image_size or 32),
    ),
    _Entry(
        Description(
            "cifar10", (3, 32, 32), 50_000, 10_000, None, 128, "photographs of ten classes",
            "Krizhevsky, 2009",
        ),
        lambda r: standard.load_cifar10(r.root, r.download, r.image_size or 32),
    ),
    _Entry(
        Description(
            "celeba", (3, 64, 64), 162_770, 19_962, None, 512, "faces, cropped to the middle",
            "Liu et al., 2015",
        ),
        lambda r: standard.load_celeba(r.root, r.download, r.image_size or 64, r.progress),
    ),
    *(_family(name) for name in curves.FAMILIES),
    _Entry(
        Description(
            "gaussian2d", (1, 64, 64), 100, 1000, 2, 64, "one round bump, its centre varies",
            "Mounayer et al., 2025 (VRRAE)",
        ),
        lambda r: fields.load(r.train_size, r.test_size, r.seed),
        computed=True,
    ),
    _Entry(
        Description(
            "gaussian2d:scale", (1, 64, 64), 1000, 1000, 3, 64,
            "one round bump, its centre and its width vary", "after Mounayer et al., 2025",
        ),
        lambda r: fields.load(r.train_size, r.test_size, r.seed, scale=True),
        computed=True,
    ),
]  # fmt: skip
_BY_NAME = {entry.description.name: entry for entry in _ENTRIES}


def names() -> list[str]:
    """The names that `load` knows; it takes paths as well.

    Example:
        >>> names()[:3]
        ['shapes', 'blobs', 'mnist']
    """
    return list(_BY_NAME)


def describe() -> list[Description]:
    """One row for each named data set.

    Example:
        >>> [row.name for row in describe() if row.true_dimension == 7]
        ['shapes', 'blobs']
    """
    return [entry.description for entry in _ENTRIES]


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
    """A data set by name, or anybody's own from a file or folder.

    Args:
        name_or_path: a name from `names()`; a folder or a `.zip` of images, see
            `latentrank.data.images.load`; or a `.npy` or `.npz` file, see
            `latentrank.data.arrays.load`.
        root: the folder where the files of named data sets lie; otherwise `LATENTRANK_DATA`,
            otherwise `data` in the working folder.
        download: fetch the files of a named data set where they are missing.
        train_size: how many training samples; all of them, or the paper's number, unless given.
            Computed data is made to that size; of anything else a random part is taken.
        test_size: how many test samples, likewise.
        image_size: height and width to bring images from files to.
        seed: of computed data and of the random part taken of other data.
        progress: show a progress bar while images are decoded.

    Returns:
        The training and the test split with what is known about the data.

    Raises:
        InputError: for an unknown name, missing or damaged files, a size that cannot be had, or
            data that cannot be used.

    Example:
        >>> data = load("gaussian2d", train_size=25, test_size=4)
        >>> data.shape, len(data.train), len(data.test)
        ((1, 64, 64), 25, 4)
    """
    for option, value in (
        ("train_size", train_size),
        ("test_size", test_size),
        ("image_size", image_size),
    ):
        if value is not None and value < 1:
            raise InputError(f"{option} is {value}; give a whole number from 1.")
    folder = Path(root or os.environ.get("LATENTRANK_DATA") or "data").expanduser()
    request = _Request(folder, download, train_size, test_size, image_size, seed, progress)
    entry = _BY_NAME.get(str(name_or_path))
    if entry is None:
        return _part(_from_path(Path(name_or_path).expanduser(), request), request)
    if not entry.computed:
        return _part(entry.load(request), request)
    if image_size is not None:
        raise _no_image_size(entry.description.name)
    return entry.load(request)


def _from_path(path: Path, request: _Request) -> Dataset:
    if path.is_dir() or (path.is_file() and path.suffix == ".zip"):
        return images.load(path, request.image_size, request.progress)
    if path.suffix not in (".npy", ".npz", ".zip") and len(path.parts) == 1 and not path.exists():
        raise unknown("data set", str(path), names())
    if not path.exists():
        raise InputError(f"There is no {path}; check the path.")
    if path.suffix not in (".npy", ".npz"):
        raise InputError(
            f"{path} is neither a data set's name nor data that can be read; expected a folder "
            "or .zip of images, or a .npy or .npz file."
        )
    if request.image_size is not None:
        raise _no_image_size(str(path))
    return arrays.load(path)


def _no_image_size(what: str) -> InputError:
    return InputError(
        f"image_size does not apply to {what}; it resizes images read from files: leave it out."
    )


def _part(data: Dataset, request: _Request) -> Dataset:
    """The data with no more samples than asked for."""
    train, test = (
        _some(what, split, size, request.seed)
        for what, split, size in (
            ("train_size", data.train, request.train_size),
            ("test_size", data.test, request.test_size),
        )
    )
    return replace(data, train=train, test=test)


def _some(what: str, split: Split, size: int | None, seed: int) -> Split:
    if size is None:
        return split
    if size > len(split):
        raise InputError(f"{what} is {size}, but there are only {len(split)} samples; lower it.")
    # in rising order, which a memory map reads fastest
    return split.take(np.sort(np.random.default_rng(seed).permutation(len(split))[:size]))
