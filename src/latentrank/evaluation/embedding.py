"""t-SNE of real and generated samples together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrank.data.base import to_float
from latentrank.errors import InputError

Array = NDArray[Any]


def _flat(samples: Array, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    chosen = samples
    if len(samples) > count:
        chosen = samples[np.sort(rng.choice(len(samples), count, replace=False))]
    return to_float(chosen).flatten(1).numpy()


def tsne(
    real: Array, sampled: Array, seed: int = 0, max_samples: int = 2000
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Embed real and generated samples together in the plane.

    Regions covered by only one of the two sets are then visible. Distances between distant groups
    mean nothing [van der Maaten and Hinton 2008].

    Args:
        real: `(N, ...)` codes or images of real samples, N at least 2.
        sampled: `(M, ...)` generated samples of the same shape and range, M at least 2.
        seed: random seed for the selection and the embedding.
        max_samples: maximum number of samples of either set, chosen at random.

    Returns:
        `(min(N, max_samples), 2)` and `(min(M, max_samples), 2)` float32.

    Raises:
        InputError: samples of different shape, fewer than two of either, all of them equal, or
            values that are not finite.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> a, b = tsne(rng.normal(size=(8, 3)), rng.normal(size=(6, 3)))
        >>> a.shape, b.shape
        ((8, 2), (6, 2))
    """
    if real.shape[1:] != sampled.shape[1:] or min(len(real), len(sampled)) < 2:
        raise InputError(
            f"Real samples of shape {real.shape} and generated ones of shape {sampled.shape} "
            "were given, expected at least two of each and samples of the same shape; "
            "embed codes with codes, images with images."
        )
    from sklearn.manifold import TSNE

    rng = np.random.default_rng(seed)
    kept, made = _flat(real, max_samples, rng), _flat(sampled, max_samples, rng)
    together = np.concatenate([kept, made])
    if not np.isfinite(together).all():
        raise InputError(
            "Samples to embed hold NaN or infinite values, expected finite numbers; "
            "look for a decoder that diverged."
        )
    if (together == together[0]).all():
        raise InputError(
            "Samples to embed are all equal, expected different ones; look for a collapsed code."
        )
    perplexity = min(30.0, (len(together) - 1) / 3)  # t-SNE's upper bound for small sets
    start = "pca" if together.shape[1] > 1 else "random"  # PCA initialisation needs two coordinates
    plane = TSNE(init=start, perplexity=perplexity, random_state=seed).fit_transform(together)
    return plane[: len(kept)], plane[len(kept) :]
