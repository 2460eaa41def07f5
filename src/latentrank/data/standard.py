"""The standard image data sets, read from where torchvision puts them."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from latentrank.data.base import Array, Dataset, Split
from latentrank.errors import InputError

_IDX = ("images-idx3-ubyte", "labels-idx1-ubyte")
_CHUNK = 4096


def load_mnist(root: Path, download: bool = False, image_size: int = 32) -> Dataset:
    """MNIST (LeCun et al., 1998), resized to 32x32 as in the papers.

    Args:
        root: folder that holds `MNIST/raw/` (torchvision's layout) or `mnist/` with the four
            idx files, plain or gzipped.
        download: fetch what is missing with torchvision.
        image_size: height and width of the images.

    Returns:
        uint8 images `(N, 1, image_size, image_size)` with their digits as labels.

    Raises:
        InputError: when a file is missing, cut short, or not an idx file.
    """
    from torchvision import datasets

    folders = [root / "MNIST" / "raw", root / "mnist"]
    return _load_idx("mnist", folders, root, datasets.MNIST if download else None, image_size)


def load_fashion_mnist(root: Path, download: bool = False, image_size: int = 32) -> Dataset:
    """Fashion-MNIST (Xiao et al., 2017), resized to 32x32.

    Args:
        root: folder that holds `FashionMNIST/raw/` (torchvision's layout) or `fashion-mnist/`
            with the four idx files, plain or gzipped.
        download: fetch what is missing with torchvision.
        image_size: height and width of the images.

    Returns:
        uint8 images `(N, 1, image_size, image_size)` with their classes as labels.

    Raises:
        InputError: when a file is missing, cut short, or not an idx file.
    """
    from torchvision import datasets

    folders = [root / "FashionMNIST" / "raw", root / "fashion-mnist"]
    fetch = datasets.FashionMNIST if download else None
    return _load_idx("fashion-mnist", folders, root, fetch, image_size)


def _load_idx(name, folders, root, fetch, image_size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    folder = _folder_with_idx(folders)
    if folder is None and fetch is not None:
        fetch(root, download=True)
        folder = _folder_with_idx(folders)
    if folder is None:
        raise _missing(name, "the four idx files train-images-idx3-ubyte, ...", folders)
    train, test = (
        Split(
            resize(read_idx(_idx(folder, part, _IDX[0]))[:, None], image_size),
            read_idx(_idx(folder, part, _IDX[1])).astype(np.int64),
        )
        for part in ("train", "t10k")
    )
    return Dataset(name, train, test, latent_dim=128, net="mnist")


def _idx(folder: Path, part: str, kind: str) -> Path:
    plain = folder / f"{part}-{kind}"
    return plain if plain.exists() else plain.with_name(plain.name + ".gz")


def _folder_with_idx(folders: list[Path]) -> Path | None:
    for folder in folders:
        if all(_idx(folder, part, kind).exists() for part in ("train", "t10k") for kind in _IDX):
            return folder
    return None


def _missing(name: str, what: str, places: list[Path]) -> InputError:
    looked = " and ".join(str(place) for place in places)
    return InputError(
        f"No {name} data: looked for {what} in {looked}; put them there, say where they are "
        "with --data-root, or fetch them with --download."
    )


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes, plain or gzipped.

    Args:
        path: the file; a name that ends in `.gz` is decompressed.

    Returns:
        uint8, of the shape that the header names.

    Raises:
        InputError: when the file is not an idx file of bytes or is cut short.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is damaged ({error}); delete it and fetch it again.") from error
    dimensions = content[3] if content[:3] == b"\x00\x00\x08" and len(content) > 3 else 0
    start = 4 + 4 * dimensions
    if dimensions == 0 or len(content) < start:
        raise InputError(f"{path} is not an idx file of bytes; delete it and fetch it again.")
    shape = tuple(int(n) for n in np.frombuffer(content, ">i4", dimensions, 4))
    if len(content) - start != math.prod(shape):
        raise InputError(
            f"{path} holds {len(content) - start} values where its header names "
            f"{math.prod(shape)}; delete it and fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def resize(images: Array, size: int) -> NDArray[np.uint8]:
    """Square images of another size, by antialiased bilinear interpolation.

    Args:
        images: `(N, C, H, W)` uint8.
        size: the new height and width.

    Returns:
        `(N, C, size, size)` uint8; the images themselves when they have that size already.

    Example:
        >>> resize(np.full((2, 1, 28, 28), 7, dtype=np.uint8), 32)[0, 0, 31, :3].tolist()
        [7, 7, 7]
    """
    if images.shape[2:] == (size, size):
        return images
    out = np.empty((*images.shape[:2], size, size), dtype=np.uint8)
    for start in range(0, len(images), _CHUNK):
        part = torch.from_numpy(images[start : start + _CHUNK].astype(np.float32))
        part = torch.nn.functional.interpolate(
            part, (size, size), mode="bilinear", antialias=True, align_corners=False
        )
        out[start : start + _CHUNK] = part.round().clamp(0, 255).to(torch.uint8).numpy()
    return out
