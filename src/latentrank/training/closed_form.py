"""Models solved in closed form, in a few passes over the data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from latentrank.data import DataModule, Dataset
from latentrank.filenames import HISTORY
from latentrank.linalg import rank_of_spectrum, spectrum
from latentrank.models.pca import PCA
from latentrank.training.callbacks import History


@torch.no_grad()
def solve(model: PCA, dataset: Dataset, folder: Path | None) -> History:
    """Solve a model, and write a history as if it had been trained for one epoch.

    Args:
        model: solved in place; in evaluation mode afterwards.
        dataset: data to solve and validate on.
        folder: where the history is written; None keeps it in memory only.

    Returns:
        The history, a single row.
    """
    history = History(folder / HISTORY if folder else None)
    data = DataModule(dataset, preprocessing=model.preprocessing)

    def batches() -> Iterator[Tensor]:
        return (batch.x for batch in data.train_batches())

    model.eval()
    with model.threads(data.eval_batch_size) as history.threads:
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
