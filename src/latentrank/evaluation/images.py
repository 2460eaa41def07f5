"""Images as every feature network takes them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentrank.errors import InputError

Images = NDArray[Any]


def to_uint8(images: Images) -> NDArray[np.uint8]:
    """Images as 8-bit colours; floats in [0, 1] are clipped and rounded to the nearest.

    Args:
        images: any shape, uint8 or floats.

    Returns:
        uint8 of the same shape.

    Example:
        >>> to_uint8(np.array([-0.2, 0.5, 1.0], dtype=np.float32)).tolist()
        [0, 128, 255]
    """
    if images.dtype == np.uint8:
        return np.asarray(images, dtype=np.uint8)
    colours: NDArray[np.uint8] = np.rint(np.clip(images, 0.0, 1.0) * 255).astype(np.uint8)
    return colours


def to_rgb(images: Images) -> torch.Tensor:
    """Grey or colour images as `(N, 3, H, W)` uint8, grey repeated.

    Args:
        images: `(N, 1, H, W)` or `(N, 3, H, W)`, as `to_uint8` takes them.

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
    """What identifies a file of weights: 24 hexadecimal digits of its content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=12)).hexdigest()


def from_home(path: Path) -> str:
    """A path as one may publish it: without the name of whose home it lies in."""
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)
