"""Hugging Face data sets: saved in a folder, or by name from the hub."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from latentrank.data import cache, pages, views
from latentrank.data.arrays import Contents, Meaning, Part
from latentrank.data.readers import named
from latentrank.data.readers.reading import reading
from latentrank.data.splits import join, split_of
from latentrank.data.views import Array
from latentrank.errors import InputError, need
from latentrank.formatting import counted

PREFIX = "hf:"


def is_saved(path: Path) -> bool:
    """Whether a folder was written by `save_to_disk`."""
    return (path / "dataset_dict.json").is_file() or (path / "state.json").is_file()


def read(path: Path, meaning: Meaning) -> Contents:
    """A data set written by `save_to_disk`."""
    datasets = need("datasets", "huggingface", f"Reading {path}")
    with reading(path, "a data set"):
        found = datasets.load_from_disk(str(path))
    return _contents(datasets, found, str(path), meaning)


def fetch(name: str, download: bool, meaning: Meaning) -> Contents:
    """A data set from the hub; without `download` from the local cache, and nobody is asked."""
    datasets = need("datasets", "huggingface", f"Reading {PREFIX}{name}")
    try:
        with contextlib.nullcontext() if download else _offline(datasets):
            found = datasets.load_dataset(name)
    except Exception as error:  # the hub client raises various errors
        reason = " ".join(str(error).split()).rstrip(".")
        if not download:
            raise InputError(
                f"{PREFIX}{name} is not on this machine ({reason}); download it with --download of "
                "latentrank train."
            ) from error
        raise InputError(
            f"{PREFIX}{name} cannot be loaded ({reason}); check the name and the connection."
        ) from error
    return _contents(datasets, found, PREFIX + name, meaning)


@contextlib.contextmanager
def _offline(datasets: Any) -> Iterator[None]:
    """Without network; both libraries read their setting once, when they are imported."""
    from huggingface_hub import constants

    places: tuple[Any, ...] = (datasets.config, constants)
    before = [place.HF_HUB_OFFLINE for place in places]
    verbosity = datasets.logging.get_verbosity()
    datasets.logging.set_verbosity_error()  # it would warn that the cache is used, as asked
    for place in places:
        place.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = value
        datasets.logging.set_verbosity(verbosity)


def is_loaded(source: Any) -> bool:
    """Whether this is a data set in memory, which has no transform that makes other samples."""
    datasets = sys.modules.get("datasets")  # else there are none
    if datasets is None or not isinstance(source, datasets.Dataset | datasets.DatasetDict):
        return False
    tables = source.values() if isinstance(source, dict) else [source]
    return all(table.format["type"] != "custom" for table in tables)


def from_loaded(source: Any, what: str, meaning: Meaning) -> Contents:
    """A data set in memory.

    Args:
        source: for which `is_loaded`.
        what: description of its origin, for messages.
        meaning: roles of the columns.
    """
    return _contents(sys.modules["datasets"], source.with_format(None), what, meaning)


def _contents(datasets: Any, found: Any, what: str, meaning: Meaning) -> Contents:
    tables = dict(found) if isinstance(found, datasets.DatasetDict) else {"": found}
    places = {name: "" if len(tables) == 1 else split_of(name) for name in tables}
    features = next(iter(tables.values())).features
    meaning = meaning.within(features)
    labels = meaning.labels or next((name for name in named.LABELS if name in features), None)
    columns = _columns(datasets, features, what, meaning, labels)
    parts, said = {}, []
    for name, table in tables.items():
        place = places[name]
        if place is None:
            said.append(f"Skipped samples of the split {name} ({len(table)}).")
            continue
        parts[place], notes = _part(datasets, table, f"{what}: {name}", columns, labels, meaning)
        said += notes
    joined, more = join(parts, meaning.validation, what)
    kind = features.get(labels)
    class_names = tuple(kind.names) if isinstance(kind, datasets.ClassLabel) else None
    if class_names is not None and meaning.labels is None:
        without = sum(int((np.asarray(part.labels) < 0).sum()) for part in joined)
        if without:  # the convention for the test samples of a challenge
            joined, class_names = [replace(part, labels=None) for part in joined], None
            said.append(
                f"The labels are left out: {counted(without, 'sample')} of {what} have none."
            )
    images = isinstance(features[columns[0]], datasets.Image)
    return Contents(
        joined,
        tuple(_parameters(next(iter(tables.values())), meaning)) or None,
        tuple(dict.fromkeys([*said, *more])),
        layout="NCHW" if images else None,
        class_names=class_names,
    )


def _columns(
    datasets: Any, features: Any, what: str, meaning: Meaning, labels: str | None
) -> tuple[str, ...]:
    asked = [labels, *(meaning.parameters or ()), *(meaning.columns or ())]
    named.check("column", what, asked, features)
    if meaning.columns:
        return meaning.columns
    rest = [name for name in features if name not in {labels, *(meaning.parameters or ())}]
    arrays = (datasets.Image, datasets.Array2D, datasets.Array3D, datasets.Array4D)
    for wanted in (datasets.Image, arrays, (datasets.List, datasets.LargeList)):
        found = [name for name in rest if isinstance(features[name], wanted)]
        if found:
            return (found[0],)
    numbers = [name for name in rest if _is_number(features[name])]
    if not numbers:
        raise InputError(
            f"{what} has no column of images or numbers; it has {', '.join(features)}."
        )
    return tuple(numbers)


def _is_number(feature: Any) -> bool:
    dtype = getattr(feature, "dtype", "")
    return dtype.startswith(("int", "uint", "float", "bool"))


def _part(
    datasets: Any,
    table: Any,
    what: str,
    columns: Sequence[str],
    labels: str | None,
    meaning: Meaning,
) -> tuple[Part, list[str]]:
    notes: list[str] = []
    if isinstance(table.features[columns[0]], datasets.Image):
        x, notes = _images(table, columns[0], what)
    else:
        arrays = [_values(table, name) for name in columns]
        x = arrays[0] if len(arrays) == 1 and arrays[0].ndim > 1 else np.stack(arrays, axis=1)
    part = Part(
        what,
        x,
        None if labels is None else _values(table, labels),
        np.stack(list(_parameters(table, meaning).values()), axis=1)
        if meaning.parameters
        else None,
    )
    return part, notes


def _parameters(table: Any, meaning: Meaning) -> dict[str, Array]:
    """The parameters of each sample, `(N,)`, by name."""
    return named.columns({n: _values(table, n).astype(float) for n in meaning.parameters or ()})


def _values(table: Any, column: str) -> Array:
    # the NumPy format would convert all floats to float32
    found = table.with_format("arrow")[:][column]
    plain = hasattr(table.features[column], "dtype")
    return np.asarray(found.to_numpy() if plain else found.to_pylist())


def _images(table: Any, column: str, what: str) -> tuple[Array, list[str]]:
    key = (table._fingerprint, column, "hf v1")

    def build() -> tuple[tuple[int, ...], str, Iterator[Array]]:
        heads = [pages.head(row[column]) for row in table]
        names = [f"{what}[{i}]" for i in range(len(heads))]
        dtype = pages.common_dtype(names, heads)
        pages.check_sizes(names, heads)
        channels = 1 if all(head.grey for head in heads) else 3
        width, height = heads[0].size
        cache.note(key, pages.notes(heads))
        pixels = (pages.pixels(row[column], channels, dtype) for row in table)
        return (len(heads), channels, height, width), dtype, pixels

    x = cache.cached(key, build)
    small = x.nbytes <= views.LARGE
    return (np.asarray(x) if small else x), cache.noted(key)
