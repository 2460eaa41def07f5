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

from latentrank.data import cache, folders, pages, readers, webdataset
from latentrank.data.arrays import Contents, Meaning
from latentrank.data.folders import Source, arrange
from latentrank.data.pages import SUFFIXES
from latentrank.data.readers import huggingface
from latentrank.data.views import Array
from latentrank.errors import InputError
from latentrank.io import expanded
from latentrank.terminal import standard_error

_BLOCK = 256
# What to do about images of different sizes
_RESIZE = "resize them, as with image_size=64"
_AS_TRAINED = "give images of the size that the model was trained on"
_T = TypeVar("_T")


def read(
    path: Path,
    source: Source,
    meaning: Meaning,
    image_size: int | None = None,
    progress: bool = True,
    wanted: tuple[int, str] | None = None,
) -> Contents:
    """A folder, zip or WebDataset of images, at any depth.

    Splits and classes follow from folder names, see `latentrank.data.folders.arrange`. If all
    images are grey they have one channel, otherwise three. Their orientation tag is applied,
    transparent images are placed on white, and only the first page of a file is read.

    Args:
        path: the folder, `.zip` or `.tar` file, or a single image.
        source: the images there, see `find`.
        meaning: the split that a folder of validation images joins, and whether a trained model is
            given the images.
        image_size: crop the central square of every image and resize it to this height and width;
            without it the images must have the same size.
        progress: show a progress bar while decoding.
        wanted: channels and dtype of the images that a model was trained on, see `decode`.

    Returns:
        Images `(N, C, H, W)`, memory-mapped from the cache: uint8, or uint16, int32 or float32
        if files have that bit depth.

    Raises:
        InputError: when there is no image, or one to train on, one cannot be read, their sizes
            differ and no `image_size` is given, or the cache cannot be written.
    """
    if not source.names:
        raise InputError(
            f"{path} holds no images; expected files ending in {', '.join(sorted(SUFFIXES))}."
        )
    found = arrange(source.names, str(path), meaning, source.labels)
    x, notes = decode(source, found.order, image_size, progress=progress, wanted=wanted)
    parts = found.parts(str(path), source.names, x)
    return Contents(parts, notes=(*source.notes, *found.notes, *notes), layout="NCHW")


def find(path: str | Path) -> Source | None:
    """The images at a path; None if there are other data, or none.

    Args:
        path: a folder, searched recursively, a zip, a tar or a folder of them, or an image.

    Raises:
        InputError: the zip or a tar is damaged.
    """
    path = expanded(path)
    if readers.find(path) is not None or huggingface.is_saved(path):
        return None
    if path.is_file():
        if path.suffix.lower() == ".tar":
            return webdataset.find(path, SUFFIXES)
        known = path.suffix.lower() in {".zip", *SUFFIXES}
        return folders.find(path, SUFFIXES) if known else None
    if not path.is_dir():
        return None
    source = folders.find(path, SUFFIXES)
    if source.names:
        return source
    if folders.find(path, readers.suffixes(in_folders=True)).names or not webdataset.shards(path):
        return None
    return webdataset.find(path, SUFFIXES)


def decode(
    source: Source,
    order: NDArray[np.int64],
    image_size: int | None = None,
    crop: float = 1.0,
    progress: bool = True,
    wanted: tuple[int, str] | None = None,
) -> tuple[Array, list[str]]:
    """The images as one array, decoded once and memory-mapped from the cache afterwards.

    Args:
        source: the images.
        order: `(N,)` indices into `source.names`.
        image_size: height and width to resize the central square to, or None for no change.
        crop: with `image_size`, the side of that square over the image's shorter side.
        progress: show a progress bar.
        wanted: channels and dtype of the images that a model was trained on: for 3 channels grey
            images are converted, and for 16 bits those of 8 bits.

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
        remedy = _RESIZE if wanted is None else _AS_TRAINED
        (channels, height, width), dtype = pages.common(names, heads, image_size, remedy)
        if wanted is not None:
            channels = 3 if wanted[0] == 3 else channels
            dtype = "uint16" if (dtype, wanted[1]) == ("uint8", "uint16") else dtype
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
