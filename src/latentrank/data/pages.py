"""Decoding one image file: orientation applied, made opaque, at full bit depth."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageSequence

from latentrank.data.arrays import Contents, Meaning, Part
from latentrank.data.plain import GROUND, opaque
from latentrank.data.views import Array
from latentrank.errors import InputError
from latentrank.formatting import first_of

SUFFIXES = frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .jp2 .j2k .bmp .dib .gif .tif .tiff .webp .avif .ppm .pgm "  # noqa: SIM905
    ".pbm .pnm .pfm .mpo .tga .pcx .sgi .ico .xbm .xpm .dds .qoi .im .ras".split()
)
_ORIENTATION = 0x0112
# Colours of 16 bits, or with a maximum above 255, of which Pillow keeps 8 bits
_MORE_THAN_8_BITS = re.compile(r"'(RGB|RGBA|RGBX|LA|CMYK);16|'RGB', (?!255\))\d{3,}\)")
_SIDEWAYS = (5, 6, 7, 8)
_NAMED = 5  # maximum number of damaged files to name


@dataclass(frozen=True)
class Head:
    """Properties of an image, read without decoding it.

    Args:
        size: width and height after orientation.
        grey: whether it has one channel.
        dtype: `"uint8"`, `"uint16"`, `"int32"` or `"float32"`.
        transparent: whether it may have transparent parts.
        pages: number of pages or frames.
        cut: whether colours of more than 8 bits are read as 8-bit.
    """

    size: tuple[int, int]
    grey: bool
    dtype: str
    transparent: bool
    pages: int
    cut: bool


def head(image: Image.Image) -> Head:
    """Properties of an opened image, read without decoding it."""
    width, height = image.size
    stored = repr(getattr(image, "tile", ""))  # reading the orientation may empty it
    sideways = image.getexif().get(_ORIENTATION) in _SIDEWAYS
    return Head(
        (height, width) if sideways else (width, height),
        _is_grey(image) or "'LA;16" in stored,
        _dtype(image),
        image.has_transparency_data,
        getattr(image, "n_frames", 1),
        _MORE_THAN_8_BITS.search(stored) is not None,
    )


def unreadable(folder: Path, names: Sequence[str]) -> InputError:
    """The error for image files that cannot be read, in the order given."""
    listed = first_of([folder / name for name in names], _NAMED)
    what = listed if len(names) == 1 else f"{len(names)} files ({listed})"
    return InputError(
        f"{what} cannot be read as images: damaged or truncated, or in a format that Pillow does "
        "not support; replace or remove them."
    )


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "P":
        palette = np.array(image.getpalette("RGB")).reshape(-1, 3)
        return bool((palette == palette[:, :1]).all())
    return image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16")


def _dtype(image: Image.Image) -> str:
    if image.mode == "F":
        return "float32"
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return "uint16"
    return "int32" if image.mode == "I" else "uint8"


def common(
    names: Sequence[str],
    heads: Sequence[Head],
    image_size: int | None = None,
    remedy: str = "give images of one size",
) -> tuple[tuple[int, int, int], str]:
    """The shape `(C, H, W)` and the dtype of images in one array.

    They have one channel if all are grey, otherwise three; 8-bit and 16-bit images can be mixed.

    Args:
        names: of the images, for messages.
        heads: their properties.
        image_size: height and width that they will be resized to, or None.
        remedy: what to do about different sizes.

    Raises:
        InputError: they differ in size and are not resized, or only some have 32-bit integers or
            floats.
    """
    dtype = _common_dtype(names, heads)
    channels = 1 if all(head.grey for head in heads) else 3
    if image_size is not None:
        return (channels, image_size, image_size), dtype
    width, height = heads[0].size
    for name, head in zip(names, heads, strict=True):
        if head.size != (width, height):
            raise InputError(
                f"Images differ in size: {names[0]} is {width}x{height} and {name} is "
                f"{head.size[0]}x{head.size[1]}; {remedy}."
            )
    return (channels, height, width), dtype


def _common_dtype(names: Sequence[str], heads: Sequence[Head]) -> str:
    found = {head.dtype: name for name, head in zip(names, heads, strict=True)}
    if len(found) == 1 or found.keys() == {"uint8", "uint16"}:
        return max(found, key=len)
    (one, first), (other, second) = list(found.items())[:2]
    raise InputError(
        f"Images differ in the type of their values: {first} has {one} and {second} has {other}; "
        "convert them to one type."
    )


def notes(heads: Sequence[Head]) -> list[str]:
    """Notes for the user on how images were read."""
    transparent = sum(head.transparent for head in heads)
    pages = sum(head.pages > 1 for head in heads)
    cut = sum(head.cut for head in heads)
    said = [
        (transparent, f"Images with transparency, placed on {GROUND}: {transparent}."),
        (pages, f"Images with several pages or frames, of which only the first is read: {pages}."),
        (cut, f"Images with colours of more than 8 bits, of which the upper 8 are read: {cut}."),
    ]
    return [sentence for count, sentence in said if count]


def pixels(
    image: Image.Image,
    channels: int,
    dtype: str,
    image_size: int | None = None,
    crop: float = 1.0,
) -> Array:
    """An opened image as an array, `(1, C, H, W)`.

    Args:
        image: the image.
        channels: 1 or 3.
        dtype: dtype of the result.
        image_size: height and width to resize the central square to, or None.
        crop: side of that square over the shorter side.
    """
    bands = _bands(ImageOps.exif_transpose(image), channels, dtype)
    if image_size is not None:
        bands = [_resized(band, image_size, crop) for band in bands]
    return np.stack([_values(band, dtype) for band in bands])[None]


def _bands(image: Image.Image, channels: int, dtype: str) -> list[Image.Image]:
    """The channels as images of one band each."""
    if _dtype(image) != "uint8":
        # Pillow resizes 32-bit integers and floats, but truncates 16-bit integers
        exact = np.int32 if dtype == "int32" else np.float32
        return [Image.fromarray(np.asarray(image).astype(exact))] * channels
    bands = list(opaque(image).convert("L" if channels == 1 else "RGB").split())
    # 255 in 8 bits corresponds to 65535 in 16
    return bands if dtype == "uint8" else [band.point(lambda v: v * 257.0, "F") for band in bands]


def _values(band: Image.Image, dtype: str) -> NDArray[Any]:
    values = np.asarray(band)
    if values.dtype == dtype:
        return values
    limits = np.iinfo(dtype)
    rounded: NDArray[Any] = np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
    return rounded


def _resized(image: Image.Image, size: int, crop: float) -> Image.Image:
    side = round(min(image.size) * crop)
    left, top = ((length - side) // 2 for length in image.size)
    square = image.crop((left, top, left + side, top + side))
    return square.resize((size, size), Image.Resampling.BILINEAR)


def read(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """The pages or frames of one file, each a sample."""
    try:
        with Image.open(path) as image:
            heads, frames = [], []
            for frame in ImageSequence.Iterator(image):
                heads.append(replace(head(frame), pages=1))  # a copy does not say how it was stored
                frames.append(frame.copy())
    except Exception as error:  # decoders raise various errors
        raise unreadable(path.parent, [path.name]) from error
    names = [f"{path.name} page {i + 1}" for i in range(len(heads))]
    (channels, _, _), dtype = common(names, heads)
    x = np.concatenate([pixels(frame, channels, dtype) for frame in frames])
    return Contents([Part(str(path), x)], notes=tuple(notes(heads)), layout="NCHW")
