"""Folders and zips of images, decoded once into an array."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track

from latentrank.data import cache
from latentrank.data.arrays import UNSAID, Meaning
from latentrank.data.base import Array, Dataset, Split, holdout
from latentrank.data.units import BYTES
from latentrank.errors import InputError

SUFFIXES = frozenset(
    ".png .jpg .jpeg .bmp .gif .tif .tiff .webp .ppm .pgm".split()  # noqa: SIM905 - one line
)
_BLOCK = 256
_T = TypeVar("_T")


@dataclass(frozen=True)
class Source:
    """Image files that lie together, in a folder or in a zip.

    Args:
        path: the folder or the zip.
        names: the images' paths inside it, sorted, with forward slashes.
        stamp: changes when any file does.
        open: a name to its content.
    """

    path: Path
    names: list[str]
    stamp: object
    open: Callable[[str], BinaryIO]


def load(
    path: Path,
    image_size: int | None = None,
    progress: bool = True,
    meaning: Meaning = UNSAID,
) -> Dataset:
    """A folder or a zip of images, at any depth, as a data set.

    Sub-folders `train` and `test` are the two splits; without them a fifth of the images, drawn
    with a fixed seed, is held out for testing. Below that, one sub-folder per class gives labels,
    numbered in the alphabetical order of the names. Images that are all grey have one channel,
    otherwise three; transparency is dropped, 16-bit grey is brought to 8 bits.

    Args:
        path: the folder or `.zip` file.
        image_size: crop the middle square of every image and resize it to this height and
            width; without it the images must agree in size.
        progress: show a progress bar while decoding.
        meaning: what their owner says of them.

    Returns:
        uint8 images `(N, C, H, W)`, memory-mapped from the cache.

    Raises:
        InputError: when there are fewer than two images, one cannot be read, their sizes differ
            and no `image_size` is given, or the cache cannot be written.
    """
    source = find(path)
    groups = _groups(source.names)
    parts = {group[0] for group in groups if group}
    if parts == {"train", "test"} and all(groups):
        train, test = (
            np.array([i for i, group in enumerate(groups) if group[0] == part])
            for part in ("train", "test")
        )
        groups = [group[1:] for group in groups]
    else:
        train, test = holdout(len(groups), str(path))
    order = np.concatenate([train, test])
    x = decode(source, order, image_size, progress=progress)
    labels = _labels(groups)
    split = Split(x, None if labels is None else labels[order], rows=order)
    return Dataset(
        str(path),
        split.take(slice(len(train))),
        split.take(slice(len(train), len(order))),
        BYTES,
    )


def find(path: Path) -> Source:
    """The images in a folder or zip; hidden files and those of other kinds are passed over.

    Args:
        path: the folder, searched at every depth, or the zip.

    Returns:
        Their names and a way to open them.

    Raises:
        InputError: when there is no image, or the zip is damaged.
    """
    source = _folder(path) if path.is_dir() else _zip(path)
    if not source.names:
        raise InputError(
            f"{path} holds no images; expected files that end in {', '.join(sorted(SUFFIXES))}."
        )
    return source


def decode(
    source: Source,
    order: NDArray[np.int64],
    image_size: int | None = None,
    crop: float = 1.0,
    progress: bool = True,
) -> Array:
    """The images as one array, decoded once and memory-mapped from the cache afterwards.

    Args:
        source: the images.
        order: `(N,)` which of them, by position in `source.names`.
        image_size: the height and width to resize the middle square to, or None to leave the
            images as they are.
        crop: with `image_size`, the side of that square over the image's shorter side.
        progress: show a progress bar.

    Returns:
        `(N, C, H, W)` uint8.

    Raises:
        InputError: when an image cannot be read, sizes differ without `image_size`, or the
            cache cannot be written.
    """
    names = [source.names[i] for i in order]

    def build() -> tuple[tuple[int, ...], type[np.uint8], Iterator[Array]]:
        heads = list(_map(lambda name: _head(source, name), names, "Looking at images", progress))
        channels = 1 if all(grey for _, grey in heads) else 3
        width, height = heads[0][0] if image_size is None else (image_size, image_size)
        if image_size is None:
            _check_sizes(names, [size for size, _ in heads])
        pixels = _map(
            lambda name: _pixels(source, name, channels, image_size, crop),
            names,
            "Decoding images",
            progress,
        )
        return (len(names), channels, height, width), np.uint8, pixels

    key = (str(source.path.resolve()), source.stamp, names, image_size, crop, "v1")
    return cache.cached(key, build)


def _map(
    function: Callable[[str], _T], names: Sequence[str], title: str, progress: bool
) -> Iterator[_T]:
    """`function` of every name in order, on all cores, with a progress bar."""
    console = Console(stderr=True)
    starts = range(0, len(names), _BLOCK)
    with ThreadPoolExecutor() as pool:
        # block by block, since a pool's map would run ahead of a slow disk and fill the memory
        for start in track(starts, title, console=console, disable=not progress, transient=True):
            yield from pool.map(function, names[start : start + _BLOCK])


def _folder(path: Path) -> Source:
    found = [
        Path(folder, file) for folder, _, files in os.walk(path, followlinks=True) for file in files
    ]
    names = sorted(name for file in found if _is_image(name := file.relative_to(path).as_posix()))
    stats = [(path / name).stat() for name in names]
    stamp = [(stat.st_size, stat.st_mtime_ns) for stat in stats]
    return Source(path, names, stamp, lambda name: (path / name).open("rb"))


def _zip(path: Path) -> Source:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} is not a whole zip file; copy or fetch it again.") from error
    names = sorted(name for name in archive.namelist() if _is_image(name))
    stat = path.stat()

    def open_member(name: str) -> BinaryIO:
        return archive.open(name)  # type: ignore[return-value]

    return Source(path, names, (stat.st_size, stat.st_mtime_ns), open_member)


def _is_image(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden


def _groups(names: list[str]) -> list[tuple[str, ...]]:
    """The folders each image lies in, less those that all of them lie in."""
    parents = [PurePosixPath(name).parent for name in names]
    shared = len(PurePosixPath(os.path.commonpath(parents)).parts)
    return [parent.parts[shared:] for parent in parents]


def _labels(groups: list[tuple[str, ...]]) -> NDArray[np.int64] | None:
    """The number of each image's outermost folder, or None unless all lie in one."""
    if not all(groups):
        return None
    classes = np.unique([group[0] for group in groups], return_inverse=True)
    return classes[1].astype(np.int64)


