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
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from latentrank import data
from latentrank.config import RunConfig, check
from latentrank.data import Dataset, to_float
from latentrank.errors import InputError
from latentrank.io import atomic_write, read_yaml, write_text
from latentrank.models.autoencoder import Autoencoder
from latentrank.preprocessing import Preprocessing
from latentrank.serialization import load

if TYPE_CHECKING:
    # importing Lightning takes seconds, which using a trained model should not
    pass


CODES = "codes.safetensors"

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
        self._encoded: dict[str, dict[str, np.ndarray]] = {}
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
        return self.encoded(split)["codes"]

    def encoded(self, split: str) -> dict[str, np.ndarray]:
        """The codes of a split, with `labels`, `parameters` and `rows` of its samples where known.

        A finished run keeps them, so its data are not read.

        Args:
            split: `"train"` or `"test"`.
        """
        if split not in self._encoded:
            kept = _read_arrays(self.folder / CODES, split)
            self._encoded[split] = kept or encoded(self.model(), self.dataset(), split)
        return self._encoded[split]

    def keep_codes(self, model: Autoencoder, dataset: Dataset) -> None:
        """Encode both splits and keep the codes, as `encoded` reads them.

        Args:
            model: the trained model.
            dataset: what it was trained on.
        """
        self._encoded = {split: encoded(model, dataset, split) for split in ("train", "test")}
        arrays = {
            f"{split}/{name}": np.ascontiguousarray(values)
            for split, found in self._encoded.items()
            for name, values in found.items()
        }
        with atomic_write(self.folder / CODES) as temporary:
            save_file(arrays, temporary, {"preprocessing": json.dumps(_units(dataset).to_dict())})

    def preprocessing(self) -> Preprocessing:
        """What was done to the data before the model saw them; the data are not read."""
        if (self.folder / CODES).is_file():
            with safe_open(self.folder / CODES, "numpy") as file:
                return Preprocessing.from_dict(json.loads(file.metadata()["preprocessing"]))
        return _units(self.dataset())

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
    return (to_float(x[start : start + _BATCH]) for start in range(0, len(x), _BATCH))


@torch.no_grad()
def encoded(model: Autoencoder, dataset: Dataset, split: str) -> dict[str, np.ndarray]:
    """`codes`, `(N, L)` float32, of a split, and what else is known of its samples."""
    codes = torch.cat([model.encode(x) for x in batches(dataset, split)])
    return {"codes": codes.numpy(), **getattr(dataset, split).beside}


def _units(dataset: Dataset) -> Preprocessing:
    if dataset.train.x.dtype == np.uint8:
        return Preprocessing(0.0, 255.0, 0.0, 255.0, "uint8")
    bounds = {"low": 0.0, "high": 1.0} if dataset.bounded else {}
    return Preprocessing.of_numbers(dataset.mean, dataset.std, **bounds)


def _read_arrays(path: Path, prefix: str) -> dict[str, np.ndarray]:
    """The arrays `PREFIX/NAME` of a safetensors file by name; none where there is no file."""
    if not path.is_file():
        return {}
    try:
        with safe_open(path, "numpy") as file:
            names = [name for name in file.keys() if name.startswith(f"{prefix}/")]  # noqa: SIM118
            return {name.removeprefix(f"{prefix}/"): file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise InputError(
            f"{path} is damaged ({error}); remove it, and the codes are computed from the data."
        ) from None


@torch.no_grad()
def validation_error(model: Autoencoder, dataset: Dataset) -> float:
    """Mean squared error over all numbers of all test samples, in the units of training."""
    squared, count = 0.0, 0
    for x in batches(dataset, "test"):
        squared += float((model(x) - x).double().square().sum())
        count += x.numel()
    return squared / count
