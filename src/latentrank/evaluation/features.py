"""From images to features: Inception, a network of timm, or a classifier of the data's own labels.

The features determine the name of a distance on them, so an extractor carries that name: `FID`
means Inception features only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from latentrank.data.base import Dataset, Split
from latentrank.data.cache import ADVICE
from latentrank.errors import InputError, unknown
from latentrank.evaluation.cache import content_key
from latentrank.evaluation.classifier import train_classifier
from latentrank.evaluation.images import Images, as_images
from latentrank.evaluation.inception import Inception, inception_weights
from latentrank.evaluation.timm_network import TimmNetwork, short_name, timm_weights
from latentrank.io import atomic_write, expanded

NAMES = ("inception", "classifier", "timm:NAME")


class Extractor(Protocol):
    """Maps images to features, and names the distance on them."""

    @property
    def name(self) -> str:
        """`"inception"`, `"classifier"` or `"timm:NAME"`."""

    @property
    def distance(self) -> str:
        """The name of a Fréchet distance on these features."""

    @property
    def protocol(self) -> str:
        """Preprocessing and layer, in words."""

    @property
    def key(self) -> str:
        """Identifies the weights."""

    @property
    def batch_size(self) -> int:
        """Images in one forward pass that suit the network and its device."""

    def features(self, images: Images) -> NDArray[np.float32]:
        """`(N, C, H, W)` images to `(N, d)` float32 features."""


def check_features(name: str) -> None:
    """Reject unknown features.

    Args:
        name: `"inception"`, `"classifier"` or `"timm:NAME"`.

    Raises:
        InputError: there is no feature network of that name.

    Example:
        >>> check_features("inceptoin")
        Traceback (most recent call last):
        latentrank.errors.InputError: There is no feature network 'inceptoin'; did you mean
        'inception'? Known: inception, classifier, timm:NAME.
    """
    if name not in NAMES[:2] and not (name.startswith("timm:") and name != "timm:"):
        raise unknown("feature network", name, NAMES)


def distance_name(name: str) -> str:
    """The name of the Fréchet distance on given features.

    Args:
        name: as for `extractor`.

    Example:
        >>> [distance_name(name) for name in ("inception", "timm:tf_efficientnet_lite0")]
        ['FID', 'FD-efficientnet_lite0']
    """
    if name == "inception":
        return "FID"
    return f"FD-{short_name(name.removeprefix('timm:'))}"


def _labelled(split: Split, dataset: Dataset) -> tuple[Images, NDArray[np.int64]]:
    if split.labels is None:
        raise InputError(
            f"The features 'classifier' need labels, and the data '{dataset.name}' has none; "
            "give labelled data, or choose the features 'inception'."
        )
    return as_images(split.x, dataset.preprocessing), split.labels


def place(device: str) -> str:
    """Torch's name of a device given as in a configuration.

    Args:
        device: `"auto"` uses an NVIDIA GPU if there is one, `"gpu"` requires one or Apple's; any
            other name is torch's own.

    Raises:
        InputError: this machine has no such device.

    Example:
        >>> place("cpu")
        'cpu'
    """
    nvidia, apple = torch.cuda.is_available(), torch.backends.mps.is_available()
    known = {"auto": "cuda" if nvidia else "cpu", "gpu": "mps" if apple else "cuda"}
    name = known.get(device, device)
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError):  # a name unknown to torch, or a build without CUDA
        raise InputError(
            f"The device is {device}, which this machine does not have; give auto or cpu."
        ) from None
    return name


def extractor(
    name: str,
    dataset: Dataset | None = None,
    *,
    weights: str | Path | None = None,
    download: bool = False,
    cache: Path | None = None,
    device: str = "cpu",
) -> Extractor:
    """Create a feature extractor by name.

    Args:
        name: `"inception"` for the FID, `"classifier"` for the FD-classifier, `"timm:NAME"` for
            any network of timm, such as `"timm:tf_efficientnet_lite0"`.
        dataset: labelled images that the classifier is trained on; unused by the others.
        weights: weights file; None uses weights downloaded earlier.
        download: whether weights may be downloaded.
        cache: folder for trained classifiers; None disables caching.
        device: where to compute, as for `place`.

    Returns:
        An `Extractor` for `features`.

    Raises:
        InputError: an unknown name or device; weights that are missing, unreadable or not
            downloadable; a package that is not installed; a classifier without labelled images.

    Example:
        >>> extractor("inceptoin")
        Traceback (most recent call last):
        latentrank.errors.InputError: There is no feature network 'inceptoin'; did you mean
        'inception'? Known: inception, classifier, timm:NAME.
    """
    check_features(name)
    if name == "classifier":
        if dataset is None:
            raise InputError(
                "The features 'classifier' were requested without data to train one on; "
                "give a labelled data set, or choose the features 'inception'."
            )
        train, test = _labelled(dataset.train, dataset), _labelled(dataset.test, dataset)
        return train_classifier(*train, *test, cache=cache, device=place(device))
    path = weights_of(name, weights, download=download)
    if name == "inception":
        return Inception(path, place(device))
    return TimmNetwork(name.removeprefix("timm:"), path, place(device))


def weights_of(name: str, given: str | Path | None = None, *, download: bool = False) -> Path:
    """The file of a network's weights.

    Args:
        name: `"inception"` or `"timm:NAME"`.
        given: the file, if one is given.
        download: whether it may be downloaded.

    Raises:
        InputError: there is no such file, or no weights are cached and downloading is not allowed.
    """
    if given is None:
        if name == "inception":
            return inception_weights(download)
        return timm_weights(name.removeprefix("timm:"), download)
    if not (path := expanded(given)).is_file():
        raise InputError(
            f"There is no file {given}; give the published weights of {name}, or "
            "allow their download with download=True."
        )
    return path


def features(
    images: Images, extractor: Extractor, batch_size: int | None = None
) -> NDArray[np.float32]:
    """Features of many images, batch by batch.

    Args:
        images: `(N, C, H, W)` uint8, or floats in [0, 1] (clipped to it).
        extractor: from `extractor`.
        batch_size: images in one forward pass, by default the extractor's.

    Returns:
        `(N, d)` float32.

    Raises:
        InputError: images that the extractor does not accept, or none at all.

    Example:
        >>> from latentrank.evaluation.classifier import train_classifier
        >>> images = np.arange(4 * 64, dtype=np.uint8).reshape(4, 1, 8, 8)
        >>> labels = np.array([0, 1, 0, 1])
        >>> features(images, train_classifier(images, labels, images, labels)).shape
        (4, 128)
    """
    if len(images) == 0:
        raise InputError("No images were given, expected at least one; check the selection.")
    batch_size = batch_size or extractor.batch_size
    starts = range(0, len(images), batch_size)
    return np.concatenate([extractor.features(images[i : i + batch_size]) for i in starts])


def real_features(
    images: Images, extractor: Extractor, *, cache: Path | None = None
) -> NDArray[np.float32]:
    """Features of real images, computed once for given images and weights.

    Args:
        images: `(N, C, H, W)` uint8, or floats in [0, 1].
        extractor: from `latentrank.evaluation.extractor`.
        cache: folder for cached features; None disables caching.

    Returns:
        `(N, d)` float32.

    Raises:
        InputError: images that the extractor does not accept, or a cache that cannot be written.
    """
    if cache is None:
        return features(images, extractor)
    key = content_key({"images": images}, {"extractor": extractor.name, "weights": extractor.key})
    path = cache / f"features-{key}.npy"
    if path.exists():
        return np.asarray(np.load(path), dtype=np.float32)
    values = features(images, extractor)
    with atomic_write(path, ADVICE) as temporary:
        np.save(temporary, values)
    return values
