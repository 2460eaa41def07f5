"""From images to features: the 2015 Inception network, or a classifier of the data's own labels.

Which of the two it is decides what a distance on the features may be called, so an extractor
carries that name with it: `FID` is said of the Inception features only.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress

from latentrank.data.base import Dataset, Split
from latentrank.errors import InputError, unknown
from latentrank.evaluation.classifier import train_classifier

Images = NDArray[Any]

NAMES = ("inception", "classifier")


class Extractor(Protocol):
    """What turns images into features, and says what the result may be called.

    Attributes:
        name: `"inception"` or `"classifier"`.
        distance: the name of a Fréchet distance on these features.
        protocol: resizing, range and layer, in words.
        key: identifies the weights.
    """

    @property
    def name(self) -> str:
        """`"inception"` or `"classifier"`."""

    @property
    def distance(self) -> str:
        """The name of a Fréchet distance on these features."""

    @property
    def protocol(self) -> str:
        """Resizing, range and layer, in words."""

    @property
    def key(self) -> str:
        """Identifies the weights."""

    def features(self, images: Images) -> NDArray[np.float32]:
        """`(N, C, H, W)` images to `(N, d)` float32 features."""


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


def _to_rgb(images: Images) -> torch.Tensor:
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise InputError(
            f"Images of shape {tuple(images.shape)} were given, expected (N, 1, H, W) or "
            "(N, 3, H, W); Inception features exist for grey and colour images only."
        )
    pixels = torch.from_numpy(np.ascontiguousarray(to_uint8(images)))
    return pixels.expand(-1, 3, -1, -1)


class Inception:
    """The Inception network of December 2015 that the FID is defined by, from torch-fidelity.

    Made by `extractor("inception")`.

    Attributes:
        name: `"inception"`.
        distance: `"FID"`.
        protocol: resizing, range and layer, in words.
        key: hash of the weights file.
    """

    name = "inception"
    distance = "FID"
    protocol = (
        "2048 pooled features of Inception v3 (2015-12-05) from 8-bit RGB, resized to 299x299 by "
        "the bilinear interpolation of TensorFlow 1 without antialiasing, as in torch-fidelity; "
        "clean-fid resizes by antialiased bicubic instead"
    )

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        try:
            # torch-fidelity unpickles whatever the file holds; this refuses all but tensors first.
            torch.load(weights, weights_only=True)
            network = _inception_class()("inception-v3-compat", ["2048"], str(weights))
        except Exception as error:  # junk raises whatever its bytes happen to spell
            raise InputError(
                f"{weights} is not a file of Inception weights; give the unchanged file that "
                "torch-fidelity publishes."
            ) from error
        # Convolutions on a processor run half as fast again in this layout, to equal values.
        self._network = network.to(device=device, memory_format=torch.channels_last)
        self._device = device
        self.key = hashlib.blake2b(weights.read_bytes(), digest_size=12).hexdigest()

    def features(self, images: Images) -> NDArray[np.float32]:
        """The pooled features before the last layer.

        Args:
            images: `(N, C, H, W)`, C 1 or 3 (grey is repeated), uint8 or floats in [0, 1].

        Returns:
            `(N, 2048)` float32.

        Raises:
            InputError: arrays that are not grey or colour images.
        """
        with torch.inference_mode():
            (values,) = self._network(_to_rgb(images).to(self._device))
        return np.asarray(values.cpu().numpy(), dtype=np.float32)


def _inception_module() -> Any:
    try:
        from torch_fidelity import feature_extractor_inceptionv3
    except ImportError as error:
        raise InputError(
            "FID needs torch-fidelity; install it with: pip install 'latentrank[fid]'"
        ) from error
    return feature_extractor_inceptionv3


def _inception_class() -> Any:
    return _inception_module().FeatureExtractorInceptionV3


def _inception_weights(download: bool, progress: bool) -> Path:
    """The weights in torch's own folder of downloads, fetched there if that is allowed."""
    url: str = _inception_module().URL_INCEPTION_V3
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    if path.exists():
        return path
    if not download:
        raise InputError(
            f"The Inception weights are not at {_from_home(path)}; allow the download with "
            f"--download (download=True), or fetch {url} elsewhere and give the file with "
            "--weights (weights=PATH)."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        prefix = path.stem.rsplit("-", 1)[1]
        torch.hub.download_url_to_file(url, str(path), hash_prefix=prefix, progress=progress)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"The Inception weights could not be downloaded from {url} ({error}); "
            "fetch the file elsewhere and give it with --weights (weights=PATH)."
        ) from error
    return path


