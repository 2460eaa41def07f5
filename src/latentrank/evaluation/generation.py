"""Cached features of real images, and the names of distances on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrank.data.cache import ADVICE
from latentrank.evaluation.cache import content_key
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
