"""Folders of array files: one sample each, one split each, or parts of one table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from latentrank.data import cache, folders, readers, views
from latentrank.data.alike import aligned
from latentrank.data.arrays import Contents, Meaning, Part, concatenated
from latentrank.data.readers import lazy, named, nifti
from latentrank.data.splits import join, split_of
from latentrank.data.views import Array, blocks
from latentrank.errors import InputError

_ONE_EACH = (".npy", ".nii", ".nii.gz")


def read(path: Path, meaning: Meaning) -> Contents:
    """The combined contents of the files in a folder.

    A single file called `x`, `data` or the like is read as outside of a folder. Files named after
    roles, such as `x_train.npy` and `y_train.npy`, are named arrays; files named after splits, such
    as `train.csv` or `test-00001-of-00002.parquet`, or of samples alone, such as `x_train.csv` and
    `x_test.csv`, are those splits; other `.npy` and NIfTI files are one sample each, with folders
    of splits and classes as for images; anything else is concatenated in the order of names.

    Raises:
        InputError: there is nothing readable, or files are incompatible.
    """
    source = folders.find(path, readers.suffixes(in_folders=True))
    if not source.names:
        said = "".join(f"; {note[0].lower()}{note[1:-1]}" for note in source.notes)
        raise InputError(
            f"{path} holds no images and no data{said}; expected image files, or files ending in "
            f"{', '.join(readers.suffixes(in_folders=True))}."
        )
    beside = readers.numpy_files.are_beside(source.names)  # read with the arrays
    names = [name for name in source.names if name not in beside]
    stems = {name: name.removesuffix(_suffix(name)) for name in names}
    samples = named.samples_of(stems.values())
    known: Mapping[str, str | None] = samples or {s: _split(s) for s in stems.values()}
    places = {name: known.get(stem) for name, stem in stems.items()}
    if len(names) == 1 and not any(places.values()) and (samples or beside):
        found = _together(path, names, meaning)
    elif all(place is not None for place in places.values()):
        found = _by_split(path, places, meaning)
    elif samples:
        found = _by_role(path, stems, samples, meaning)
    elif all(_suffix(name).lower() in _ONE_EACH for name in source.names):
        found = _one_each(path, source, meaning)
    else:
        found = _together(path, names, meaning)
    return replace(found, notes=(*source.notes, *found.notes))


def _suffix(name: str) -> str:
    return name[len(name) - len(readers.suffix_of(name) or "") :]


def _split(stem: str) -> str | None:
    return split_of(re.split(r"[-_. ]", stem.rpartition("/")[2])[0])


def _read(path: Path, name: str, meaning: Meaning) -> Contents:
    reader = readers.find(path / name)
    assert reader is not None  # only such files were collected
    return reader.read(path / name, None, meaning)


def _by_role(
    path: Path, stems: dict[str, str], samples: dict[str, str], meaning: Meaning
) -> Contents:
    """Named arrays, among which the files of samples may hold their own labels and parameters."""
    others = meaning._replace(columns=None)  # labels have other columns than samples
    read = {
        stem: _read(path, name, meaning if stem in samples else others)
        for name, stem in stems.items()
    }
    files = {stem: str(path / name) for name, stem in stems.items() if stem in samples}
    for stem, file in files.items():
        _check_undivided(read[stem], file, "samples")
    matched = aligned(list(files.values()), [read[stem] for stem in files])
    read |= dict(zip(files, matched, strict=True))
    first = matched[0]
    held = {stem: contents.parts[0].x for stem, contents in read.items()}
    for stem, contents in zip(files, matched, strict=True):
        for what in ("labels", "parameters"):
            values = getattr(contents.parts[0], what)
            held |= {} if values is None else {f"{what}/{samples[stem]}": values}
    found = named.contents(str(path), held, others if first.axes.channels else meaning)
    layouts = {contents.layout for contents in read.values()}
    layout = layouts.pop() if len(layouts) == 1 else None
    notes = (*_notes(read.values()), *found.notes)
    return replace(found, notes=notes, layout=layout, axes=first.axes)


def _by_split(path: Path, places: Mapping[str, str | None], meaning: Meaning) -> Contents:
    names = {
        split: [name for name, place in places.items() if place == split]
        for split in ("", "train", "validation", "test")
    }
    meaning = meaning._replace(is_split=True)
    found = {split: _together(path, some, meaning) for split, some in names.items() if some}
    files = {split: str(path / names[split][0]) for split in found}
    for split, contents in found.items():
        _check_undivided(contents, files[split], split or "samples")
    matched = aligned(list(files.values()), list(found.values()))
    parts = {
        split: replace(contents.parts[0], what=f"{path}: {split or names[split][0]}")
        for split, contents in zip(found, matched, strict=True)
    }
    joined, said = join(parts, meaning.validation, str(path))
    return replace(matched[0], parts=joined, notes=(*_notes(matched), *said))


def _check_undivided(contents: Contents, file: str, what: str) -> None:
    if len(contents.parts) > 1:
        raise InputError(
            f"{file} holds training and test samples, and its name says that they are for {what}; "
            "keep them in different files."
        )


def _together(path: Path, names: Sequence[str], meaning: Meaning) -> Contents:
    found = [_read(path, name, meaning) for name in names]
    for contents, name in zip(found, names, strict=True):
        if len(contents.parts) != len(found[0].parts):
            with_test = name if len(contents.parts) > 1 else names[0]
            raise InputError(
                f"{path / with_test} holds training and test samples, and other files of the "
                "folder do not say which these are; let all or none of them hold both."
            )
    found = aligned([str(path / name) for name in names], found)
    parts = []
    for index, alike in enumerate(zip(*(contents.parts for contents in found), strict=True)):
        values = concatenated([part.metadata for part in alike])
        x = _concatenated([part.x for part in alike], path, names, (index, meaning))
        parts.append(Part(str(path), x, **values))
    return replace(found[0], parts=parts, notes=_notes(found))


def _notes(found: Iterable[Contents]) -> tuple[str, ...]:
    """The notes on all of them, each once."""
    return tuple(dict.fromkeys(note for contents in found for note in contents.notes))


def _concatenated(
    arrays: Sequence[Array], path: Path, names: Sequence[str], chosen: object = None
) -> Array:
    """The arrays one after the other, large ones from the cache.

    Args:
        arrays: `(n, ...)`, of one shape.
        path: the folder.
        names: their files there.
        chosen: which part of the files they are.
    """
    if len(arrays) == 1:
        return arrays[0]
    for name, array in zip(names, arrays, strict=False):
        if array.shape[1:] != arrays[0].shape[1:]:
            raise InputError(
                f"{path / name} has samples of shape {array.shape[1:]} and {path / names[0]} of "
                f"{arrays[0].shape[1:]}; keep files of one shape in a folder."
            )
    if sum(array.nbytes for array in arrays) <= views.LARGE:
        return np.concatenate(arrays)
    dtype = np.result_type(*{array.dtype for array in arrays})
    shape = (sum(len(array) for array in arrays), *arrays[0].shape[1:])

    def pieces() -> Iterator[Array]:
        return (block.astype(dtype) for array in arrays for block in blocks(array))

    key = (str(path.resolve()), lazy.stamp(path), list(names), repr(chosen), "shards v3")
    return cache.cached(key, lambda: (shape, dtype, pieces()))


def _one_each(path: Path, source: folders.Source, meaning: Meaning) -> Contents:
    found = folders.arrange(source.names, str(path), meaning)
    names = [source.names[i] for i in found.order]
    samples = [_sample(path / name) for name in names]
    x = np.asarray(_concatenated(cast(list[Array], samples), path, names))
    volumes = [sample for sample in samples if isinstance(sample, nifti.File)]
    layout = nifti.LAYOUTS.get(x.ndim) if len(volumes) == len(samples) else None
    notes = (*found.notes, *nifti.notes(volumes))
    return Contents(found.parts(str(path), source.names, x), notes=notes, layout=layout)


def _sample(path: Path) -> Array | nifti.File:
    """One sample, `(1, ...)`."""
    if ".nii" in _suffix(path.name).lower():
        return nifti.File(path)
    return readers.numpy_files.open_npy(path)[None]
