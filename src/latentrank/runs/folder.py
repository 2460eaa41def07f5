"""The run folder: the results of training."""

from __future__ import annotations

import csv
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import nn

from latentrank import data, methods
from latentrank.config import RunConfig
from latentrank.data import Dataset, Split
from latentrank.errors import InputError
from latentrank.filenames import CODES, CONFIG, HISTORY, LAST_CHECKPOINT, METRICS, PARAMETER_MAP
from latentrank.io import atomic_write, expanded, read_json, read_yaml, remove_file, write_json
from latentrank.models.base import LatentModel
from latentrank.nets import NETWORKS
from latentrank.runs.kept import Kept
from latentrank.runs.stored import check_stored
from latentrank.serialization import load

_SHOWN = "shown"


class MissingDataError(InputError):
    """The data of a run are needed and cannot be read."""


class Run:
    """A run folder, read lazily.

    Args:
        folder: folder of a run.
        encoder: your own network, if the run was trained with one.
        decoder: your own network, if `encoder` is given.

    Attributes:
        lacks: what the run does not have: `"history"`, `"samples"`.
        notes: sentences for the user on what that means.
        held_out: whether the test samples are known to be held out of training.
        measured_on: fingerprint of the data used for measuring, if they are not the run's own.

    Raises:
        InputError: the folder is not that of a run.
    """

    lacks: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    held_out: bool = True
    measured_on: str | None = None

    def __init__(
        self,
        folder: str | Path,
        *,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        self.folder = expanded(folder)
        self._check()
        self._networks = {"encoder": encoder, "decoder": decoder}
        self._encoded: dict[str, dict[str, np.ndarray]] = {}
        self._model: LatentModel | None = None
        self._dataset: Dataset | None = None
        self._place: RunConfig | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r})"

    def _check(self) -> None:
        """Refuse a folder that is not a run's."""
        if not (self.folder / CONFIG).is_file():
            raise InputError(
                f"{self.folder} is not the folder of a run (it has no {CONFIG}); "
                "give a folder written by latentrank train."
            )

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, with every setting by name."""
        return self.settings.flat()

    @property
    def settings(self) -> RunConfig:
        """The resolved configuration."""
        values = read_yaml(self.folder / CONFIG)
        methods.METHODS.require(values.get("method"), f"The run in {self.folder}")
        if values.get("net") is not None:
            NETWORKS.require(values["net"], f"The run in {self.folder}")
        return RunConfig(**values)

    @property
    def finished(self) -> bool:
        """Whether the training has finished."""
        return (self.folder / METRICS).is_file()

    @property
    def begun(self) -> bool:
        """Whether there is a checkpoint to resume from."""
        return (self.folder / LAST_CHECKPOINT).is_file()

    @property
    def metrics(self) -> dict[str, Any]:
        """The final metrics.

        Raises:
            InputError: the run is not finished, or its file has been damaged.
        """
        if (metrics := read_json(self.folder / METRICS)) is None:
            raise _unfinished(self.folder)
        check_stored(metrics, self.folder / METRICS)
        return metrics

    @property
    def history(self) -> dict[str, np.ndarray]:
        """The columns of history.csv, float64, with NaN for missing values."""
        path = self.folder / HISTORY
        try:
            with path.open(encoding="utf-8", newline="") as file:
                names, *rows = csv.reader(file)
            values = np.array([[float(text or "nan") for text in row] for row in rows])
            return dict(zip(names, values.reshape(-1, len(names)).T, strict=True))
        except (OSError, ValueError, csv.Error) as error:
            raise InputError(
                f"{path} is missing or damaged ({error}); train the run again."
            ) from None

    def model(self) -> LatentModel:
        """The trained model, in evaluation mode."""
        if self._model is None:
            self._model = load(self.folder, **self._networks)
        return self._model

    def dataset(self) -> Dataset:
        """The data it was trained on, reloaded.

        Raises:
            MissingDataError: they cannot be read, or their content has changed.
        """
        if self._dataset is None:
            self._dataset = self._read()
        return self._dataset

    @property
    def place(self) -> RunConfig:
        """The settings, with the location of the data where it has changed."""
        return self._place or self.settings

    def need_samples(self) -> None:
        """Refuse a saved model that was given no data; a run has its training data."""

    def read_data(self, source: str | Path | Dataset | None = None) -> None:
        """Read the data it was trained on.

        Args:
            source: their new location, if they have moved (for a named data set, the folder to use
                as `data_root`); or the data, if they are in memory.

        Raises:
            MissingDataError: they cannot be read, or their content has changed.
        """
        if isinstance(source, Dataset):
            self._dataset = self._accepted(source)
        else:
            self._place = None if source is None else self._moved(source)
            self._dataset = self._read()

    def _moved(self, source: str | Path) -> RunConfig:
        """The settings with the new location of the data, as `data_root` for a named data set."""
        if self.settings.data.source in data.names() and expanded(source).is_dir():
            return self.settings.updated({"data_root": str(source)})
        return self.settings.updated({"data": source, "data_root": None})

    def expect_data(self, place: RunConfig) -> Run:
        """Read the data, once needed, from the location in these settings: they may have moved."""
        self._place = place
        return self

    def _read(self) -> Dataset:
        return self._accepted(self.data_at(self.place))

    def data_at(self, place: RunConfig, progress: bool = False) -> Dataset:
        """Read the data from the location in these settings, whatever their content.

        Args:
            place: the settings of the run, perhaps with another location.
            progress: show the progress of reading.

        Raises:
            MissingDataError: they cannot be read.
        """
        try:
            return load_data(place, progress)
        except InputError as error:
            reason = str(error).partition(";")[0].rstrip(".")
            if place.data != self.settings.data:
                raise MissingDataError(
                    f"The data given for the run in {self.folder} cannot be read with the run's "
                    f"settings: {reason}; give those that it was trained on."
                ) from None
            raise MissingDataError(
                f"The data of the run in {self.folder} cannot be read: {reason}; if they have "
                "moved, give their new location with read_data(...); if they were in "
                "memory, give a file that holds them."
            ) from None

    def _accepted(self, dataset: Dataset) -> Dataset:
        """The data, if they are those of the training."""
        known = self.model().spec.data_fingerprint if self.finished else None
        if known is not None and dataset.fingerprint != known:
            raise MissingDataError(
                f"The content of {dataset.name} has changed since the run in {self.folder} was "
                "trained; restore it, or give the location of the original data with "
                "read_data(...)."
            )
        return dataset

    def attach(self, model: LatentModel | None = None, dataset: Dataset | None = None) -> Run:
        """Use a model or data that are already in memory."""
        self._model, self._dataset = model or self._model, dataset or self._dataset
        return self

    def split(self, name: str) -> Split:
        """The training or the test samples.

        Args:
            name: `"train"` or `"test"`.
        """
        dataset = self.dataset()
        return dataset.train if name == "train" else dataset.test

    def codes(self, split: str) -> np.ndarray:
        """The codes of a split, `(N, L)` float32.

        Args:
            split: `"train"` or `"test"`.
        """
        return self.encoded(split)["codes"]

    def encoded(self, split: str) -> dict[str, np.ndarray]:
        """The codes of a split, with `labels`, `parameters` and `rows` of its samples if known.

        A finished run stores them, so its data are not read; if the file is missing, they are
        encoded and stored again.

        Args:
            split: `"train"` or `"test"`.
        """
        if split not in self._encoded:
            stored = read_arrays(self.folder / CODES, split)
            self._encoded[split] = stored or self._encode(split)
            if not stored and self.finished:
                with suppress(InputError):  # a read-only folder can still be used
                    self._store()
        return self._encoded[split]

    @property
    def kept(self) -> Kept:
        """Names and a few test samples; a finished run stores them, so its data are not read."""
        path = self.folder / CODES
        arrays = read_arrays(path, _SHOWN)
        if not arrays:
            return Kept.of(self.dataset())
        try:
            with safe_open(path, "numpy") as file:
                return Kept.restored(arrays, file.metadata()["kept"])
        except (SafetensorError, ValueError, TypeError, KeyError) as error:
            raise _damaged_codes(path, error) from None

    def _encode(self, split: str) -> dict[str, np.ndarray]:
        part = self.split(split)
        return {"codes": self.model().encode_array(part.x), **part.metadata}

    def write_codes(self) -> None:
        """Encode both splits and store the results for `encoded` and `kept`."""
        self._encoded = {}
        self._store()

    def _store(self) -> None:
        """Store the codes of both splits, encoding those that are not known."""
        for split in ("train", "test"):
            if split not in self._encoded:
                self._encoded[split] = self._encode(split)
        arrays = {
            f"{split}/{name}": _as_numbers(values)
            for split, found in self._encoded.items()
            for name, values in found.items()
        }
        kept = Kept.of(self.dataset())
        arrays |= {f"{_SHOWN}/{name}": values for name, values in kept.arrays.items()}
        with atomic_write(self.folder / CODES) as temporary:
            save_file(arrays, temporary, metadata={"kept": kept.words})
        for path in self.folder.glob(PARAMETER_MAP.format(kind="*")):
            remove_file(path)  # fitted to earlier codes

    def write_metrics(self, values: dict[str, Any]) -> None:
        """Write the metrics, which marks the run as finished."""
        write_json(self.folder / METRICS, values)


def finished_run(folder: str | Path, **networks: nn.Module | None) -> Run:
    """The finished run in a folder.

    Args:
        folder: folder of the run.
        **networks: your own `encoder` and `decoder`, if it was trained with any.

    Raises:
        InputError: it is not the folder of a run, or the run is not finished.
    """
    run = Run(folder, **networks)
    if not run.finished:
        raise _unfinished(run.folder)
    return run


def _unfinished(folder: Path) -> InputError:
    return InputError(
        f"The run in {folder} is not finished; resume it with: latentrank train --resume "
        f"{shlex.quote(str(folder))}"
    )


def load_data(config: RunConfig, progress: bool = False, source: Any = None) -> Dataset:
    """The data set that a configuration names, or describes if it is in memory.

    Args:
        config: of the run.
        progress: show the progress of reading.
        source: data in memory, as `latentrank.data.load` takes them.
    """
    how = config.data.model_dump()
    named = how.pop("source")
    return data.load(
        named if source is None else source,
        root=how.pop("data_root"),
        seed=config.training.seed,
        progress=progress,
        **how,
    )


def read_arrays(path: Path, prefix: str) -> dict[str, np.ndarray]:
    """The arrays `PREFIX/NAME` of a safetensors file by name; empty if there is no file."""
    if not path.is_file():
        return {}
    try:
        with safe_open(path, "numpy") as file:
            names = [name for name in file.keys() if name.startswith(f"{prefix}/")]  # noqa: SIM118
            stored = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise _damaged_codes(path, error) from None
    found = {name.removeprefix(f"{prefix}/"): values for name, values in stored.items()}
    if "names" in found:
        found["names"] = found["names"].view(f"U{found['names'].shape[1]}")[:, 0]
    return found


def _damaged_codes(path: Path, error: Exception) -> InputError:
    return MissingDataError(
        f"{path} is damaged ({error}); remove it to recompute the codes from the data."
    )


def _as_numbers(values: np.ndarray) -> np.ndarray:
    """An array for safetensors; text, which it does not support, as code points `(N, width)`."""
    values = np.ascontiguousarray(values)
    return values.view(np.uint32).reshape(len(values), -1) if values.dtype.kind == "U" else values