def _unreadable(source: Source, name: str) -> InputError:
    return InputError(
        f"{source.path / name} cannot be read as an image: it is damaged or cut short; "
        "replace it or take it out."
    )


def _head(source: Source, name: str) -> tuple[tuple[int, int], bool]:
    """Width and height, and whether the image is grey, without decoding it."""
    try:
        with source.open(name) as file, Image.open(file) as image:
            size, mode = image.size, image.mode
    except Exception as error:  # decoders raise of every kind
        raise _unreadable(source, name) from error
    if mode in ("I", "F"):
        raise InputError(
            f"{source.path / name} has 32-bit values, which images here do not; "
            "save such data as one .npy array (N, C, H, W)."
        )
    return size, mode in ("1", "L", "LA", "La") or mode.startswith("I;16")


def _check_sizes(names: list[str], sizes: list[tuple[int, int]]) -> None:
    for name, size in zip(names, sizes, strict=True):
        if size != sizes[0]:
            (width, height), (other_width, other_height) = sizes[0], size
            raise InputError(
                f"Images differ in size: {names[0]} is {width}x{height} and {name} is "
                f"{other_width}x{other_height}; bring them to one with image_size "
                "(--image-size 64, say)."
            )


def _pixels(
    source: Source, name: str, channels: int, image_size: int | None, crop: float
) -> NDArray[np.uint8]:
    """One decoded image, `(1, C, H, W)`."""
    try:
        with source.open(name) as file, Image.open(file) as opened:
            image = _to_8_bits(opened).convert("L" if channels == 1 else "RGB")
    except Exception as error:  # decoders raise of every kind
        raise _unreadable(source, name) from error
    if image_size is not None:
        image = _middle_square(image, crop).resize(
            (image_size, image_size), Image.Resampling.BILINEAR
        )
    pixels = np.asarray(image, dtype=np.uint8)
    return np.moveaxis(pixels.reshape(*pixels.shape[:2], channels), 2, 0)[None]


def _to_8_bits(image: Image.Image) -> Image.Image:
    if not image.mode.startswith("I;16"):
        return image
    # Pillow cuts everything above 255 to white instead of scaling
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _middle_square(image: Image.Image, crop: float) -> Image.Image:
    side = round(min(image.size) * crop)
    left, top = ((length - side) // 2 for length in image.size)
    return image.crop((left, top, left + side, top + side))
