"""Hugging Face data sets: saved in a folder, or by name from the hub."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from latentrank.data import cache, pages, views
from latentrank.data.arrays import Contents, Meaning, Part
from latentrank.data.readers import tables
from latentrank.data.readers.named import LABELS
from latentrank.data.readers.reading import reading
from latentrank.data.splits import combined, join, split_in, split_of
from latentrank.data.views import Array
from latentrank.errors import InputError, check_all_known, need
from latentrank.formatting import counted

PREFIX = "hf:"
# Of several columns of images, those that are likelier the samples than masks
_IMAGES = ("image", "images", "img")


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
    """A data set from the hub; without `download` from the local cache, and nobody is asked.

    Args:
        name: as on the hub, followed by `:CONFIGURATION` where the data set has several.
        download: whether it may be downloaded.
        meaning: roles of the columns.

    Raises:
        InputError: there is no such data set here or on the hub, or it cannot be read.
    """
    datasets = need("datasets", "huggingface", f"Reading {PREFIX}{name}")
    repository, _, configuration = name.partition(":")
    if not repository:
        raise InputError(f"{PREFIX} lacks the name of a data set; give one after it.")
    try:
        with contextlib.nullcontext() if download else _offline(datasets):
            found = datasets.load_dataset(repository, configuration or None)
    except Exception as error:  # the hub client raises various errors
        reason = " ".join(" ".join(str(error).splitlines()[:2]).split()).rstrip(".")
        wrong, remedy = "cannot be loaded", "check the name and the connection"
        if any(word in reason for word in ("configs", "configuration", "Config")):
            wrong = "names none of the data set's configurations"
            remedy = f"give one after the name, as in {PREFIX}{repository}:CONFIGURATION"
        elif not download:
            wrong, remedy = "is not on this machine", "download it with download=True"
        raise InputError(f"{PREFIX}{name} {wrong} ({reason}); {remedy}.") from error
    contents = _contents(datasets, found, PREFIX + name, meaning)
    read = next(iter(found.values())).config_name
    if configuration or read in {None, "default"}:
        return contents
    # the cache may hold only one of several
    return replace(contents, notes=(f"The configuration {read} is read.", *contents.notes))


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
    every = source.values() if isinstance(source, dict) else [source]
    return all(table.format["type"] != "custom" for table in every)


def from_loaded(source: Any, what: str, meaning: Meaning) -> Contents:
    """A data set in memory.

    Args:
        source: for which `is_loaded`.
        what: description of its origin, for messages.
        meaning: roles of the columns.
    """
    return _contents(sys.modules["datasets"], source.with_format(None), what, meaning)


def _contents(datasets: Any, found: Any, what: str, meaning: Meaning) -> Contents:
    by_name = dict(found) if isinstance(found, datasets.DatasetDict) else {"": found}
    places = _places(by_name, what)
    features = next(iter(by_name.values())).features
    meaning = meaning.within(features)
    asked = meaning.labels
    others = {name: kind for name, kind in features.items() if name not in meaning.asked}
    labels, said = asked or _labels(datasets, others), []
    if labels != asked:
        said.append(f"Labels are read from the column {labels}.")
    meaning = meaning._replace(labels=labels, is_split=len(by_name) > 1)
    check_all_known(f"column in {what} called", meaning.asked, features)
    parts: dict[str, Part] = {}
    contents = []
    for name, table in by_name.items():
        if (place := places[name]) is None:
            said.append(f"Skipped samples of the split {name} ({len(table)}).")
            continue
        contents.append(_read(datasets, table, f"{what}: {name}" if name else what, meaning))
        said += contents[-1].notes
        # A column of the only table may name the splits.
        for split, part in zip((place, "test"), contents[-1].parts, strict=False):
            parts[split] = combined(parts[split], part) if split in parts else part
    joined, more = join(parts, meaning.validation, what)
    kind = features.get(labels)
    class_names = tuple(kind.names) if isinstance(kind, datasets.ClassLabel) else None
    if class_names is not None and asked is None:
        without = sum(int((np.asarray(part.labels) < 0).sum()) for part in joined)
        if without:  # the convention for the test samples of a challenge
            joined, class_names = [replace(part, labels=None) for part in joined], None
            said.append(
                f"The labels are left out: {counted(without, 'sample')} of {what} have none."
            )
    notes = tuple(dict.fromkeys([*said, *more]))
    return replace(contents[0], parts=joined, notes=notes, class_names=class_names)


def _places(by_name: Mapping[str, Any], what: str) -> dict[str, str | None]:
    """The split that each table is, `""` for all samples; None if it is none."""
    if len(by_name) == 1:
        return dict.fromkeys(by_name, "")
    for known in (split_of, split_in):
        places = {name: known(name) for name in by_name}
        if "train" in places.values():
            return places
    raise InputError(
        f"{what} has the splits {', '.join(by_name)}, none of which is for training; give one of "
        "them alone, such as data['NAME']."
    )


def _labels(datasets: Any, features: Mapping[str, Any]) -> str | None:
    """The column of labels by its name, or else the only one of classes."""
    named = [name for name in features if name.strip().lower() in LABELS]
    classes = [name for name in features if isinstance(features[name], datasets.ClassLabel)]
    return named[0] if named else classes[0] if len(classes) == 1 else None


def _read(datasets: Any, table: Any, what: str, meaning: Meaning) -> Contents:
    """One table: its images, or else its columns of lists or numbers as those of any table."""
    pictures = [n for n, kind in table.features.items() if isinstance(kind, datasets.Image)]
    chosen = [name for name in meaning.columns or pictures if name in pictures]
    if not chosen:
        return tables.from_frame(what, _frame(datasets, table, meaning), meaning)
    if len(meaning.columns or ()) > 1:
        raise InputError(
            f"columns names {', '.join(meaning.columns or ())} of {what}, expected one column of "
            "images alone; leave out the others."
        )
    column = next((name for name in chosen if name.lower() in _IMAGES), chosen[0])
    x, notes = _images(table, column, what)
    others = [name for name in dict.fromkeys(meaning.asked) if name != column]
    frame = _frame(datasets, table.select_columns(others), meaning)
    parameters, parameter_names = tables.parameters_of(what, frame, meaning)
    if len(pictures) > 1:
        left = ", ".join(name for name in pictures if name != column)
        notes = [f"Images are read from the column {column}, not from {left}.", *notes]
    part = Part(
        what,
        x,
        None if meaning.labels is None else frame[meaning.labels].to_numpy(),
        parameters,
    )
    return Contents([part], parameter_names, tuple(notes), layout="NCHW")


def _frame(datasets: Any, table: Any, meaning: Meaning) -> Any:
    """A data frame, with lists as objects; columns that are no numbers, text or lists are empty."""
    pandas = need("pandas", "huggingface", "Reading Hugging Face data")
    lists = (datasets.List, datasets.LargeList)
    arrays = (datasets.Array2D, datasets.Array3D, datasets.Array4D, datasets.Array5D)
    single = [
        name
        for name, kind in table.features.items()
        if isinstance(kind, datasets.Value)
        or (isinstance(kind, datasets.ClassLabel) and name in meaning.asked)  # else no number
    ]
    many = [name for name, kind in table.features.items() if isinstance(kind, (*lists, *arrays))]
    # The NumPy format would convert all floats to float32. Images are not gathered.
    arrow = table.select_columns([*single, *many]).with_format("arrow")[:]
    columns = dict.fromkeys(table.features, pandas.Series(dtype=object))
    columns |= {name: arrow[name].to_pandas() for name in single}
    columns |= {name: pandas.Series(arrow[name].to_pylist(), dtype=object) for name in many}
    return pandas.DataFrame(columns, index=range(len(table)))


def _images(table: Any, column: str, what: str) -> tuple[Array, list[str]]:
    key = (table._fingerprint, column, "hf v1")
    pictures = table.select_columns([column])

    def build() -> tuple[tuple[int, ...], str, Iterator[Array]]:
        names = [f"{what}[{i}]" for i in range(len(table))]
        heads = [_head(row[column], name) for row, name in zip(pictures, names, strict=True)]
        shape, dtype = pages.common(names, heads)
        cache.note(key, pages.notes(heads))
        pixels = (pages.pixels(row[column], shape[0], dtype) for row in pictures)
        return (len(heads), *shape), dtype, pixels

    x = cache.cached(key, build)
    small = x.nbytes <= views.LARGE
    return (np.asarray(x) if small else x), cache.noted(key)


def _head(image: Any, name: str) -> pages.Head:
    if image is None:
        raise InputError(f"{name} has no image; leave such samples out.")
    return pages.head(image)
