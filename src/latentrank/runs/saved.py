"""Models without a run folder, opened with the interface of a run."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import nn

from latentrank import data
from latentrank.config import RunConfig
from latentrank.data import Dataset, images
from latentrank.errors import InputError
from latentrank.filenames import CONFIG, ESTIMATOR_ARRAYS, SPEC
from latentrank.io import expanded
from latentrank.linalg.precision import to_float64
from latentrank.models.base import LatentModel
from latentrank.preprocessing import Preprocessing
from latentrank.runs.folder import Run, finished_run
from latentrank.runs.kept import Kept
from latentrank.runs.measured import measured
from latentrank.serialization import load, spec_of

Array = np.ndarray


def opened(
    folder: str | Path,
    source: str | Path | Dataset | None = None,
    *,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
) -> Run:
    """A finished run, or a model written by any `save`, for reports, metrics and sampling.

    Args:
        folder: folder of a run, of `latentrank.save`, of an estimator's `save`, or of a shared
            model.
        source: data for a saved model, or the new location of a run's data, if they have moved.
        encoder: your own network, if the model was built with one.
        decoder: your own network, if `encoder` is given.

    Raises:
        InputError: the folder contains neither, the run is not finished, or its data cannot be read
            or have changed.

    Example:
        >>> import tempfile, latentrank
        >>> model = latentrank.build("ae", (1, 64, 64), latent_dim=4)
        >>> found = opened(latentrank.save(model, tempfile.mkdtemp()), "gaussian2d")
        >>> found.codes("test").shape, sorted(found.lacks)
        ((1000, 4), ['history'])
    """
    networks = {"encoder": encoder, "decoder": decoder}
    folder = expanded(folder)
    saved = (folder / SPEC).is_file() and not (folder / CONFIG).is_file()
    found = SavedModel(folder, **networks) if saved else finished_run(folder, **networks)
    if source is not None:
        found.read_data(source)
    return found


class SavedModel(Run):
    """A saved model as a run without history, whose data the user supplies.

    Without data it has what is stored with the weights: the statistics of the training codes and,
    in an estimator's folder, the codes themselves.

    Args:
        folder: folder of the model.
        encoder: your own network, if the model was built with one.
        decoder: your own network, if `encoder` is given.

    Raises:
        InputError: there is no model.
    """

    finished = True
    _source: str | Path | Dataset | None = None

    def _check(self) -> None:
        spec_of(self.folder)

    @property
    def lacks(self) -> frozenset[str]:  # type: ignore[override]
        """The history, and samples unless there are data."""
        return frozenset({"history"} if self._source is not None else {"history", "samples"})

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """What is missing and how to get it, or what is not known about the data."""
        if self._source is None:
            return (
                "This is what the model alone can show; for reconstructions, errors and the codes "
                "of samples, give data with read_data(...).",
            )
        told = [] if self.held_out else ["The model may have been trained on these samples."]
        if not self._bare.statistics.known:
            told.append("It was saved without finalize, and was finalized with these data.")
        return tuple(told)

    @property
    def held_out(self) -> bool:  # type: ignore[override]
        """Whether the data are those of its training, and split in the same way."""
        return self._bare.spec.data_fingerprint == self.measured_on

    @property
    def measured_on(self) -> str | None:  # type: ignore[override]
        """The fingerprint of the data."""
        return None if self._source is None else self.dataset().fingerprint

    @property
    def config(self) -> dict[str, Any]:
        """The settings that are known; the name of the folder stands for the others."""
        known = self.settings.flat()
        names = ("method", "options", "latent_dim", "net")
        given = {} if self._source is None else {"data": known["data"]}
        return {**{name: known[name] for name in names}, **given, "model": self.folder.name}

    @property
    def settings(self) -> RunConfig:
        """The method and the data; other settings have their defaults."""
        spec = self._bare.spec
        name = self._source.name if isinstance(self._source, Dataset) else self._source
        return RunConfig(
            method=spec.method,
            options=spec.options,
            latent_dim=spec.latent_dim,
            net=spec.net,
            data=name or "",
            **spec.reading,
        )

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Metrics measured on the data or, without any, from statistics of the training codes."""
        model = self.model()
        if self._source is not None:
            return measured(model, self.dataset(), torch.from_numpy(self.codes("test")))
        rank, variances = model.rank(), to_float64(model.statistics.variances)
        values = torch.zeros(model.latent_dim, dtype=torch.float64)
        if variances[0] > 0:
            values[: len(variances)] = variances / variances[0]
        return {
            "rank": rank,
            "latent_dim": model.latent_dim,
            "parameters": sum(p.numel() for p in model.parameters()),
            "singular_values": values.tolist(),
        }

    @property
    def history(self) -> dict[str, Array]:
        """Empty: nothing is known about the training."""
        return {}

    @cached_property
    def _bare(self) -> LatentModel:
        """The model as it was saved.

        Built-in networks of bounded data give values in [0, 1]; where no preprocessing was saved,
        that is the range of samples.
        """
        model = load(self.folder, **self._networks)
        spec = model.spec
        if spec.preprocessing is None and spec.bounded and spec.net != "custom":
            model.preprocessing = Preprocessing(low=0.0, high=1.0)
        return model

    def model(self) -> LatentModel:
        """The model, in evaluation mode; one saved without `finalize` is finalized with the data.

        Raises:
            InputError: it is damaged, or needs your own networks.
        """
        if self._model is None:
            self._model = self._bare
            if self._source is not None and not self._bare.statistics.known:
                self._model = load(self.folder, **self._networks)
                self._model.preprocessing = self._bare.preprocessing
                train = self.dataset().train.x
                self._model.finalize(lambda: self._bare.batches(train))
        return self._model

    def read_data(self, source: str | Path | Dataset | None = None) -> None:
        """Take data: a name, a path, or a data set in memory.

        Raises:
            InputError: they cannot be read, or are of another shape or range than the model's.
        """
        self._source, self._dataset, self._model, self._encoded = source, None, None, {}
        self.__dict__.pop("metrics", None)
        if source is not None:
            self.dataset()

    def need_samples(self) -> None:
        """Refuse a model that was given no data."""
        if self._source is None:
            raise InputError(
                f"{self.folder} contains a model without data, but this needs samples; give some "
                "with read_data(...)."
            )

    def _read(self) -> Dataset:
        units, shape = self._bare.preprocessing, self._bare.spec.input_shape
        self.need_samples()
        assert self._source is not None, "need_samples refuses it"
        if isinstance(self._source, Dataset):
            if self._source.shape != shape:
                raise InputError(
                    f"The samples of {self._source.name} have shape {self._source.shape}, expected "
                    f"{shape}, the shape used in training; give data of that shape."
                )
            return replace(self._source, preprocessing=units)
        spec = self._bare.spec
        how: dict[str, Any] = {**spec.reading, "conventions": spec.conventions}
        named = isinstance(self._source, str) and self._source in data.names()
        if not named and images.find(self._source) is not None:
            square = len(shape) == 3 and shape[1] == shape[2]
            how = {"image_size": shape[-1]} if square else {}
        return data.load_like(self._source, units, shape, **how)

    def encoded(self, split: str) -> dict[str, Array]:
        """The codes of a split of the data; an estimator's folder holds its training codes.

        Args:
            split: `"train"` or `"test"`.

        Raises:
            InputError: there are no data.
        """
        if split not in self._encoded:
            kept = self._embedding() if self._source is None and split == "train" else None
            self._encoded[split] = self._encode(split) if kept is None else {"codes": kept}
        return self._encoded[split]

    @property
    def kept(self) -> Kept:
        """Names and a few test samples; none without data."""
        if self._source is not None:
            return Kept.of(self.dataset())
        return Kept(np.empty(0, np.int64), np.empty((0, *self._bare.spec.input_shape)))

    def _embedding(self) -> Array | None:
        path, width = self.folder / ESTIMATOR_ARRAYS, self._bare.latent_dim
        if not path.is_file():
            return None
        try:
            codes = load_file(path)["embedding"]
        except (OSError, KeyError, TypeError, SafetensorError):
            codes = np.empty(0)
        if codes.ndim != 2 or codes.shape[1] != width or codes.dtype.kind != "f":
            raise InputError(f"{path} is damaged; save the estimator again.")
        return codes
