"""Folders and zips with one sample per file: finding files, splits and classes."""

from __future__ import annotations

import itertools
import os
import re
import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np

from latentrank.data.arrays import UNSAID, Meaning, Part
from latentrank.data.holdout import holdout, said_of_holdout
from latentrank.data.plain import composed
from latentrank.data.splits import place_validation, rows_of, split_in, split_of
from latentrank.data.views import Array, Rows
from latentrank.errors import InputError
from latentrank.formatting import first_of

_NAMED = 5  # maximum number of skipped files to name
# Thumbnails, metadata, bins and snapshots that file managers and storage systems leave beside files
_OF_THE_SYSTEM = {
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini",
    "@eadir", "@tmp", "@recycle", "#recycle", "#snapshot",
    "$recycle.bin", "system volume information", "lost+found",
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """Files in a folder or a zip.

    Args:
        path: the folder or the zip.
        names: the files' paths inside it, sorted, with forward slashes.
        stamp: changes when any file changes.
        open: opens a file by name.
        notes: notes on skipped files.
        labels: the class of each file by name, if known from elsewhere than its folder.
    """

    path: Path
    names: list[str]
    stamp: object
    open: Callable[[str], BinaryIO]
    notes: tuple[str, ...] = ()
    labels: list[str] | None = None


def find(path: Path, suffixes: Collection[str]) -> Source:
    """Files with given suffixes in a folder, at any depth, or in a zip; or a single file.

    Hidden files, those of the system (`is_hidden`), other files, broken links, and links to files
    already found are skipped.

    Args:
        path: the folder, the zip, or the file.
        suffixes: accepted suffixes, in lower case.

    Raises:
        InputError: the zip is damaged.
    """
    if path.is_dir():
        return _folder(path, suffixes)
    if path.suffix.lower() in suffixes:
        return Source(path.parent, [path.name], stamp_of(path), lambda name: path.open("rb"))
    return _zip(path, suffixes)


def _folder(path: Path, suffixes: Collection[str]) -> Source:
    files, links = _walk(path)
    matching, other = sort_out(files, suffixes)
    matching, special = _divided(matching, lambda name: (path / name).is_file())
    pipes, broken = _divided(special, lambda name: (path / name).exists())
    seen = {(path / name).resolve() for name in matching if not (path / name).is_symlink()}
    names: list[str] = []
    again: list[str] = []
    for name in matching:
        place = (path / name).resolve()
        twice = (path / name).is_symlink() and place in seen
        (again if twice else names).append(name)
        seen.add(place)
    stamp = [stamp_of(path / name) for name in names]
    notes = (
        *passed_over("broken links", broken),
        *passed_over("pipes and devices", pipes),
        *passed_over("links to files already read", again),
        *passed_over("links to folders already read", links),
        *passed_over("files of other types", other),
    )
    return Source(path, names, stamp, lambda name: (path / name).open("rb"), notes)


def stamp_of(path: Path) -> tuple[int, int]:
    """A stamp that changes with the file."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def every_file(path: Path) -> list[Path]:
    """The files below a folder, also in folders that are links, or the file itself."""
    return sorted(path / name for name in _walk(path)[0]) if path.is_dir() else [path]


def _walk(path: Path) -> tuple[list[str], list[str]]:
    """All files below a folder, visiting each folder once, and the skipped links to folders."""
    files, links = [], []
    seen = {_identity(path)}
    for folder, inner, found in os.walk(path, onerror=_unlisted, followlinks=True):
        inner[:] = [name for name in inner if not is_hidden(name)]
        inner.sort(key=lambda name: (Path(folder, name).is_symlink(), name))
        kept = []
        for name in inner:
            place = Path(folder, name)
            if _identity(place) in seen:
                links.append(place.relative_to(path).as_posix())
            else:
                seen.add(_identity(place))
                kept.append(name)
        inner[:] = kept
        files += [Path(folder, name).relative_to(path).as_posix() for name in found]
    return sorted(files), sorted(links)


def _unlisted(error: OSError) -> None:
    raise InputError(
        f"{error.filename} cannot be read ({error.strerror}); grant permission to read it."
    ) from error


def _identity(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def _zip(path: Path, suffixes: Collection[str]) -> Source:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise InputError(
            f"{path} is not a complete zip file; copy or download it again."
        ) from error
    members = sorted(name for name in archive.namelist() if not name.endswith("/"))
    for name in members:
        if PurePosixPath(name).is_absolute():
            raise InputError(f"{path} holds the absolute path {name}; pack it with relative paths.")
    names, other = sort_out(members, suffixes)

    def open_member(name: str) -> BinaryIO:
        return archive.open(name)  # type: ignore[return-value]

    notes = passed_over("files of other types", other)
    return Source(path, names, stamp_of(path), open_member, notes)


def sort_out(files: list[str], suffixes: Collection[str]) -> tuple[list[str], list[str]]:
    """Files with accepted suffixes, and other files; hidden files are excluded from both."""
    shown = [name for name in files if not any(map(is_hidden, PurePosixPath(name).parts))]
    return _divided(shown, lambda name: name.lower().endswith(tuple(suffixes)))


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or kept by the system for itself.

    Example:
        >>> is_hidden(".DS_Store"), is_hidden("@eaDir"), is_hidden("cat")
        (True, True, False)
    """
    return name.startswith(".") or name.lower() in _OF_THE_SYSTEM


def _divided(names: list[str], kept: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """Those that are kept, and the others."""
    chosen = set(filter(kept, names))
    return [n for n in names if n in chosen], [n for n in names if n not in chosen]


def passed_over(what: str, names: list[str]) -> tuple[str, ...]:
    """A note on skipped files, if there are any."""
    return (f"Skipped {what} ({len(names)}): {first_of(names, _NAMED)}.",) if names else ()


@dataclass(frozen=True)
class Arrangement:
    """The assignment of files to splits and classes.

    Args:
        rows: indices of all files, or of the training files and of the test files, in increasing
            order each.
        classes: the class of each of these files by name, part after part, or None.
        notes: notes for the user.
    """

    rows: tuple[Rows, ...]
    classes: list[str] | None
    notes: tuple[str, ...] = ()

    @property
    def order(self) -> Rows:
        """Indices of the files, part after part."""
        return np.concatenate(self.rows)

    def parts(self, what: str, names: list[str], x: Array) -> list[Part]:
        """The samples of the parts, with classes as labels.

        Args:
            what: description of their origin, for messages.
            names: of all files.
            x: `(N, ...)` samples in files, in `order`.
        """
        known, labels = np.array(names), None if self.classes is None else np.array(self.classes)
        found, start = [], 0
        for rows in self.rows:
            place = slice(start, start + len(rows))
            own = None if labels is None else labels[place]
            found.append(Part(what, x[place], own, names=known[rows], rows=rows))
            start = place.stop
        return found


def arrange(
    names: list[str], what: str, meaning: Meaning = UNSAID, labels: list[str] | None = None
) -> Arrangement:
    """Derive splits and classes from folder names.

    Folders named after splits, such as `Train`, `val` or, if all are, `test_images`, at the top or
    below the classes, are the splits, as are names such as `train_0.png` of all files; without
    them a fifth, drawn with a fixed seed, is held out, unless the samples are for a trained model.
    Of the remaining folders, the outermost is the class, if every file is in one and there are
    several.

    Args:
        names: paths with forward slashes.
        what: description of their origin, for messages.
        meaning: the split that validation files join, and whether a trained model is given them.
        labels: the class of each file, if known from elsewhere than its folder.

    Raises:
        InputError: fewer than two files, nothing for one of the splits, or only some of the folders
            may be splits.

    Example:
        >>> found = arrange(["train/cat/1.png", "train/dog/1.png", "Test/cat/2.png"], "x")
        >>> [rows.tolist() for rows in found.rows], found.classes
        ([[0, 1], [2]], ['cat', 'dog', 'cat'])
    """
    groups = _groups(names)
    found = _split_folders(groups, what)
    places, depth = found or ([], None)
    if depth is not None:
        groups = [group[:depth] + group[depth + 1 :] for group in groups]
    if meaning.lenient:  # new samples may be of one split alone
        groups = [tuple(name for name in group if split_of(name) is None) for group in groups]
    rows: tuple[Rows, ...] = (np.arange(len(names)),)
    notes: list[str] = []
    drawn: list[str] = []
    if depth is not None and not meaning.whole:
        parts, notes = place_validation(
            rows_of(places), meaning.validation, lambda *both: np.sort(np.concatenate(both))
        )
        rows = (parts["train"], parts["test"])
        if outside := places.count(None):
            notes.append(f"Skipped files of {what} outside the folders of splits ({outside}).")
    elif not meaning.lenient:
        rows = holdout(len(names), what)
        drawn = [said_of_holdout(len(rows[1]), len(names))]
    order = np.concatenate(rows)
    if labels is None:
        classes, said = _classes([groups[i] for i in order], [names[i] for i in order])
    else:
        classes, said = [labels[i] for i in order], ()
    return Arrangement(rows, classes, (*notes, *said, *drawn))


def _split_folders(groups: list[tuple[str, ...]], what: str) -> tuple[list[str | None], int] | None:
    """The split of each file, and the depth of the folders that are named after them, or None."""
    for depth in (0, 1):
        folders = [group[depth] if len(group) > depth else None for group in groups]
        places = [None if folder is None else split_of(folder) for folder in folders]
        if {"train"} < {*places} - {None}:
            return places, depth
        # less usual names are trusted only if each folder has one
        places = [None if folder is None else split_in(folder) for folder in folders]
        if not {"train"} < {*places} - {None}:
            continue
        others = {f for f, place in zip(folders, places, strict=True) if f and place is None}
        if others:
            named = sorted({f for f in folders if f} - others)
            raise InputError(
                f"{what} has folders that may be splits ({', '.join(named)}) and others "
                f"({', '.join(sorted(others)[:_NAMED])}); rename the splits to train, val and "
                "test, or the classes, or move the others away."
            )
        return places, depth
    return None


def _groups(names: list[str]) -> list[tuple[str, ...]]:
    """The folders of each file, without those common to all.

    If every name begins with its split, as `train_0.png`, the split counts as the innermost folder.
    """
    parents = [PurePosixPath(name).parent for name in names]
    shared = len(PurePosixPath(os.path.commonpath(parents)).parts)
    groups = [parent.parts[shared:] for parent in parents]
    words = [re.split("[^A-Za-z]", PurePosixPath(name).name)[0] for name in names]
    splits = {split_of(word) for word in words}
    if None in splits or not {"train"} < splits or any(map(split_in, itertools.chain(*groups))):
        return groups
    return [(*group, word) for group, word in zip(groups, words, strict=True)]


def _classes(
    groups: list[tuple[str, ...]], names: list[str]
) -> tuple[list[str] | None, tuple[str, ...]]:
    """The outermost folder of each file if all are in one, and a note if only some are."""
    if all(groups):
        found = composed(group[0] for group in groups)
        kinds = sorted(set(found))
        return found, (f"Folders are read as classes ({len(kinds)}): {first_of(kinds, _NAMED)}.",)
    outside = sorted(name for name, group in zip(names, groups, strict=True) if not group)
    if len(outside) == len(groups):
        return None, ()
    return None, (
        f"Folders are not read as classes, since files are outside ({len(outside)}): "
        f"{first_of(outside, _NAMED)}.",
    )
