"""The standard image data sets, read from torchvision's folders."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from latentrank.data import folders, images, pages
from latentrank.data.arrays import UNSAID, assemble
from latentrank.data.base import Array, Dataset, Split
from latentrank.data.units import BYTES
from latentrank.errors import InputError

_PARTS = ("train", "t10k")
_KINDS = ("images-idx3-ubyte", "labels-idx1-ubyte")
_CHUNK = 4096
_CIFAR10 = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def load_mnist(root: Path, download: bool = False, image_size: int = 32) -> Dataset:
    """MNIST (LeCun et al., 1998), resized to 32x32 as in the papers.

    Args:
        root: folder that holds `MNIST/raw/` (torchvision's layout) or `mnist/` with the four
            idx files, plain or gzipped.
        download: download missing files with torchvision.
        image_size: height and width of the images.

    Returns:
        uint8 images `(N, 1, image_size, image_size)` with their digits as labels.

    Raises:
        InputError: when a file is missing, truncated, or not an idx file.
    """
    return _load_idx("mnist", "MNIST", root, download, image_size)


def load_fashion_mnist(root: Path, download: bool = False, image_size: int = 32) -> Dataset:
    """Fashion-MNIST (Xiao et al., 2017), resized to 32x32.

    Args:
        root: folder that holds `FashionMNIST/raw/` (torchvision's layout) or `fashion-mnist/`
            with the four idx files, plain or gzipped. (Debian's package
            dataset-fashion-mnist makes `/usr/share/datasets` such a folder.)
        download: download missing files with torchvision.
        image_size: height and width of the images.

    Returns:
        uint8 images `(N, 1, image_size, image_size)` with their classes as labels.

    Raises:
        InputError: when a file is missing, truncated, or not an idx file.
    """
    return _load_idx("fashion-mnist", "FashionMNIST", root, download, image_size)


def load_cifar10(
    root: Path, download: bool = False, image_size: int = 32, progress: bool = True
) -> Dataset:
    """CIFAR-10 (Krizhevsky, 2009).

    Args:
        root: folder that holds `cifar-10-batches-py/` (torchvision's layout), or the images
            themselves as `train/CLASS/` and `test/CLASS/` in a folder `cifar10/` or a zip named
            `cifar10*.zip`.
        download: download missing files with torchvision.
        image_size: height and width of the images.
        progress: show a progress bar while decoding images.

    Returns:
        uint8 images `(N, 3, image_size, image_size)` with their classes as labels.

    Raises:
        InputError: when files are missing or are not the original ones, or the folder has other
            classes.
    """
    place = _image_files(root / "cifar10", root, "cifar10*.zip")
    batches = root / "cifar-10-batches-py"
    if place is not None and not batches.exists() and not download:
        return _cifar10_images(place, image_size, progress)
    if download:
        _fetch("cifar10", "CIFAR10", root)
    from torchvision import datasets

    try:
        parts = [datasets.CIFAR10(root, train=train) for train in (True, False)]
    except RuntimeError as error:  # a file is absent, or its checksum is not the original's
        what = "complete files data_batch_1 to 5 and test_batch, or images"
        raise _missing("cifar10", what, [batches, root / "cifar10*.zip"]) from error
    train, test = (
        Split(
            resize(np.moveaxis(part.data, 3, 1), image_size),
            np.array(part.targets, dtype=np.int64),
        )
        for part in parts
    )
    return Dataset("cifar10", train, test, BYTES, class_names=_CIFAR10, net="conv")


def _cifar10_images(place: Path, image_size: int, progress: bool) -> Dataset:
    """CIFAR-10 from a folder or zip of its images; the classes are in the original order."""
    source = folders.find(place, pages.SUFFIXES)
    found = assemble(str(place), images.read(place, source, UNSAID, image_size, progress))
    if found.class_names != _CIFAR10 or found.train.x.shape[1] != 3:
        classes = ", ".join(found.class_names or ()) or "none"
        raise InputError(
            f"{place} does not hold the images of CIFAR-10 (classes: {classes}); expected "
            f"train/CLASS/ and test/CLASS/ for {', '.join(_CIFAR10)}. To train on a folder of "
            "your own, name it in place of cifar10."
        )
    note = f"Read from the image files in {place}; pixels of JPEGs differ from the original ones."
    return replace(found, name="cifar10", preprocessing=BYTES, net="conv", notes=(note,))


def load_celeba(
    root: Path, download: bool = False, image_size: int = 64, progress: bool = True
) -> Dataset:
    """CelebA (Liu et al., 2015): the central square of 148 of 178 pixels, resized to 64x64.

    With the official partition, its training and test parts are the splits; without it, the first
    80 percent of the images by name are for training. Smaller copies of the images work too: the
    square scales with their width.

    Args:
        root: folder that holds `celeba/img_align_celeba/` (torchvision's layout), or a zip of
            the images named `celeba*.zip` or `celeba/img_align_celeba.zip`; and, for the
            official partition, `celeba/list_eval_partition.txt`.
        download: download missing files with torchvision.
        image_size: height and width of the images.
        progress: show a progress bar while decoding.

    Returns:
        uint8 images `(N, 3, image_size, image_size)`, memory-mapped from the cache.

    Raises:
        InputError: when there are no images, one cannot be read, or the partition lists none of
            them.
    """
    aligned = root / "celeba" / "img_align_celeba"
    place = _image_files(aligned, root, "celeba*.zip")
    if place is None and download:
        _fetch("celeba", "CelebA", root)
        place = _image_files(aligned, root, "celeba*.zip")
    if place is None:
        raise _missing("celeba", "the aligned JPEG images", [aligned, root / "celeba*.zip"])
    source = folders.find(place, pages.SUFFIXES)
    train, test = _celeba_parts(source.names, root / "celeba" / "list_eval_partition.txt")
    x, _ = images.decode(
        source, np.concatenate([train, test]), image_size, crop=148 / 178, progress=progress
    )
    return Dataset(
        "celeba",
        Split(x[: len(train)]),
        Split(x[len(train) :]),
        BYTES,
        net="celeba",
    )


def _image_files(folder: Path, root: Path, zips: str) -> Path | None:
    """The folder of images, or else the first of the zips that exist."""
    if folder.is_dir():
        return folder
    found = [folder.with_name(f"{folder.name}.zip"), *sorted(root.glob(zips))]
    return next((path for path in found if path.is_file()), None)


def _celeba_parts(names: list[str], partition: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions in `names` of the training and the test images."""
    if not partition.exists():
        rows = np.arange(len(names))
        cut = len(names) * 4 // 5
        train, test = rows[:cut], rows[cut:]
    else:
        text = partition.read_text(encoding="utf-8", errors="replace")
        words = [line.split() for line in text.splitlines()]
        listed = {row[0]: row[1] for row in words if len(row) > 1}
        part_of = [listed.get(name.rpartition("/")[2]) for name in names]
        # 0 is training, 1 validation, 2 test; validation images are unused, as in the papers
        train, test = (
            np.array([i for i, part in enumerate(part_of) if part == wanted], dtype=np.int64)
            for wanted in ("0", "2")
        )
    if not len(train) or not len(test):
        raise InputError(
            f"The {len(names)} celeba images leave nothing for training or for testing; "
            f"put all of them there, and check {partition} if it exists."
        )
    return train, test


def _load_idx(
    name: str, torchvision_name: str, root: Path, download: bool, image_size: int
) -> Dataset:
    places = [root / torchvision_name / "raw", root / name]
    folder = _folder_with_idx(places)
    if folder is None and download:
        _fetch(name, torchvision_name, root)
        folder = _folder_with_idx(places)
    if folder is None:
        what = " ".join(f"{part}-{kind}" for part in _PARTS for kind in _KINDS)
        raise _missing(name, f"{what} (or the same with .gz)", places)
    train, test = (_idx_split(folder, part, image_size) for part in _PARTS)
    return Dataset(name, train, test, BYTES, net="mnist")


def _idx_split(folder: Path, part: str, image_size: int) -> Split:
    pixels, labels = (read_idx(_idx(folder, part, kind)) for kind in _KINDS)
    return Split(resize(pixels[:, None], image_size), labels.astype(np.int64))


def _idx(folder: Path, part: str, kind: str) -> Path:
    plain = folder / f"{part}-{kind}"
    return plain if plain.exists() else plain.with_name(plain.name + ".gz")


def _folder_with_idx(places: list[Path]) -> Path | None:
    for folder in places:
        if all(_idx(folder, part, kind).exists() for part in _PARTS for kind in _KINDS):
            return folder
    return None


def _fetch(name: str, torchvision_name: str, root: Path) -> None:
    from torchvision import datasets

    try:
        getattr(datasets, torchvision_name)(root, download=True)
    except (OSError, RuntimeError, ImportError) as error:
        raise InputError(
            f"Could not download {name} to {root} ({error}); check the connection and the disk, "
            "or put its files there manually."
        ) from error


def _missing(name: str, what: str, places: list[Path]) -> InputError:
    looked = " and ".join(str(place) for place in places)
    return InputError(
        f"No {name} data: searched for {what} in {looked}; set LATENTRANK_DATA to their folder, or "
        "download them with download=True."
    )


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes, plain or gzipped.

    Args:
        path: the file; a name that ends in `.gz` is decompressed.

    Returns:
        uint8, of the shape given in the header.

    Raises:
        InputError: when the file is not an idx file of bytes or is truncated.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path} is damaged ({error}); delete it and download it again."
        ) from error
    dimensions = content[3] if content[:3] == b"\x00\x00\x08" and len(content) > 3 else 0
    start = 4 + 4 * dimensions
    if dimensions == 0 or len(content) < start:
        raise InputError(f"{path} is not an idx file of bytes; delete it and download it again.")
    shape = tuple(int(n) for n in np.frombuffer(content, ">i4", dimensions, 4))
    if len(content) - start != math.prod(shape):
        raise InputError(
            f"{path} holds {len(content) - start} values where its header specifies "
            f"{math.prod(shape)}; delete it and download it again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def resize(pixels: Array, size: int) -> NDArray[np.uint8]:
    """Resize square images, by antialiased bilinear interpolation.

    Args:
        pixels: `(N, C, H, W)` uint8.
        size: the new height and width.

    Returns:
        `(N, C, size, size)` uint8; the images themselves if they already have that size.

    Example:
        >>> resize(np.full((2, 1, 28, 28), 7, dtype=np.uint8), 32)[0, 0, 31, :3].tolist()
        [7, 7, 7]
    """
    if pixels.shape[2:] == (size, size):
        return pixels
    out = np.empty((*pixels.shape[:2], size, size), dtype=np.uint8)
    for start in range(0, len(pixels), _CHUNK):
        part = torch.from_numpy(pixels[start : start + _CHUNK].astype(np.float32))
        part = torch.nn.functional.interpolate(
            part, (size, size), mode="bilinear", antialias=True, align_corners=False
        )
        out[start : start + _CHUNK] = part.round().clamp(0, 255).to(torch.uint8).numpy()
    return out
