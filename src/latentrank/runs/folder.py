"""The run folder: what a training leaves behind."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from latentrank import data
from latentrank.config import RunConfig, check
from latentrank.data import Dataset
from latentrank.errors import InputError
from latentrank.io import read_yaml, write_text
from latentrank.models.autoencoder import Autoencoder
from latentrank.serialization import load

if TYPE_CHECKING:
    # importing Lightning takes seconds, which using a trained model should not
    pass


_BATCH = 512


class Run:
    """A run folder, read lazily.

    Args:
        folder: the folder of a finished run.

    Raises:
        InputError: it is not one.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "config.yaml").is_file():
            raise InputError(
                f"{self.folder} is not the folder of a run (it has no config.yaml); "
                "give a folder that latentrank train has made."
            )
        self._codes: dict[str, np.ndarray] = {}
        self._model: Autoencoder | None = None
        self._dataset: Dataset | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration."""
        return read_yaml(self.folder / "config.yaml")

    @property
    def settings(self) -> RunConfig:
        """The resolved configuration, checked."""
        return check(self.config, str(self.folder / "config.yaml"))

    @property
    def finished(self) -> bool:
        """Whether the training came to its end."""
        return (self.folder / "metrics.json").is_file()

    @property
    def metrics(self) -> dict[str, Any]:
        """What was measured at the end."""
        try:
            metrics: dict[str, Any] = json.loads(
                (self.folder / "metrics.json").read_text(encoding="utf-8")
            )
        except (OSError, ValueError):
            raise _unfinished(self.folder) from None
        return metrics

    @property
    def history(self) -> dict[str, np.ndarray]:
        """The columns of history.csv, float64, NaN where a row has no value."""
        with (self.folder / "history.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        names = rows[0].keys() if rows else []
        return {name: np.array([float(row[name] or "nan") for row in rows]) for name in names}

    def model(self) -> Autoencoder:
        """The trained model, in evaluation mode."""
        if self._model is None:
            self._model = load(self.folder)
        return self._model

    def dataset(self) -> Dataset:
        """The data it was trained on, read again."""
        if self._dataset is None:
            self._dataset = load_data(self.settings)
        return self._dataset

    def codes(self, split: str) -> np.ndarray:
        """The codes of a split, `(N, L)` float32.

        Args:
            split: `"train"` or `"test"`.
        """
        if split not in self._codes:
            self._codes[split] = codes_of(self.model(), self.dataset(), split)
        return self._codes[split]

    def write(self, name: str, values: dict[str, Any]) -> None:
        """Add a JSON file, whole or not at all."""
        write_text(self.folder / name, json.dumps(values, indent=2) + "\n")


def finished_run(folder: str | Path) -> Run:
    """The run in a folder, if its training came to its end.

    Args:
        folder: of the run.

    Raises:
        InputError: it is not the folder of a run, or the run is not finished.
    """
    run = Run(folder)
    if not run.finished:
        raise _unfinished(run.folder)
    return run


def _unfinished(folder: Path) -> InputError:
    return InputError(
        f"The run in {folder} is not finished; go on with: latentrank train --resume "
        f"{shlex.quote(str(folder))}"
    )


def load_data(config: RunConfig, progress: bool = False) -> Dataset:
    """The data set that a configuration names."""
    return data.load(
        config.data,
        root=config.data_root,
        download=config.download,
        train_size=config.train_size,
        test_size=config.test_size,
        image_size=config.image_size,
        seed=config.seed,
        progress=progress,
    )


def batches(dataset: Dataset, split: str) -> Iterator[Tensor]:
    """The samples of a split in order, float32, a few hundred at a time."""
    x = dataset.train.x if split == "train" else dataset.test.x
    normalise = dataset.preprocessing.normalise
    return (normalise(x[start : start + _BATCH]) for start in range(0, len(x), _BATCH))


@torch.no_grad()
def codes_of(model: Autoencoder, dataset: Dataset, split: str) -> np.ndarray:
    """The codes of a split, `(N, L)` float32."""
    codes = [model.encode(x) for x in batches(dataset, split)]
    return torch.cat(codes).numpy()


@torch.no_grad()
def validation_error(model: Autoencoder, dataset: Dataset) -> float:
    """Mean squared error over all numbers of all test samples, in the units of training."""
    squared, count = 0.0, 0
    for x in batches(dataset, "test"):
        squared += float((model(x) - x).double().square().sum())
        count += x.numel()
    return squared / count
