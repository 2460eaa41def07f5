"""The data that reports show of a run: test samples, codes and decoded codes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrank.data import Dataset
from latentrank.density.base import Subspace
from latentrank.errors import InputError
from latentrank.evaluation.coefficients import (
    ErrorCurve,
    error_by_coefficients,
    pca_error_by_coefficients,
)
from latentrank.filenames import FIGURES
from latentrank.linalg import RANK_THRESHOLD
from latentrank.preprocessing import Preprocessing
from latentrank.report.cells import FieldLimits, Limits, value_limits
from latentrank.report.errors import Errors
from latentrank.runs import Run

Floats = NDArray[np.floating]

ERRORS: Final = f"{FIGURES}/coefficients.csv"
_SHOWN: Final = 12
_BATCH: Final = 256
_KINDS: Final = {1: "vector", 2: "curve", 3: "image", 4: "volume"}
_CAPITALS: Final = {"lorae": "LoRAE", "weak": "weak", "adaptive": "adaptive", "flow": "flow"}


class MissingDataError(InputError):
    """The data of a run cannot be read, so figures that need them cannot be drawn."""


class View:
    """A run prepared for figures: everything in the units of the data, computed once.

    Args:
        run: a finished run.
        first: the view of a run on the same data, whose PCA is reused.
    """

    def __init__(self, run: Run, first: View | None = None) -> None:
        self.run = run
        self.first = first or self
        self.config = run.config
        self.metrics = run.metrics

    @property
    def name(self) -> str:
        """The display name of the method."""
        return display_name(str(self.config["method"]))

    @property
    def data_name(self) -> str:
        """The name of the data set; for a path, its last part."""
        return Path(str(self.config["data"])).name

    @cached_property
    def dataset(self) -> Dataset:
        """The data.

        Raises:
            MissingDataError: they cannot be read.
        """
        try:
            return self.run.dataset()
        except InputError as error:
            raise MissingDataError(str(error)) from None

    @cached_property
    def errors(self) -> Errors:
        """Errors by number of coefficients; if the data are missing, as last measured.

        Raises:
            InputError: the model has no encoder, or the test samples are all equal.
            MissingDataError: the data cannot be read, and there is no earlier measurement.
        """
        self.need_codes("no reconstruction error")
        try:
            model = error_by_coefficients(self.run.model(), self.dataset)
            return Errors(model, self.first.pca)
        except MissingDataError:
            found = Errors.read(self.run.folder / ERRORS)
            if found is None:
                raise
            return found

    @property
    def errors_if_known(self) -> Errors | None:
        """The same, or None if there are none."""
        try:
            return self.errors
        except InputError:
            return None

    @cached_property
    def pca(self) -> ErrorCurve:
        """Errors of PCA on the same data."""
        return pca_error_by_coefficients(self.dataset)

    @property
    def rank_is_given(self) -> bool:
        """Whether the rank was set by the user rather than found in training."""
        asked = self.config.get("options", {}).get("rank")
        found = self.metrics.get("rank_search")
        return isinstance(asked, int) and not isinstance(asked, bool) and not found

    @property
    def warnings(self) -> list[str]:
        """Warnings of the training."""
        warning = self.metrics.get("warning")
        return [str(warning)] if warning else []

    @property
    def noun(self) -> str:
        """The word for a sample, such as image."""
        return _KINDS[len(self.dataset.shape)]

    @cached_property
    def picks(self) -> NDArray[np.int64]:
        """Indices of the test samples shown: classes in turn, or evenly spaced."""
        count, labels = len(self.dataset.test), self.dataset.test.labels
        if labels is None:
            return np.unique(np.linspace(0, count - 1, min(_SHOWN, count)).astype(np.int64))
        order = np.argsort(labels, kind="stable")
        sizes = np.unique(labels, return_counts=True)[1]
        turn = np.concatenate([np.arange(size) for size in sizes])
        return order[np.argsort(turn, kind="stable")][:_SHOWN].astype(np.int64)

    @cached_property
    def originals(self) -> Floats:
        """The picked test samples, `(n, *shape)`."""
        return self._own(self.dataset.test.x[self.picks])

    @cached_property
    def limits(self) -> Limits:
        """Values drawn as black and white: 0 and 1, or the range of the originals.

        Single-channel images without bounds are fields, drawn with a colour bar.
        """
        bounded = self.dataset.preprocessing.bounded
        if bounded:
            return Limits(0.0, 1.0)
        found = value_limits(self.originals)
        field = self.noun == "image" and self.dataset.shape[0] != 3
        return FieldLimits(*found) if field else found

    @torch.no_grad()
    def codes_of_picks(self, rows: NDArray[np.int64], dataset: Dataset) -> Floats:
        """Codes of test samples, of this run's data or of another run's.

        Args:
            rows: `(n,)` rows of the test split.
            dataset: data set to take them from.

        Returns:
            `(n, L)` float32.
        """
        seen = self.dataset.preprocessing.normalise(dataset.test.x[rows])
        codes: Floats = self.run.model().encode(seen).cpu().numpy()
        return codes

    @torch.no_grad()
    def decode(self, codes: NDArray[Any]) -> Floats:
        """Decode codes.

        Args:
            codes: `(..., L)`.

        Returns:
            `(..., *shape)`.
        """
        flat = torch.from_numpy(codes.reshape(-1, codes.shape[-1]).astype(np.float32))
        model = self.run.model()
        decoded = torch.cat([model.decode(batch) for batch in torch.split(flat, _BATCH)])
        return self._shown(decoded).reshape(*codes.shape[:-1], *self.dataset.shape)

    @cached_property
    def training_codes(self) -> NDArray[Any]:
        """`(N, L)`."""
        return self.codes("train")

    def codes(self, split: str) -> NDArray[Any]:
        """Codes of `"train"` or `"test"`, `(N, L)`.

        Raises:
            MissingDataError: they were not stored, and the data cannot be read.
        """
        try:
            return self.run.codes(split)
        except InputError as error:
            raise MissingDataError(str(error)) from None

    @cached_property
    def plane(self) -> Subspace:
        """Mean, principal directions and standard deviations of the training codes."""
        return Subspace.of(self.training_codes)

    @property
    def directions(self) -> int:
        """The number of principal directions, counted in the same way as the rank."""
        variances = self.plane.scales**2
        return int((variances > RANK_THRESHOLD * variances[0]).sum()) if len(variances) else 0

    @cached_property
    def starts_from_noise(self) -> bool:
        """Whether the decoder takes noise instead of codes of samples, as in a GAN."""
        return not self.run.model().reconstructs

    def anchors(self, first: View) -> NDArray[Any]:
        """The end points of interpolations.

        Args:
            first: the run whose test samples are used.

        Returns:
            `(n, L)`: codes of its picked test samples; noise of a fixed seed for a GAN.
        """
        if self.starts_from_noise:
            width = int(self.metrics["latent_dim"])
            return np.random.default_rng(0).standard_normal((len(first.picks), width))
        return self.codes_of_picks(first.picks, first.dataset)

    def need_codes(self, purpose: str) -> None:
        """Raise if a figure is impossible because the decoder takes no codes.

        Args:
            purpose: consequence, such as `"nothing to reconstruct"`.

        Raises:
            InputError: the decoder starts from noise.
        """
        if self.starts_from_noise:
            raise InputError(
                f"{self.name} generates from noise and has no codes of {self.noun}s, so there "
                f"is {purpose}."
            )

    def need_directions(self, purpose: str) -> None:
        """Raise if a figure is impossible because all codes are the same.

        Args:
            purpose: consequence, such as `"nothing to sample"`.

        Raises:
            InputError: all training codes are equal.
        """
        if self.directions == 0:
            raise InputError(
                f"The code is constant (rank 0): every code gives the same {self.noun}, so "
                f"there is {purpose}."
            )

    def _shown(self, x: Tensor) -> Floats:
        """Samples as arrays in the units of the data."""
        return self._own(self.dataset.preprocessing.denormalise(x))

    def _own(self, x: NDArray[Any]) -> Floats:
        """Floats as they are drawn, see `drawn`."""
        return drawn(x, self.dataset.preprocessing)


def drawn(x: NDArray[Any], units: Preprocessing) -> Floats:
    """Samples as they are drawn.

    Args:
        x: `(N, *shape)`, in the units of the data.
        units: the preprocessing of the data.

    Returns:
        Fractions of the bounds where there are bounds. Rows of a table in standard deviations from
        the mean of each column, since columns of different units do not fit on one axis. Anything
        else in the units of the data, float64.

    Example:
        >>> units = Preprocessing(offset=(5.0, 1e9), scale=(1.0, 1e6))
        >>> drawn(np.array([[6.0, 1.002e9]]), units).tolist()
        [[1.0, 2.0]]
    """
    if units.bounded or x.ndim == 2:
        return units.normalise(x).numpy()
    return x.astype(np.float64)


def display_name(method: str) -> str:
    """A method's name as written in papers.

    Args:
        method: name as on the command line.

    Returns:
        The name with capitals.

    Example:
        >>> [display_name(name) for name in ("lorae", "irmae-wd", "rrae-weak")]
        ['LoRAE', 'IRMAE-WD', 'RRAE-weak']
    """
    return "-".join(_CAPITALS.get(part, part.upper()) for part in method.split("-"))


def flat_settings(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a nested mapping, with dotted names.

    Args:
        values: a configuration or metrics.
        prefix: prefix of the names.

    Returns:
        Name to value; an empty inner mapping is dropped.

    Example:
        >>> flat_settings({"method": "lorae", "options": {"penalty": 0.001}})
        {'method': 'lorae', 'options.penalty': 0.001}
    """
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update(flat_settings(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat
