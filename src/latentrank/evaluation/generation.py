"""All distances between real and generated images at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrank.data.cache import ADVICE
from latentrank.evaluation.cache import content_key
from latentrank.evaluation.distances import (
    density_coverage,
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from latentrank.evaluation.features import Extractor, features
from latentrank.io import atomic_write

Images = NDArray[Any]


def kernel_distance_name(distance: str) -> str:
    """The name of the kernel distance on the features of a named Fréchet distance.

    Example:
        >>> kernel_distance_name("FID"), kernel_distance_name("FD-classifier")
        ('KID', 'KD-classifier')
    """
    return "KID" if distance == "FID" else f"KD-{distance.removeprefix('FD-')}"


def real_features(
    images: Images,
    extractor: Extractor,
    *,
    batch_size: int | None = None,
    cache: Path | None = None,
    progress: bool = False,
) -> NDArray[np.float32]:
    """Features of real images, computed once for given images and weights.

    Args:
        images: `(N, C, H, W)` uint8, or floats in [0, 1].
        extractor: from `latentrank.evaluation.extractor`.
        batch_size: images in one forward pass.
        cache: folder for cached features; None disables caching.
        progress: whether to show a progress bar.

    Returns:
        `(N, d)` float32.

    Raises:
        InputError: images that the extractor does not accept, or a cache that cannot be written.
    """
    if cache is None:
        return features(images, extractor, batch_size, progress)
    key = content_key({"images": images}, {"extractor": extractor.name, "weights": extractor.key})
    path = cache / f"features-{key}.npy"
    if path.exists():
        return np.asarray(np.load(path), dtype=np.float32)
    values = features(images, extractor, batch_size, progress)
    with atomic_write(path, ADVICE) as temporary:
        np.save(temporary, values)
    return values


def evaluate_generation(
    real_images: Images,
    fake_images: Images,
    extractor: Extractor,
    *,
    batch_size: int | None = None,
    cache: Path | None = None,
    progress: bool = False,
) -> dict[str, float | int | str]:
    """Compare generated (or reconstructed) images with real ones.

    Reconstructions of the real images in place of generated ones give the lowest distances that a
    sampler of the same decoder can hope for.

    Args:
        real_images: `(N, C, H, W)` uint8, or floats in [0, 1]; the papers take test images.
        fake_images: `(M, C, H, W)` of the same kind.
        extractor: from `latentrank.evaluation.extractor`; it determines the names of the distances.
        batch_size: images in one forward pass.
        cache: folder for cached features of real images; None disables caching.
        progress: whether to show progress bars.

    Returns:
        `FID` or `FD-` and the features; `KID` or `KD-` and the features, mean over subsets, and
        the same with the suffix ` std`; `precision`, `recall`, `density`, `coverage`; `n_real`,
        `n_fake`; `features` (the extractor's name) and `protocol`.

    Raises:
        InputError: images that the extractor does not accept, or fewer than 6 of either kind.

    Example:
        >>> from latentrank.evaluation.classifier import train_classifier
        >>> images = np.random.default_rng(0).integers(0, 255, (20, 1, 8, 8), dtype=np.uint8)
        >>> labels = np.arange(20) % 2
        >>> classifier = train_classifier(images, labels, images, labels)
        >>> values = evaluate_generation(images, images, classifier)
        >>> values["features"], values["n_real"], values["precision"], values["recall"]
        ('classifier', 20, 1.0, 1.0)
    """
    real = real_features(
        real_images, extractor, batch_size=batch_size, cache=cache, progress=progress
    )
    fake = features(fake_images, extractor, batch_size, progress)
    kernel = kernel_distance(real, fake)
    kernel_name = kernel_distance_name(extractor.distance)
    shares = precision_recall(real, fake)
    filling = density_coverage(real, fake)
    return {
        extractor.distance: frechet_distance(real, fake),
        kernel_name: kernel.mean,
        f"{kernel_name} std": kernel.std,
        "precision": shares.precision,
        "recall": shares.recall,
        "density": filling.density,
        "coverage": filling.coverage,
        "n_real": len(real),
        "n_fake": len(fake),
        "features": extractor.name,
        "protocol": extractor.protocol,
    }
