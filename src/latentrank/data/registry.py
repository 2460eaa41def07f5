"""The table of named data sets, and loading of any data.

The table needs no torch, so that listing it is quick; modules that load data are imported on use.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from latentrank.data import curves
from latentrank.errors import (
    InputError,
    check_count,
    check_is,
    check_known,
    check_returned,
    check_takes,
)
from latentrank.io import expanded
from latentrank.registry import Registry

if TYPE_CHECKING:
    from latentrank.data.base import Dataset, Split
    from latentrank.data.own import Request
    from latentrank.preprocessing import Preprocessing


class Description(NamedTuple):
    """The description of a named data set.

    What it says of the default width and of the dimension holds for the loaded data too.

    Args:
        name: its name.
        shape: shape of one sample.
        train_size: number of training samples.
        test_size: number of test samples.
        true_dimension: number of parameters behind the data, if known.
        latent_dim: default latent width.
        summary: short description.
        source: its origin.
    """

    name: str
    shape: tuple[int, ...]
    train_size: int
    test_size: int
    true_dimension: int | None
    latent_dim: int
    summary: str
    source: str


@dataclass(frozen=True)
class NamedData:
    """A named data set: its description, and how to load it.

    Args:
        description: metadata available without loading it.
        load: maps a request to the data.
        computed: whether it is generated in the requested size; other data are read entirely and
            subsampled.
    """

    description: Description
    load: Callable[[Request], Dataset]
    computed: bool = False

    def __post_init__(self) -> None:
        check_takes(self.load, ("request",), f"The function load of {self.description.name}")


def _computed(module: str, described: Description, *first: Any, **more: Any) -> NamedData:
    """Data computed by `load` of a module of this package, of the described sizes by default."""

    def load(request: Request) -> Dataset:
        train_size = request.train_size or described.train_size
        test_size = request.test_size or described.test_size
        make = import_module(f"latentrank.data.{module}").load
        dataset: Dataset = make(*first, train_size, test_size, request.seed, **more)
        return dataset

    return NamedData(described, load, computed=True)


def _standard(described: Description, *passed: str) -> NamedData:
    """Images from files, of the described size by default; some settings are passed on by name."""

    def load(request: Request) -> Dataset:
        from latentrank.data import standard

        make = getattr(standard, f"load_{described.name.replace('-', '_')}")
        size = request.image_size or described.shape[-1]
        more = {name: getattr(request, name) for name in passed}
        dataset: Dataset = make(request.root, request.download, size, **more)
        return dataset

    return NamedData(described, load)


_RRAE, _VRRAE = "Mounayer et al., 2024 (RRAE)", "Mounayer et al., 2025 (VRRAE)"

_ENTRIES = [
    _computed("shapes", Description(
        "shapes", (3, 32, 32), 50_000, 10_000, 7, 32, "one coloured circle or square on black",
        "Jing et al., 2020 (IRMAE)",
    )),
    _computed("blobs", Description(
        "blobs", (3, 16, 16), 10_000, 2_000, 7, 32, "one small coloured blob, fast to learn",
        "latentrank",
    )),
    _standard(Description(
        "mnist", (1, 32, 32), 60_000, 10_000, None, 128, "handwritten digits",
        "LeCun et al., 1998",
    )),
    _standard(Description(
        "fashion-mnist", (1, 32, 32), 60_000, 10_000, None, 128, "articles of clothing",
        "Xiao et al., 2017",
    )),
    _standard(Description(
        "cifar10", (3, 32, 32), 50_000, 10_000, None, 128, "photographs of ten classes",
        "Krizhevsky, 2009",
    ), "progress"),
    _standard(Description(
        "celeba", (3, 64, 64), 162_770, 19_962, None, 512, "faces, centre-cropped",
        "Liu et al., 2015",
    ), "progress"),
    *(_computed("curves", Description(
        f"curves:{name}", (1, len(one.t)), one.train_size, one.test_size, len(one.ranges),
        one.latent_dim, f"curves, {one.formula}", _RRAE,
    ), name) for name, one in curves.FAMILIES.items()),
    _computed("fields", Description(
        "gaussian2d", (1, 64, 64), 100, 1000, 2, 64, "one round bump with varying centre", _VRRAE,
    )),
    _computed("fields", Description(
        "gaussian2d:scale", (1, 64, 64), 1000, 1000, 3, 64,
        "one round bump with varying centre and width", f"after {_VRRAE.removesuffix(' (VRRAE)')}",
    ), scale=True),
]  # fmt: skip

#: Data sets by name. Another package adds one with an entry point in `latentrank.datasets`.
DATASETS = Registry(
    "data set",
    "latentrank.datasets",
    {entry.description.name: entry for entry in _ENTRIES},
    check=lambda what, value: check_is(value, NamedData, what),
)


def names() -> list[str]:
    """The names that `load` accepts, in addition to paths.

    Example:
        >>> names()[:3]
        ['shapes', 'blobs', 'mnist']
    """
    return DATASETS.names()


def describe() -> list[Description]:
    """One row for each named data set.

    Example:
        >>> [row.name for row in describe() if row.true_dimension == 7]
        ['shapes', 'blobs']
    """
    return [named.description for named in DATASETS.working().values()]


def load(
    name_or_path: Any,
    root: str | Path | None = None,
    download: bool = False,
    *,
    train_size: int | None = None,
    test_size: int | None = None,
    image_size: int | None = None,
    seed: int = 0,
    progress: bool = True,
    kind: str | None = None,
    layout: str | None = None,
    labels: str | None = None,
    parameters: Sequence[str] | str | None = None,
    columns: Sequence[str] | str | None = None,
    validation: str = "train",
) -> Dataset:
    """Load a data set by name, or your own data from a file, a folder or memory.

    Args:
        name_or_path: a name from `names()`; a folder or a `.zip` of images, see
            `latentrank.data.images.read`; or a file of a format in `latentrank.data.readers`,
            with the suffix `:/NAME` if the file holds several arrays. A `Path` is never interpreted
            as a name. Or data in memory, as `latentrank.data.in_memory.as_dataset` takes them.
        root: folder with the files of named data sets; by default `LATENTRANK_DATA`, or else `data`
            in the working folder.
        download: download missing files of a named data set.
        train_size: number of training samples; by default all, or the paper's number. Synthetic
            data are generated in that size; other data are subsampled at random.
        test_size: number of test samples, likewise.
        image_size: height and width to resize images from files to.
        seed: random seed for synthetic data, and for subsampling other data.
        progress: show a progress bar while images are decoded.
        kind: what a sample is, one of `latentrank.data.layout.KINDS`; by default inferred from the
            shape, with two axes meaning a table.
        layout: order of the axes, one of `latentrank.preprocessing.LAYOUTS`; by default inferred
            from an unambiguous shape.
        labels: name of the column or array of labels.
        parameters: names of the columns or arrays of parameters, as a list or separated by commas.
        columns: names of the columns that form a sample, likewise.
        validation: use of a validation part, `"train"`, `"test"` or `"none"`.

    Returns:
        The training and the test split, with metadata.

    Raises:
        InputError: for an unknown name, missing or damaged files, an impossible size, invalid
            data, or arrays in place of names.

    Example:
        >>> data = load("gaussian2d", train_size=25, test_size=4)
        >>> data.shape, len(data.train), len(data.test)
        ((1, 64, 64), 25, 4)
    """
    from latentrank.data import own
    from latentrank.data.arrays import Meaning, refuse_unused
    from latentrank.data.base import Dataset
    from latentrank.data.in_memory import as_dataset
    from latentrank.data.splits import VALIDATION

    sizes = {"train_size": train_size, "test_size": test_size, "image_size": image_size}
    for option, value in sizes.items():
        if value is not None:
            check_count(value, option)
    check_known("place for validation samples", validation, VALIDATION)
    named = _named(labels, parameters, columns)
    meaning = Meaning(kind, layout, **named, validation=validation)
    request = own.Request(
        _root(root), download, train_size, test_size, image_size, seed, progress, meaning
    )
    if not isinstance(name_or_path, str | Path):
        refuse_unused("data in memory", image_size=image_size)
        return _part(as_dataset(name_or_path, meaning=meaning), request)
    if isinstance(name_or_path, Path) or name_or_path not in DATASETS:
        return _part(own.load(str(name_or_path), request, names()), request)
    entry = DATASETS.get(name_or_path)
    refuse_unused(entry.description.name, **meaning.shapes, **meaning.names)
    if entry.computed:
        refuse_unused(entry.description.name, image_size=image_size)
    found = entry.load(request)
    check_returned(found, Dataset, entry.load)
    return _as_described(found if entry.computed else _part(found, request), entry.description)


def load_samples(
    name_or_path: str | Path, preprocessing: Preprocessing, shape: tuple[int, ...], **how: Any
) -> tuple[Split, tuple[str, ...] | None]:
    """Load all samples of other data, in file order, for a trained model.

    Nothing is held out, and one sample suffices.

    Args:
        name_or_path: as in `load`.
        preprocessing: the model's, for the layout.
        shape: shape of one sample in network layout.
        **how: `root`, `download`, `image_size`, `labels`, `parameters`, `columns` and `progress`
            of `load`, where labels and parameters may be absent; and `conventions`, those of the
            axes of the training data.

    Returns:
        The samples in network layout and their own units, and the names of their classes.

    Raises:
        InputError: there are no data, they cannot be read, or samples have another shape.

    Example:
        >>> from latentrank.preprocessing import Preprocessing
        >>> split, _ = load_samples("gaussian2d", Preprocessing(), (1, 64, 64))
        >>> split.x.shape
        (1100, 1, 64, 64)
    """
    from latentrank.data import own

    parts, known = _like(name_or_path, preprocessing, shape, **how, whole=True)
    return own.joined(parts), known["class_names"]


def load_like(
    name_or_path: str | Path, preprocessing: Preprocessing, shape: tuple[int, ...], **how: Any
) -> Dataset:
    """Load a data set for a trained model, in the layout and units of its training data.

    Args:
        name_or_path: as in `load`.
        preprocessing: the model's.
        shape: shape of one sample in network layout.
        **how: as in `load_samples`.

    Raises:
        InputError: as in `load_samples`, or there is a single sample.

    Example:
        >>> from latentrank.preprocessing import Preprocessing
        >>> data = load_like("gaussian2d", Preprocessing(), (1, 64, 64))
        >>> len(data.train), len(data.test), data.true_dimension
        (100, 1000, 2)
    """
    from latentrank.data.arrays import held_out
    from latentrank.data.base import Dataset

    parts, known = _like(name_or_path, preprocessing, shape, **how)
    train, test = parts if len(parts) == 2 else held_out(parts[0], str(name_or_path))
    return Dataset(str(name_or_path), train, test, preprocessing, **known)


def _like(
    name_or_path: str | Path,
    preprocessing: Preprocessing,
    shape: tuple[int, ...],
    root: str | Path | None = None,
    download: bool = False,
    *,
    image_size: int | None = None,
    labels: str | None = None,
    parameters: Sequence[str] | str | None = None,
    columns: Sequence[str] | str | None = None,
    conventions: Mapping[str, str] | None = None,
    progress: bool = True,
    whole: bool = False,
) -> tuple[list[Split], dict[str, Any]]:
    """Samples like those of a trained model, in one part or two, and what else is known of them."""
    from latentrank.data import own
    from latentrank.data.arrays import Meaning
    from latentrank.data.layout import as_samples
    from latentrank.data.units import check_range
    from latentrank.preprocessing import Preprocessing

    if not isinstance(name_or_path, Path) and name_or_path in DATASETS:
        size = None if DATASETS.get(name_or_path).computed else image_size
        data = load(name_or_path, root, download, image_size=size, progress=progress)
        splits = [
            replace(part, x=as_samples(part.x, Preprocessing(), shape))
            for part in (data.train, data.test)
        ]
        for split in splits:
            check_range(split.x, preprocessing, name_or_path)
        kept = "true_dimension", "class_names", "parameter_names", "axes", "content"
        return splits, {name: getattr(data, name) for name in kept}
    named = _named(labels, parameters, columns)
    meaning = Meaning(**named, lenient=True, trained=conventions or {}, whole=whole)
    request = own.Request(_root(root), download, None, None, image_size, 0, progress, meaning)
    return own.load_like(str(name_or_path), preprocessing, shape, request, names())


def _named(labels: Any, parameters: Any, columns: Any) -> dict[str, Any]:
    from latentrank.data.plain import as_names

    return {
        "labels": next(iter(as_names("labels", labels, several=False)), None),
        "parameters": as_names("parameters", parameters) or None,
        "columns": as_names("columns", columns) or None,
    }


def _root(root: str | Path | None) -> Path:
    return expanded(root or os.environ.get("LATENTRANK_DATA") or "data")


def _as_described(data: Dataset, described: Description) -> Dataset:
    """The data with the described width and dimension: runs are named before data are loaded."""
    dimension = described.true_dimension or data.true_dimension
    return replace(data, latent_dim=described.latent_dim, true_dimension=dimension)


def _part(data: Dataset, request: Request) -> Dataset:
    """The data reduced to the requested sizes."""
    if request.train_size is None and request.test_size is None:
        return data
    return data.parts(
        _some("train_size", data.train, request.train_size, request.seed),
        _some("test_size", data.test, request.test_size, request.seed),
    )


def _some(what: str, split: Split, size: int | None, seed: int) -> Split:
    if size is None:
        return split
    if size > len(split):
        raise InputError(f"{what} is {size}, but there are only {len(split)} samples; lower it.")
    # in increasing order, which is fastest for a memory map
    return split.take(np.sort(np.random.default_rng(seed).permutation(len(split))[:size]))
