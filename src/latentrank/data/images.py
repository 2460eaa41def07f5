"""Folders and zips of images, decoded once into an array."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray
from PIL import Image
from rich.progress import track

from latentrank.data import cache, folders, pages, webdataset
from latentrank.data.arrays import number
from latentrank.data.base import Dataset, Split
from latentrank.data.folders import Source, arrange, classes_of
from latentrank.data.pages import SUFFIXES
from latentrank.data.views import Array
from latentrank.errors import InputError
from latentrank.preprocessing import Preprocessing
from latentrank.terminal import standard_error

_BLOCK = 256
_RESIZE = "resize them, as with image_size=64"
_T = TypeVar("_T")


def load(
    path: Path,
    image_size: int | None = None,
    progress: bool = True,
    validation: str = "train",
) -> Dataset:
    """A folder, zip or WebDataset of images, at any depth, as a data set.

    Splits and classes follow from folder names, see `latentrank.data.folders.arrange`. If all
    images are grey they have one channel, otherwise three. Their orientation tag is applied,
    transparent images are placed on white, and only the first page of a file is read.

    Args:
        path: the folder, `.zip` or `.tar` file.
        image_size: crop the central square of every image and resize it to this height and width;
            without it the images must have the same size.
        progress: show a progress bar while decoding.
        validation: the split that a folder of validation images joins, or `"none"`.

    Returns:
        Images `(N, C, H, W)`, memory-mapped from the cache: uint8, or uint16, int32 or float32
        if files have that bit depth.

    Raises:
        InputError: when there are fewer than two images, one cannot be read, their sizes differ
            and no `image_size` is given, or the cache cannot be written.
    """
    source = find(path)
    found = arrange(source.names, str(path), validation)
    order = np.concatenate([found.train, found.test])
    x, notes = decode(source, order, image_size, progress=progress)
    classes = source.labels or found.classes
    class_names, labels = (None, None) if classes is None else number(classes)
    split = Split(
        x,
        None if labels is None else labels[order],
        rows=order,
        names=np.array([source.names[i] for i in order]),
    )
    cut = len(found.train)
    return Dataset(
        str(path),
        split.take(slice(cut)),
        split.take(slice(cut, len(order))),
        class_names=class_names,
        notes=(*source.notes, *found.notes, *notes),
    )


def load_all(
    path: Path, image_size: int | None, progress: bool, like: Preprocessing, channels: int
) -> tuple[Split, tuple[str, ...] | None]:
    """All images in a folder or zip in the order of their names, and the names of classes.

    Args:
        path: the folder or `.zip` file, or a single image.
        image_size: as in `load`.
        progress: show a progress bar while decoding.
        like: preprocessing of a model that takes them: for one of 16-bit images, 8-bit ones are
            converted.
        channels: of the images that it was trained on: for 3, grey images are converted.

    Raises:
        InputError: as in `load`.
    """
    source = find(path)
    order = np.arange(len(source.names))
    wanted = (channels if channels == 3 else None, like.dtype)
    remedy = "give images of the size that the model was trained on"
    x, _ = decode(source, order, image_size, 1.0, progress, wanted, remedy)
    classes = source.labels or classes_of(source.names)
    class_names, labels = (None, None) if classes is None else number(classes)
    return Split(x, labels, rows=order, names=np.array(source.names)), class_names


def find(path: Path) -> Source:
    """The images in a folder, zip or tar; hidden files and other types are skipped.

    Args:
        path: the folder, searched recursively, the zip, a tar or a folder of them, or an image.

    Returns:
        Their names and a way to open them.

    Raises:
        InputError: when there is no image, or the zip is damaged.
    """
    source = None if path.is_file() and webdataset.shards(path) else folders.find(path, SUFFIXES)
    if source is None or (not source.names and webdataset.shards(path)):
        source = webdataset.find(path, SUFFIXES)
    if not source.names:
        raise InputError(
            f"{path} holds no images; expected files ending in {', '.join(sorted(SUFFIXES))}."
        )
    return source


def decode(
    source: Source,
    order: NDArray[np.int64],
    image_size: int | None = None,
    crop: float = 1.0,
    progress: bool = True,
    wanted: tuple[int | None, str | None] = (None, None),
    remedy: str = _RESIZE,
) -> tuple[Array, list[str]]:
    """The images as one array, decoded once and memory-mapped from the cache afterwards.

    Args:
        source: the images.
        order: `(N,)` indices into `source.names`.
        image_size: height and width to resize the central square to, or None for no change.
        crop: with `image_size`, the side of that square over the image's shorter side.
        progress: show a progress bar.
        wanted: channels and dtype that a model needs, where it needs certain ones.
        remedy: what to do about different sizes.

    Returns:
        `(N, C, H, W)`, uint8 unless files have a higher bit depth; and notes for the user.

    Raises:
        InputError: when an image cannot be read, sizes differ without `image_size`, or the
            cache cannot be written.
    """
    names = [source.names[i] for i in order]
    key = (str(source.path.resolve()), source.stamp, names, image_size, crop, wanted, "v4")

    def build() -> tuple[tuple[int, ...], DTypeLike, Iterator[Array]]:
        heads = list(_readable(pages.head, source, names, "Checking images", progress))
        dtype = pages.common_dtype(names, heads)
        if (dtype, wanted[1]) == ("uint8", "uint16"):
            dtype = "uint16"
        channels = wanted[0] or (1 if all(head.grey for head in heads) else 3)
        width, height = heads[0].size if image_size is None else (image_size, image_size)
        if image_size is None:
            pages.check_sizes(names, heads, remedy)
        cache.note(key, pages.notes(heads))

        def pixels(image: Image.Image) -> Array:
            return pages.pixels(image, channels, dtype, image_size, crop)

        decoded = _readable(pixels, source, names, "Decoding images", progress)
        return (len(names), channels, height, width), dtype, decoded

    return cache.cached(key, build), cache.noted(key)


def _readable(
    function: Callable[[Image.Image], _T],
    source: Source,
    names: Sequence[str],
    title: str,
    progress: bool,
) -> Iterator[_T]:
    """`function` of every image in order; those that cannot be read are all named in one error."""
    damaged = []

    def attempt(use: Callable[[Image.Image], Any], name: str) -> Any:
        try:
            with source.open(name) as file, Image.open(file) as image:
                return use(image)
        except Exception:  # decoders raise various errors
            damaged.append(name)
            return None

    each = _map(partial(attempt, function), names, title, progress)
    yield from (found for found in each if found is not None)
    if damaged and function is pages.head:  # images may also be cut after a sound head
        sound = sorted(set(names) - set(damaged))
        for _ in _map(partial(attempt, methodcaller("load")), sound, title, progress):
            pass
    if damaged:
        raise pages.unreadable(source.path, sorted(damaged))


def _map(
    function: Callable[[str], _T], names: Sequence[str], title: str, progress: bool
) -> Iterator[_T]:
    """`function` of every name in order, on all cores, with a progress bar."""
    console = standard_error()
    starts = range(0, len(names), _BLOCK)
    with ThreadPoolExecutor() as pool:
        # block by block, since a pool's map would outpace a slow disk and fill the memory
        for start in track(starts, title, console=console, disable=not progress, transient=True):
            yield from pool.map(function, names[start : start + _BLOCK])
