"""Folders and zips with one sample per file: finding files, splits and classes."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from latentrank.data.base import holdout
from latentrank.data.splits import place_validation, split_of
from latentrank.errors import InputError

Rows = NDArray[np.int64]
_NAMED = 5  # maximum number of skipped files to name


@dataclass(frozen=True)
class Source:
    """Files in a folder or a zip.

    Args:
        path: the folder or the zip.
        names: the files' paths inside it, sorted, with forward slashes.
        stamp: changes when any file changes.
        open: opens a file by name.
        notes: notes on skipped files.
    """

    path: Path
    names: list[str]
    stamp: object
    open: Callable[[str], BinaryIO]
    notes: tuple[str, ...] = ()


def find(path: Path, suffixes: Collection[str]) -> Source:
    """Files with given suffixes in a folder, at any depth, or in a zip.

    Hidden files, other files, broken links, and links to files already found are skipped.

    Args:
        path: the folder or the zip.
        suffixes: accepted suffixes, in lower case.

    Raises:
        InputError: the zip is damaged.
    """
    return _folder(path, suffixes) if path.is_dir() else _zip(path, suffixes)


def _folder(path: Path, suffixes: Collection[str]) -> Source:
    files, links = _walk(path)
    matching, other = _sorted_out(files, suffixes)
    broken = [name for name in matching if not (path / name).exists()]
    real = {(path / n).resolve() for n in matching if not (path / n).is_symlink()}
    seen: set[Path] = set()
    names: list[str] = []
    again: list[str] = []
    for name in matching:
        if name in broken:
            continue
        place = (path / name).resolve()
        twice = place in seen or ((path / name).is_symlink() and place in real)
        (again if twice else names).append(name)
        seen.add(place)
    stats = [(path / name).stat() for name in names]
    stamp = [(stat.st_size, stat.st_mtime_ns) for stat in stats]
    notes = [
        _passed("broken links", broken),
        _passed("links to files already read", again),
        _passed("links to folders already read", links),
        _passed("files of other types", other),
    ]
    return Source(
        path, names, stamp, lambda name: (path / name).open("rb"), tuple(n for n in notes if n)
    )


def _walk(path: Path) -> tuple[list[str], list[str]]:
    """All files below a folder, visiting each folder once, and the skipped links to folders."""
    files, links = [], []
    seen = {_identity(path)}
    for folder, inner, found in os.walk(path, followlinks=True):
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
            raise InputError(f"{path} holds the absolute path {name}; pack relative ones.")
    names, other = _sorted_out(members, suffixes)
    stat = path.stat()

    def open_member(name: str) -> BinaryIO:
        return archive.open(name)  # type: ignore[return-value]

    note = _passed("files of other types", other)
    stamp = (stat.st_size, stat.st_mtime_ns)
    return Source(path, names, stamp, open_member, (note,) if note else ())


def _sorted_out(files: list[str], suffixes: Collection[str]) -> tuple[list[str], list[str]]:
    """Files with accepted suffixes, and other files; hidden files are excluded from both."""
    matching: list[str] = []
    other: list[str] = []
    for name in files:
        parts = PurePosixPath(name).parts
        if any(part.startswith((".", "__MACOSX")) or part == "Thumbs.db" for part in parts):
            continue
        (matching if name.lower().endswith(tuple(suffixes)) else other).append(name)
    return matching, other


def _passed(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = len(names) - _NAMED
    listed = ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"Skipped {what} ({len(names)}): {listed}."


@dataclass(frozen=True)
class Arrangement:
    """The assignment of files to splits and classes.

    Args:
        train: indices of the training files, in increasing order.
        test: indices of the test files.
        classes: the class of each file by name, or None.
        notes: notes for the user.
    """

    train: Rows
    test: Rows
    classes: list[str] | None
    notes: tuple[str, ...] = ()


def arrange(names: list[str], what: str, validation: str = "train") -> Arrangement:
    """Derive splits and classes from folder names.

    Folders named after splits, such as `Train` or `val`, at the top or below the classes, are the
    splits; without them a fifth, drawn with a fixed seed, is held out. Of the remaining folders,
    the outermost is the class, if every file is in one and there are several.

    Args:
        names: paths with forward slashes.
        what: description of their origin, for messages.
        validation: the split that validation files join, or `"none"`.

    Raises:
        InputError: fewer than two files, or nothing for one of the splits.

    Example:
        >>> found = arrange(["train/cat/1.png", "train/dog/1.png", "Test/cat/2.png"], "x")
        >>> found.train.tolist(), found.test.tolist(), found.classes
        ([0, 1], [2], ['cat', 'dog', 'cat'])
    """
    groups = _groups(names)
    for depth in (0, 1):
        places = [split_of(group[depth]) if len(group) > depth else None for group in groups]
        if {"train"} < {place for place in places if place}:
            return _by_folder(groups, places, depth, validation, what)
    train, test = holdout(len(groups), what)
    return Arrangement(train, test, _classes(groups))


def classes_of(names: list[str]) -> list[str] | None:
    """The class of each file across splits, or None."""
    groups = _groups(names)
    return _classes([tuple(f for f in group if split_of(f) is None) for group in groups])


def _by_folder(
    groups: list[tuple[str, ...]],
    places: list[str | None],
    depth: int,
    validation: str,
    what: str,
) -> Arrangement:
    parts = {
        name: np.array([i for i, place in enumerate(places) if place == name], dtype=np.int64)
        for name in ("train", "validation", "test")
    }
    parts = {name: rows for name, rows in parts.items() if len(rows)}
    parts, notes = place_validation(
        parts, validation, lambda first, second: np.sort(np.concatenate([first, second]))
    )
    outside = sum(place is None for place in places)
    if outside:
        notes.append(f"Skipped files of {what} outside the folders of splits ({outside}).")
    rest = [group[:depth] + group[depth + 1 :] for group in groups]
    inside = [i for i, place in enumerate(places) if place is not None]
    classes = _classes([rest[i] for i in inside])
    if classes is not None:
        named = dict(zip(inside, classes, strict=True))
        classes = [named.get(i, "") for i in range(len(groups))]
    return Arrangement(parts["train"], parts["test"], classes, tuple(notes))


def _groups(names: list[str]) -> list[tuple[str, ...]]:
    """The folders of each file, without those common to all."""
    parents = [PurePosixPath(name).parent for name in names]
    shared = len(PurePosixPath(os.path.commonpath(parents)).parts)
    return [parent.parts[shared:] for parent in parents]


def _classes(groups: list[tuple[str, ...]]) -> list[str] | None:
    return [group[0] for group in groups] if all(groups) else None


def number(classes: list[str]) -> tuple[tuple[str, ...], Rows]:
    """Classes as numbers, in the order of their names, or of their values for numeric names.

    Returns:
        The names, and the number of each file's class.

    Example:
        >>> number(["10", "9", "10"])
        (('9', '10'), array([1, 0, 1]))
    """
    names = sorted(set(classes))
    if all(name.isdecimal() for name in names):
        names.sort(key=int)
    place = {name: i for i, name in enumerate(names)}
    return tuple(names), np.array([place[name] for name in classes], dtype=np.int64)