def _from_home(path: Path) -> str:
    """A path as one may publish it: without the name of whose home it lies in."""
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)


def _labelled(split: Split, dataset: Dataset) -> tuple[Images, NDArray[np.int64]]:
    if split.labels is None:
        raise InputError(
            f"The features 'classifier' need labels, and the data '{dataset.name}' has none; "
            "give labelled data, or choose the features 'inception'."
        )
    return split.x, split.labels


def place(device: str) -> str:
    """Torch's name of a device that is named as in a configuration.

    Args:
        device: `"auto"` takes a graphics card where there is one, `"gpu"` asks for it; any other
            name is torch's own.

    Raises:
        InputError: there is no such device here.

    Example:
        >>> place("cpu")
        'cpu'
    """
    name = {"gpu": "cuda", "auto": "cuda" if torch.cuda.is_available() else "cpu"}.get(
        device, device
    )
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError):  # a name unknown to torch; a torch without CUDA
        raise InputError(
            f"The device is {device}, and there is none here; take auto or cpu."
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
    progress: bool = False,
) -> Extractor:
    """The feature extractor of a name.

    Args:
        name: `"inception"` for the FID, `"classifier"` for the FD-classifier.
        dataset: labelled images that the classifier is trained on; unused by Inception.
        weights: file of Inception weights; None takes those downloaded earlier.
        download: whether Inception weights may be downloaded (about 95 MB).
        cache: folder that keeps trained classifiers; None keeps nothing.
        device: where to compute, as `place` takes it.
        progress: whether to show the progress of a download or a training.

    Returns:
        An `Extractor`, to be passed to `features`.

    Raises:
        InputError: an unknown name or device; weights that are missing, unreadable or not
            downloadable; torch-fidelity not installed; a classifier without labelled images.

    Example:
        >>> extractor("inceptoin")
        Traceback (most recent call last):
        latentrank.errors.InputError: There is no feature extractor 'inceptoin'; did you mean
        'inception'? Known: inception, classifier.
    """
    if name == "inception":
        path = Path(weights) if weights else _inception_weights(download, progress)
        if not path.is_file():
            raise InputError(
                f"There is no file {path}; give the Inception weights that torch-fidelity "
                "publishes, or allow their download with --download (download=True)."
            )
        return Inception(path, place(device))
    if name != "classifier":
        raise unknown("feature extractor", name, NAMES)
    if dataset is None:
        raise InputError(
            "The features 'classifier' were asked for without data to train it on; "
            "give a labelled data set, or choose the features 'inception'."
        )
    train, test = _labelled(dataset.train, dataset), _labelled(dataset.test, dataset)
    return train_classifier(*train, *test, cache=cache, device=place(device), progress=progress)


def features(
    images: Images, extractor: Extractor, batch_size: int = 64, progress: bool = False
) -> NDArray[np.float32]:
    """Features of many images, batch by batch.

    Args:
        images: `(N, C, H, W)` uint8, or floats in [0, 1] (clipped to it).
        extractor: from `extractor`.
        batch_size: images in one forward pass.
        progress: whether to show a progress bar.

    Returns:
        `(N, d)` float32.

    Raises:
        InputError: images that the extractor cannot take, or none at all.

    Example:
        >>> from latentrank.evaluation.classifier import train_classifier
        >>> images = np.arange(4 * 64, dtype=np.uint8).reshape(4, 1, 8, 8)
        >>> labels = np.array([0, 1, 0, 1])
        >>> features(images, train_classifier(images, labels, images, labels)).shape
        (4, 128)
    """
    if len(images) == 0:
        raise InputError("No images were given, expected at least one; check the selection.")
    parts = []
    with Progress(disable=not progress, transient=True) as bar:
        task = bar.add_task(f"Features of {len(images)} images", total=len(images))
        for start in range(0, len(images), batch_size):
            parts.append(extractor.features(images[start : start + batch_size]))
            bar.advance(task, len(parts[-1]))
    return np.concatenate(parts)
