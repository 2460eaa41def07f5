"""Shards of the WebDataset format: tar files with an image and its label under a common key."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Collection, Mapping
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from latentrank.data import folders
from latentrank.data.arrays import text_of
from latentrank.data.folders import Source, passed_over, sort_out, stamp_of
from latentrank.data.splits import split_in
from latentrank.errors import InputError
from latentrank.formatting import first_of

_LABELS = ("label", "labels", "class", "class_name", "target")
_NAMED = 5  # maximum number of names to list


class _Member(NamedTuple):
    """The place of a file in a tar."""

    shard: Path
    offset: int
    size: int

    def read(self) -> bytes:
        with self.shard.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


def shards(path: Path) -> list[Path]:
    """The tar files at a path: it is one, or a folder with some at any depth; or else none."""
    if path.is_dir():
        return [path / name for name in folders.find(path, {".tar"}).names]
    return [path] if path.suffix.lower() == ".tar" and path.is_file() else []


def find(path: Path, suffixes: Collection[str]) -> Source:
    """The images in tar files, with labels from `KEY.cls` or `KEY.json` for `KEY.png`.

    Of several shards those named after splits, such as `train-0001.tar` or `train/0001.tar`, form
    these. In JSON, a label is called `label`, `class` or the like.

    Args:
        path: a tar file, or a folder with some at any depth.
        suffixes: accepted suffixes of images, in lower case.

    Raises:
        InputError: a tar is damaged, or only some images have a label.
    """
    found = shards(path)
    members: dict[str, _Member] = {}
    cut = []
    for shard in found:
        inside, whole = _members(shard, None if len(found) == 1 else path)
        members |= inside
        cut += [] if whole else [shard.name]
    names, other = sort_out(sorted(members), suffixes)
    labels, unread = _labels(path, names, other, members)
    return Source(
        path if path.is_dir() else path.parent,
        names,
        [(shard.name, stamp_of(shard)) for shard in found],
        lambda name: io.BytesIO(members[name].read()),
        (*passed_over("files of other types", unread), *_doubts(names, cut)),
        labels,
    )


def _doubts(names: list[str], cut: list[str]) -> tuple[str, ...]:
    """Notes on what may be read other than meant."""
    kinds: dict[str, set[str]] = {}  # of files, by what follows the key
    for name in names:
        kinds.setdefault(name.removeprefix(_key(name)), set()).add(_key(name))
    shared = [kind for kind, keys in kinds.items() if len(keys) > 1]
    said = []
    if any(kinds[one] & kinds[other] for one, other in combinations(shared, 2)):
        listed = first_of(sorted(shared), _NAMED)
        said.append(f"Each image is read as a sample, although some share a key: {listed}.")
    if cut:
        said.append(
            f"Tar files without the mark at their end ({len(cut)}), which may lack samples: "
            f"{first_of(cut, _NAMED)}."
        )
    return tuple(said)


def _members(shard: Path, folder: Path | None) -> tuple[dict[str, _Member], bool]:
    """The files in a shard, by a name that is unique in the folder and begins with the split.

    Also whether the tar has its end.
    """
    try:
        with tarfile.open(shard, "r:") as archive:
            files = [member for member in archive if member.isfile()]
            whole = archive.offset < shard.stat().st_size  # two empty blocks
    except (tarfile.TarError, OSError) as error:
        raise InputError(
            f"{shard} is not a complete tar file without compression ({error}); copy or download "
            "it again."
        ) from error
    found = {}
    for member in files:
        name = PurePosixPath(member.name)
        if folder is not None:
            place = PurePosixPath(shard.relative_to(folder).with_suffix(""))
            split = split_in(place.name)
            name = name.with_name(f"{'-'.join(place.parts)}-{name.name}")
            name = (place.parent if split is None else PurePosixPath(split)) / name
        found[str(name)] = _Member(shard, member.offset_data, member.size)
    return found, whole


def _labels(
    path: Path, names: list[str], other: list[str], members: Mapping[str, _Member]
) -> tuple[list[str] | None, list[str]]:
    """The label of each image or None, and the other files without a label in them."""
    known: dict[str, str] = {}
    for name in other:
        if name.lower().endswith((".cls", ".json")):
            label = _label(path, name, members[name].read())
            if label:
                known.setdefault(_key(name), label)
    labels = [known.get(_key(name), "") for name in names]
    missing = [name for name, label in zip(names, labels, strict=True) if not label]
    if known and missing:
        raise InputError(
            f"{path} has no label for {len(missing)} of {len(names)} images, the first of which "
            f"is {missing[0]}; give labels for all, or for none."
        )
    unread = [name for name in other if _key(name) not in known]
    return (labels if known else None), unread


def _key(name: str) -> str:
    """The part of a name that the files of a sample share, up to the first dot after folders."""
    place = PurePosixPath(name)
    return str(place.with_name(place.name.partition(".")[0]))


def _label(path: Path, name: str, content: bytes) -> str:
    text = content.decode("utf-8", "replace")
    if name.lower().endswith(".cls"):
        return text.strip()
    try:
        values = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path} holds {name}, which is not JSON; write it again.") from error
    if not isinstance(values, dict):
        return ""
    return text_of(next((values[key] for key in _LABELS if key in values), None))
