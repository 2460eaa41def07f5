"""Your own data: a path read as a data set, or as samples for a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from latentrank.data import images, readers, shards
from latentrank.data.arrays import (
    UNSAID,
    Contents,
    Meaning,
    as_splits,
    assemble,
    concatenated,
    refuse_unused,
)
from latentrank.data.base import Dataset, Split
from latentrank.data.layout import as_samples
from latentrank.data.readers import huggingface
from latentrank.data.units import Moments, check_range
from latentrank.errors import InputError, unknown
from latentrank.io import expanded
from latentrank.preprocessing import Preprocessing


class Request(NamedTuple):
    """The arguments of `latentrank.data.load`; see there."""

    root: Path
    download: bool = False
    train_size: int | None = None
    test_size: int | None = None
    image_size: int | None = None
    seed: int = 0
    progress: bool = True
    meaning: Meaning = UNSAID


def load(text: str, request: Request, known: Sequence[str]) -> Dataset:
    """Load the data at a path.

    Args:
        text: a file, a folder, `FILE:/NAME` for one of several arrays in a file, or `hf:NAME`
            or `hf:NAME:CONFIGURATION` for a Hugging Face data set.
        request: how to read it.
        known: names of data sets, for suggestions.

    Raises:
        InputError: there are no data, or they cannot be read.
    """
    return assemble(text, _contents(text, request, known), request.meaning)


def load_like(
    text: str,
    preprocessing: Preprocessing,
    shape: tuple[int, ...],
    request: Request,
    known: Sequence[str] = (),
) -> tuple[list[Split], dict[str, Any]]:
    """Load the samples at a path as those that a model was trained on.

    Nothing is held out, and one sample suffices. The layout is that of the training data.

    Args:
        text: see `load`.
        preprocessing: the model's, for the layout.
        shape: shape of one sample in network layout.
        request: how to read it.
        known: see `load`.

    Returns:
        All samples, or training and test samples where the data distinguish them, in network
        layout and their own units; and the names that come with them, by argument of `Dataset`.

    Raises:
        InputError: there are no data, they cannot be read, or samples have another shape or are
            not finite.
    """
    contents = _contents(text, request, known, (shape[0], preprocessing.dtype))
    class_names, splits = as_splits(
        [
            replace(part, x=as_samples(part.x, preprocessing, shape, part.what))
            for part in contents.parts
        ]
    )
    for part, split in zip(contents.parts, splits, strict=True):
        if split.x.dtype.kind == "f":  # refuses what is not finite
            Moments.of(split.x, part.what, exact=False, rows=split.rows)
        check_range(split.x, preprocessing, part.what, contents.axes.channel_names)
    return splits, {
        "class_names": contents.class_names or class_names,
        "parameter_names": contents.parameter_names,
        "axes": contents.axes,
    }


def joined(splits: Sequence[Split]) -> Split:
    """Join several splits into one, with new row numbers."""
    count = sum(len(split) for split in splits)
    metadata = concatenated([split.metadata for split in splits])
    x = splits[0].x if len(splits) == 1 else np.concatenate([split.x for split in splits])
    return Split(x, **{**metadata, "rows": np.arange(count)})


def _contents(
    text: str, request: Request, known: Sequence[str], wanted: tuple[int, str] | None = None
) -> Contents:
    if not text:  # would be the working folder
        raise InputError("The name of the data is empty; give a name or a path.")
    meaning, path = request.meaning, expanded(text)
    if (source := images.find(path)) is not None:
        refuse_unused(str(path), **meaning.shapes, **meaning.names)
        return images.read(path, source, meaning, request.image_size, request.progress, wanted)
    if text.startswith(huggingface.PREFIX):
        name = text.removeprefix(huggingface.PREFIX)
        return huggingface.fetch(name, request.download, meaning)
    path, inner = place(text)
    reader = readers.find(path)
    if reader is None and len(path.parts) == 1 and not path.suffix and not path.exists():
        raise unknown("data set or path", text, known)
    if not path.exists():
        raise InputError(f"There is no {path}; check the path.")
    if reader is None and path.is_file():
        raise InputError(
            f"{path} is neither a data set's name nor data that can be read; expected a folder, "
            "a .zip or a .tar of images, an image, or a file ending in "
            f"{', '.join(readers.suffixes())}."
        )
    if not meaning.lenient:  # else it is that of the images trained on
        refuse_unused(str(path), image_size=request.image_size)
    if reader is not None:
        return reader.read(path, inner, meaning)
    if huggingface.is_saved(path):
        return huggingface.read(path, meaning)
    return shards.read(path, meaning)


def place(source: str) -> tuple[Path, str | None]:
    """Split `FILE:/NAME` into a file and a name inside it, None where there is none.

    Example:
        >>> place("data/sim.h5:/fields/T"), place("data/x.npy")
        ((PosixPath('data/sim.h5'), '/fields/T'), (PosixPath('data/x.npy'), None))
    """
    path = expanded(source)
    file, colon, inner = str(path).rpartition(":")
    if path.exists() or not colon or readers.find(Path(file)) is None:
        return path, None
    return Path(file), inner
