"""Models that are solved in a few passes over the data instead of trained by steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from latentrank.config import TrainConfig
from latentrank.data import DataModule, Dataset
from latentrank.linalg import rank_of_spectrum, spectrum
from latentrank.models.pca import PCA
from latentrank.training.callbacks import History


@torch.no_grad()
def solve(model: PCA, dataset: Dataset, config: TrainConfig, folder: Path | None) -> History:
    """Solve a model, and leave the history that a training of one epoch would.

    Args:
        model: solved in place; in evaluation mode afterwards.
        dataset: what it is solved on, and measured on.
        config: its batch size and seed.
        folder: where the history is kept; None keeps it in memory alone.

    Returns:
        The history, of one row.
    """
    history = History(folder / "history.csv" if folder else None)
    data = DataModule(dataset, seed=config.seed, preprocessing=model.preprocessing)

    def batches() -> Iterator[Tensor]:
        return (batch.x for batch in data.train_batches())

    model.eval()
    model.solve(batches)
    model.finalize(batches)
    squared, count, codes = 0.0, 0, []
    for batch in data.test_batches():
        z = model.encode(batch.x)
        squared += float((model.decode(z) - batch.x).double().square().sum())
        count += batch.x.numel()
        codes.append(z)
    rank = float(rank_of_spectrum(spectrum(torch.cat(codes))))
    history.record({"epoch": 1, "step": 0, "validation_error": squared / count, "rank": rank})
    return history
