"""The numbers that describe a trained model on a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch

from latentrank.data import Dataset
from latentrank.data.views import spread_evenly
from latentrank.errors import InputError
from latentrank.formatting import first_of
from latentrank.linalg import rank_of_spectrum, spectrum
from latentrank.models.base import LatentModel
from latentrank.torch_state import own_defaults

#: Maximum number of channels, or table columns, reported individually.
_MOST_CHANNELS: Final = 64
#: Number of test samples by which a model diagnoses itself.
_DIAGNOSED: Final = 256
#: Share of a channel's variance below which a run warns that the channel is not explained.
_EXPLAINED: Final = 0.1


@own_defaults()
def measured(model: LatentModel, dataset: Dataset, codes: torch.Tensor) -> dict[str, Any]:
    """Rank, spectrum and errors of a model, with warnings where they are misleading.

    Args:
        model: a trained model.
        dataset: the data.
        codes: `(N, L)`, of the test samples.

    Returns:
        The metrics by name, for JSON.

    Raises:
        InputError: codes are not finite.
    """
    if not bool(torch.isfinite(codes).all()):
        raise InputError(
            "The codes of the trained model hold NaN or infinite values; lower the learning rate, "
            "or look for such values in the data."
        )
    values = spectrum(codes)
    metrics: dict[str, Any] = {
        "rank": int(rank_of_spectrum(values)),
        "rank_training_codes": model.rank(),
        "true_dimension": dataset.true_dimension,
        "latent_dim": model.latent_dim,
        "validation_error": None,
        "effective_rank": rank_of_spectrum(values, "effective"),
        "participation_ratio": rank_of_spectrum(values, "participation"),
        "gap_rank": int(rank_of_spectrum(values, "gap")),
        "parameters": sum(p.numel() for p in model.parameters()),
        "singular_values": values.tolist(),
    }
    if model.reconstructs:
        metrics |= _reconstruction(model, dataset)
        closed = model.trained_by == "closed form"
        if doubts := _doubts(metrics, dataset, closed):
            metrics["warning"] = " ".join(doubts)
    some = dataset.test.x[spread_evenly(len(dataset.test), _DIAGNOSED)]
    return metrics | model.diagnose(torch.cat(list(model.batches(some))))


def share_of_variance(metrics: Mapping[str, Any]) -> float | None:
    """The error of reconstructed test samples as a share of their variance; None without one.

    The variance is taken about the mean training sample: a model that always returns this mean has
    a share of 1.

    Example:
        >>> share_of_variance({"validation_error": 0.25, "error_of_the_mean": 1.0})
        0.25
        >>> share_of_variance({"validation_error": None}) is None
        True
    """
    error, total = metrics.get("validation_error"), metrics.get("error_of_the_mean")
    return error / total if error is not None and total else None


@torch.no_grad()
def _reconstruction(model: LatentModel, dataset: Dataset) -> dict[str, Any]:
    """Errors of the reconstructed test samples, in network units and as shares of the variance.

    The variance is taken about the mean training sample.
    """
    mean = model.mean_sample(dataset.train.x)
    squared = variance = torch.zeros(dataset.shape, dtype=torch.float64)
    for x in model.batches(dataset.test.x):
        squared = squared + (model(x) - x).double().square().sum(0)
        variance = variance + (x.double() - mean).square().sum(0)
    count = len(dataset.test) * squared.numel()
    found: dict[str, Any] = {
        "validation_error": float(squared.sum()) / count,
        "error_of_the_mean": float(variance.sum()) / count,
    }
    if 1 < len(squared) <= _MOST_CHANNELS:
        explained = _explained(*(v.reshape(len(v), -1).sum(1) for v in (squared, variance)))
        found["explained_variance_by_channel"] = explained
    return found


def _explained(squared: torch.Tensor, variance: torch.Tensor) -> list[float | None]:
    shares = 1 - squared / variance
    return [float(share) if np.isfinite(share) else None for share in shares.numpy()]


def _doubts(metrics: Mapping[str, Any], dataset: Dataset, closed_form: bool = False) -> list[str]:
    """Warnings about misleading numbers of a run."""
    remedy, other = ("train for longer", "lower the learning rate")
    if closed_form:
        remedy, other = ("raise latent_dim", "give more samples")
    doubts = []
    most = len(dataset.test) - 1
    if metrics["rank"] >= most < metrics["latent_dim"]:
        doubts.append(
            f"The codes of {most + 1} test samples have rank {most} at most; that of the "
            f"training codes is {metrics['rank_training_codes']}."
        )
    shares = metrics.get("explained_variance_by_channel", [])
    constant = dataset.preprocessing.constants
    if changed := [i for i in constant if shares and shares[i] is not None]:
        doubts.append(
            f"The test samples vary in {_named(changed, dataset)}, and the training samples do "
            "not; that cannot be reconstructed, and is part of the error in its own units."
        )
    if not metrics["validation_error"] < (mean := metrics["error_of_the_mean"]):
        doubts.append(
            f"The reconstructions are no better than the mean of the data, whose error is "
            f"{mean:.3g}; {remedy}, or {other}."
        )
        return doubts
    known = [(i, share) for i, share in enumerate(shares) if share is not None]
    if missed := [i for i, share in known if share < _EXPLAINED and i not in constant]:
        doubts.append(
            f"Less than {_EXPLAINED:.0%} of the variance of {_named(missed, dataset)} is "
            f"explained; {remedy}, or check {'their' if len(missed) > 1 else 'its'} units."
        )
    return doubts


def _named(missed: Sequence[int], dataset: Dataset) -> str:
    """Columns or channels by their names, or their indices where they have none."""
    names = dataset.axes.channel_names or range(dataset.shape[0])
    kind = "column" if len(dataset.shape) == 1 else "channel"
    return f"{kind}{'s' if len(missed) > 1 else ''} {first_of([names[i] for i in missed])}"
