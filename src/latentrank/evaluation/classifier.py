"""A small classifier of the data's own labels, whose features stand in for Inception's.

Grey digits are unlike anything Inception was trained on, and its weights must be downloaded. A
network trained on the data itself avoids both; in exchange, its distances are comparable only with
those of the same classifier, which is why they have their own name.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from latentrank.data.base import to_float
from latentrank.data.cache import ADVICE
from latentrank.data.plain import integer_labels
from latentrank.errors import InputError
from latentrank.evaluation.cache import content_key
from latentrank.evaluation.fitting import fit_classes
from latentrank.evaluation.images import batch_size, check_colours
from latentrank.evaluation.labelled import labelled
from latentrank.io import atomic_write
from latentrank.torch_state import isolated

FEATURES = 128
BATCH = 128
FORMAT = 2  # increase when the network or its training changes, to invalidate cached files

Images = NDArray[Any]
Labels = NDArray[np.int64]


def _network(shape: tuple[int, int, int], classes: int) -> tuple[nn.Sequential, nn.Linear]:
    """Convolutions that halve the image until it is at most 4x4, then 128 features; the head."""
    channels, height, width = shape
    steps = max(1, math.ceil(math.log2(max(height, width) / 4)))
    layers: list[nn.Module] = []
    for step in range(steps):
        wider = min(32 * 2**step, 128)
        layers += [
            nn.Conv2d(channels, wider, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(wider),
            nn.ReLU(),
        ]
        channels, height, width = wider, math.ceil(height / 2), math.ceil(width / 2)
    flat = channels * height * width
    body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, FEATURES), nn.ReLU())
    return body, nn.Linear(FEATURES, classes)


class Classifier:
    """A trained classifier: probabilities, and the features before its last layer.

    Created by `train_classifier`.

    Attributes:
        accuracy: share of test images classified correctly, 0 to 1.
        classes: `(K,)` labels of the columns of `probabilities`.
        name: `"classifier"`.
        distance: name of the Fréchet distance on its features, `"FD-classifier"`.
        protocol: how features are computed, in words.
        key: hash of the data and settings that it was trained on.
        batch_size: images in one forward pass, fewer on a CPU.
        trained_on: numbers of training and test images, and a fingerprint of images and labels.
    """

    name = "classifier"
    distance = "FD-classifier"

    def __init__(
        self,
        body: nn.Sequential,
        head: nn.Linear,
        classes: NDArray[np.int64],
        shape: tuple[int, int, int],
        key: str,
    ) -> None:
        self.body, self.head, self.classes, self.shape, self.key = body, head, classes, shape, key
        self.accuracy = math.nan
        self.trained_on: dict[str, int | str] = {}
        self.body.eval()
        self.head.eval()

    @property
    def batch_size(self) -> int:
        """Images in one forward pass, fewer on a CPU."""
        return batch_size(self.head.weight.device.type, math.prod(self.shape[1:]))

    @property
    def protocol(self) -> str:
        """How features are computed, in words."""
        size = "x".join(str(n) for n in self.shape)
        return (
            f"{FEATURES} penultimate features of a classifier trained on the data's own labels "
            f"(test accuracy {100 * self.accuracy:.2f} %), images {size} in [0, 1], not resized"
        )

    def _infer(self, images: Images, network: nn.Module, width: int) -> NDArray[np.float32]:
        if images.ndim != 4 or images.shape[1:] != self.shape:
            raise InputError(
                f"Images of shape {tuple(images.shape)} were given to a classifier of "
                f"{self.shape} images; give (N, {', '.join(map(str, self.shape))})."
            )
        check_colours(images)
        out = np.empty((len(images), width), dtype=np.float32)
        device, step = self.head.weight.device, self.batch_size
        with torch.inference_mode():
            for start in range(0, len(images), step):
                batch = _batch(images, slice(start, start + step)).to(device)
                out[start : start + step] = network(batch).float().cpu().numpy()
        return out

    def features(self, images: Images) -> NDArray[np.float32]:
        """The activations before the last layer.

        Args:
            images: `(N, C, H, W)` uint8, or floats in [0, 1] (clipped to it).

        Returns:
            `(N, 128)` float32, at least 0.

        Raises:
            InputError: images of a different shape than it was trained on.
        """
        return self._infer(images, self.body, FEATURES)

    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """The softmax over classes.

        Args:
            images: `(N, C, H, W)` uint8, or floats in [0, 1] (clipped to it).

        Returns:
            `(N, K)` float32, rows adding up to 1.

        Raises:
            InputError: images of a different shape than it was trained on.
        """
        network = nn.Sequential(self.body, self.head, nn.Softmax(dim=1))
        return self._infer(images, network, len(self.classes))


def _batch(images: Images, rows: slice | NDArray[np.int64]) -> Tensor:
    # A decoder that ends in Tanh can leave [0, 1]; images cannot.
    return to_float(np.ascontiguousarray(images[rows])).clamp(0.0, 1.0)


def _fit(classifier: Classifier, images: Images, targets: Labels, seed: int, epochs: int) -> None:
    """Adam with a one-cycle learning rate, 0 to 4e-3 to 0."""
    network = nn.Sequential(classifier.body, classifier.head).train()
    steps = epochs * math.ceil(len(images) / BATCH)
    optimiser = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    device = classifier.head.weight.device
    fit_classes(
        network,
        lambda rows: _batch(images, rows).to(device),
        targets,
        np.arange(len(images)),
        optimiser,
        np.random.default_rng(seed),
        batch_size=BATCH,
        steps=steps,
        after_step=lambda _: schedule.step(),
    )
    network.eval()


def _save(classifier: Classifier, path: Path) -> None:
    tensors = nn.Sequential(classifier.body, classifier.head).state_dict()
    # The accuracy is stored in the header of the same file, so the two cannot disagree.
    header = {"accuracy": repr(classifier.accuracy)}
    with atomic_write(path, ADVICE) as temporary:
        temporary.write_bytes(
            to_bytes({k: v.cpu().contiguous() for k, v in tensors.items()}, header)
        )


def _load(classifier: Classifier, path: Path) -> bool:
    """Load the weights from the cache; False if the file is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            classifier.accuracy = float(file.metadata()["accuracy"])
        nn.Sequential(classifier.body, classifier.head).load_state_dict(load_file(path))
    except (FileNotFoundError, SafetensorError):
        return False
    return True


def train_classifier(
    images: Images,
    labels: ArrayLike,
    test_images: Images,
    test_labels: ArrayLike,
    *,
    seed: int = 0,
    epochs: int = 3,
    cache: Path | None = None,
    device: str = "cpu",
) -> Classifier:
    """Train a small convolutional classifier, or load it from the cache.

    Batch-normalised 3x3 convolutions of stride 2 with ReLU until the image is at most 4x4, a
    linear layer to 128 features with ReLU, a linear layer to the classes; cross-entropy.

    Args:
        images: `(N, C, H, W)` uint8, or floats in [0, 1], any size and number of channels.
        labels: `(N,)` integers, at least two different ones.
        test_images: `(M, C, H, W)`, for the accuracy.
        test_labels: `(M,)`.
        seed: random seed for the initial weights and the order of images.
        epochs: passes over the images, at least 1.
        cache: folder for trained classifiers; None disables caching.
        device: where to train and infer.

    Returns:
        The `Classifier`, with its test accuracy.

    Raises:
        InputError: arrays that are not images, labels that do not match them or are no integers, a
            single class, test images of a different shape, or a cache that cannot be written.

    Example:
        >>> dark = np.zeros((64, 1, 8, 8), dtype=np.uint8)
        >>> images = np.concatenate([dark, dark + 255])
        >>> labels = np.repeat([3, 7], 64)
        >>> classifier = train_classifier(images, labels, images, labels, epochs=30)
        >>> classifier.accuracy, classifier.classes.tolist(), classifier.features(dark).shape
        (1.0, [3, 7], (64, 128))
    """
    for part, x in (("training", images), ("test", test_images)):
        if x.ndim != 4:
            raise InputError(
                f"The {part} images have shape {tuple(x.shape)}, expected (N, C, H, W); "
                "a classifier's features exist for images only."
            )
        check_colours(x)
    train, test, count = labelled(images, labels, test_images, test_labels)
    classes, known = np.unique(integer_labels(labels)), integer_labels(test_labels)
    arrays = {"x": images, "y": classes[train.y].astype(np.int64), "test_x": test_images}
    fingerprint = content_key({**arrays, "test_y": known}, {})
    key = content_key({}, {"data": fingerprint, "seed": seed, "epochs": epochs, "format": FORMAT})
    shape = (int(images.shape[1]), int(images.shape[2]), int(images.shape[3]))
    with isolated(seed):
        body, head = _network(shape, count)
    classifier = Classifier(body.to(device), head.to(device), classes, shape, key)
    classifier.trained_on = {
        "training_images": len(images),
        "test_images": len(test_images),
        "fingerprint": fingerprint,
    }
    path = None if cache is None else cache / f"classifier-{key}.safetensors"
    if path is not None and _load(classifier, path):
        return classifier
    _fit(classifier, images, train.y, seed, epochs)
    guesses = classifier.probabilities(test_images).argmax(axis=1)
    classifier.accuracy = float((guesses == test.y).mean())
    if path is not None:
        _save(classifier, path)
    return classifier
