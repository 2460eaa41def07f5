r"""Reconstruction error against the number of coefficients, of a model and of PCA.

A code truncated to its `k` leading principal directions,

    z_k = m + V_k V_k^T (z - m),

with `m` and `V` the mean and the principal directions of the training codes, holds `k` numbers.
The error of its reconstruction is given as a share of the variance of the test split,

    e_k = \sum_i ||x_i - D(z_k,i)||^2 / \sum_i ||x_i - \bar x||^2,

in the units of the network, with `\bar x` the mean of the training samples, so that 1 is the error
of that mean and 0 is no error. PCA of the
training split, truncated to `k` directions, is the best linear encoder and decoder of that width.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor

from latentrank.data import Dataset, Split
from latentrank.data.views import spread_evenly
from latentrank.errors import InputError
from latentrank.models.base import BATCH, LatentModel
from latentrank.models.statistics import CodeStatistics

#: Test samples that errors are measured on; larger splits are subsampled evenly.
MOST_SAMPLES: Final = 1000
#: Limit on the values that PCA is fitted to, 512 MB of float32; larger splits are
#: subsampled.
MOST_NUMBERS: Final = 2**27
#: Maximum number of PCA components.
MOST_COMPONENTS: Final = 256
# Relative difference below which errors in float32 count as equal
_ROUNDING: Final = 1e-4


class ErrorCurve(NamedTuple):
    """Error as a function of the number of coefficients.

    Attributes:
        ks: `(K,)` int64 numbers of coefficients, increasing, at least 1.
        errors: `(K,)` float64 shares of the variance of the test split, from 0; 1 is the error
            of the mean training sample.
    """

    ks: NDArray[np.int64]
    errors: NDArray[np.float64]

    def needed(self, error: float) -> int | None:
        """The fewest coefficients whose error is at most `error`; None if none are enough.

        Example:
            >>> ErrorCurve(np.array([1, 2, 3]), np.array([0.5, 0.2, 0.1])).needed(0.2)
            2
        """
        reached = self.ks[self.errors <= error * (1 + _ROUNDING)]
        return int(reached[0]) if len(reached) else None


@torch.no_grad()
def error_by_coefficients(model: LatentModel, dataset: Dataset) -> ErrorCurve:
    """Errors of reconstructions from codes truncated to their leading principal directions.

    Args:
        model: an autoencoder in evaluation mode.
        dataset: data like those it was trained on. At most `MOST_SAMPLES` test samples are used,
            and at most `MOST_NUMBERS` values of the training split for its mean.

    Returns:
        The curve: every `k` up to 8, then two per factor of two; the last is the rank of the
        training codes.

    Raises:
        InputError: the model has no encoder, such as a GAN, or all samples are equal.

    Example:
        >>> import latentrank
        >>> from latentrank.data import load
        >>> model = latentrank.build("ae", (3, 16, 16), latent_dim=4).eval()
        >>> ks, errors = error_by_coefficients(model, load("blobs", train_size=20, test_size=9))
        >>> ks.tolist()
        [1, 2, 3, 4]
    """
    if not model.reconstructs:
        raise InputError(
            "The model generates from noise and has no encoder, so it has no reconstruction "
            "error; give an autoencoder."
        )
    # The model's own; data like those it was trained on may come with others.
    made = model.spec.preprocessing or dataset.preprocessing
    dataset = replace(dataset, preprocessing=made)
    statistics = _statistics(model, dataset)
    x = _test_samples(dataset)
    codes = torch.cat([model.encode(batch) for batch in torch.split(x, BATCH)])
    mean, directions = statistics.mean.to(codes), statistics.directions.to(codes)
    ks = coefficient_counts(directions.shape[1])
    coordinates = (codes - mean) @ directions
    total = _variance(x, _mean(dataset))
    errors = [
        _squared_error(model, mean + coordinates[:, :k] @ directions[:, :k].mT, x) / total
        for k in ks.tolist()
    ]
    return ErrorCurve(ks, np.asarray(errors))


def pca_error_by_coefficients(dataset: Dataset, most: int = MOST_COMPONENTS) -> ErrorCurve:
    """The same errors of PCA fitted to the training split.

    Args:
        dataset: the data; at most `MOST_NUMBERS` values of the training split are used.
        most: largest number of components, at least 1.

    Returns:
        The curve at every `k` from 1 to `most`, or to the rank that the training split allows.

    Raises:
        InputError: all samples are equal.

    Example:
        >>> from latentrank.data import load
        >>> curve = pca_error_by_coefficients(load("blobs", train_size=60, test_size=9), most=3)
        >>> curve.ks.tolist(), bool(curve.errors[0] > curve.errors[2])
        ([1, 2, 3], True)
    """
    x = _seen(dataset, dataset.train, _training_rows(dataset)).flatten(1).numpy()
    test = _test_samples(dataset)
    components = min(most, x.shape[1], len(x) - 1)
    total = _variance(test.flatten(1), torch.from_numpy(x.mean(axis=0, dtype=np.float64)))
    pca = PCA(components, random_state=0).fit(x)
    centred = test.flatten(1).double().numpy() - pca.mean_
    explained = np.square(centred @ pca.components_.T.astype(np.float64)).sum(axis=0)
    left = np.square(centred).sum() - np.cumsum(explained)
    # Rounding may make it slightly negative.
    errors = np.maximum(left, 0.0) / total
    return ErrorCurve(np.arange(1, components + 1), errors)


def coefficient_counts(most: int) -> NDArray[np.int64]:
    """The numbers of coefficients at which errors are measured.

    Example:
        >>> coefficient_counts(32).tolist()
        [1, 2, 3, 4, 5, 6, 7, 8, 11, 16, 22, 32]
    """
    beyond = 8 * 2 ** np.arange(0.5, 16, 0.5)
    counts = np.concatenate([np.arange(1, 9), beyond.astype(np.int64)])
    return np.append(counts[counts < most], most).astype(np.int64)


def _test_samples(dataset: Dataset) -> Tensor:
    """The test samples that errors are measured on, in network units."""
    return _seen(dataset, dataset.test, spread_evenly(len(dataset.test), MOST_SAMPLES))


def _training_rows(dataset: Dataset) -> NDArray[np.int64]:
    """Rows of the training samples that are used."""
    return spread_evenly(len(dataset.train), max(2, MOST_NUMBERS // math.prod(dataset.shape)))


def _mean(dataset: Dataset) -> Tensor:
    """The mean training sample in network units, `shape` float64."""
    rows = _training_rows(dataset)
    total = torch.zeros(dataset.shape, dtype=torch.float64)
    for start in range(0, len(rows), BATCH):
        total += _seen(dataset, dataset.train, rows[start : start + BATCH]).double().sum(dim=0)
    return total / len(rows)


def _seen(dataset: Dataset, split: Split, rows: NDArray[np.int64]) -> Tensor:
    """Samples of a split in network units, `(n, *shape)` float32."""
    return dataset.preprocessing.normalise(split.take(rows).x)


def _statistics(model: LatentModel, dataset: Dataset) -> CodeStatistics:
    """Mean and principal directions of the training codes."""
    if model.statistics.known:
        return model.statistics
    found = CodeStatistics(len(model.statistics.mean))
    rows = np.arange(len(dataset.train))
    batches = np.array_split(rows, range(BATCH, len(rows), BATCH))
    found.update(model.encode(_seen(dataset, dataset.train, batch)) for batch in batches)
    return found


def _variance(x: Tensor, mean: Tensor) -> float:
    """Summed squared distance of samples from the mean training sample.

    Raises:
        InputError: it is zero.
    """
    total = float((x.double() - mean).square().sum())
    if not total > 0:
        raise InputError("All samples are equal, so errors have no scale; give other data.")
    return total


def _squared_error(model: LatentModel, codes: Tensor, x: Tensor) -> float:
    """Summed squared error of decoded codes."""
    batches = zip(torch.split(codes, BATCH), torch.split(x, BATCH), strict=True)
    return sum(float((model.decode(z) - own).double().square().sum()) for z, own in batches)
