"""Image conversions for feature networks."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentrank.errors import InputError
from latentrank.preprocessing import Preprocessing

Images = NDArray[Any]

#: Images in one forward pass on a GPU.
_ON_GPU = 256


def batch_size(device: str, pixels: int) -> int:
    """The number of images in one forward pass.

    On a CPU, large batches of large images take more time per image (`benchmarks/inference.py`).

    Args:
        device: where the network is, as torch names it.
        pixels: in one image, as the network takes it.

    Example:
        >>> batch_size("cuda", 224 * 224), batch_size("cpu", 224 * 224), batch_size("cpu", 32 * 32)
        (256, 8, 64)
    """
    if device != "cpu":
        return _ON_GPU
    return 8 if pixels > 128 * 128 else 64


def to_uint8(images: Images) -> NDArray[np.uint8]:
    """Images as 8-bit colours; floats in [0, 1] are clipped and rounded to the nearest.

    Args:
        images: any shape, uint8 or floats.

    Returns:
        uint8 of the same shape.

    Raises:
        InputError: they are other integers.

    Example:
        >>> to_uint8(np.array([-0.2, 0.5, 1.0], dtype=np.float32)).tolist()
        [0, 128, 255]
    """
    check_colours(images)
    if images.dtype == np.uint8:
        return np.asarray(images, dtype=np.uint8)
    colours: NDArray[np.uint8] = np.rint(np.clip(images, 0.0, 1.0) * 255).astype(np.uint8)
    return colours


def check_colours(images: Images) -> None:
    """Refuse integers that are no bytes: they have no known range, and would be clipped to 1.

    Raises:
        InputError: names their type.
    """
    if images.dtype != np.uint8 and images.dtype.kind in "iu":
        raise InputError(
            f"The images have dtype {images.dtype}, expected uint8, or real numbers from 0 to 1; "
            "convert them."
        )


def as_images(x: Images, preprocessing: Preprocessing) -> Images:
    """Samples of a data set as colours: 8-bit images unchanged, others as floats in [0, 1].

    Args:
        x: `(N, C, H, W)` in the units of the data.
        preprocessing: of the data, bounded.

    Returns:
        The same array, or float32 in [0, 1].

    Example:
        >>> as_images(np.array([0, 1], dtype=np.uint8), Preprocessing(0.0, 1.0, 0.0, 1.0)).tolist()
        [0.0, 1.0]
    """
    if x.dtype == np.uint8 and (preprocessing.offset, preprocessing.scale) == (0.0, 255.0):
        return x
    return np.asarray(preprocessing.normalise(x).numpy())


def to_rgb(images: Images) -> torch.Tensor:
    """Grey or colour images as `(N, 3, H, W)` uint8, grey repeated.

    Args:
        images: `(N, 1, H, W)` or `(N, 3, H, W)`, as for `to_uint8`.

    Raises:
        InputError: another shape.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise InputError(
            f"Images of shape {tuple(images.shape)} were given, expected (N, 1, H, W) or "
            "(N, 3, H, W); features of photographs exist for grey and colour images only."
        )
    pixels = torch.from_numpy(np.ascontiguousarray(to_uint8(images)))
    return pixels.expand(-1, 3, -1, -1)


def weights_digest(path: Path) -> str:
    """A hash of a weights file, 24 hexadecimal digits; computed again only if the file changes."""
    return _digest(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: Path, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=12)).hexdigest()


def from_home(path: Path) -> str:
    """A path with `~` for the home folder, so that it can be published."""
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)
