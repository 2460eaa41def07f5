"""What reports show of a run: test samples, codes and decoded codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from latentrank.data.axes import Axes
from latentrank.data.parameters import parameter_names
from latentrank.density.base import Subspace
from latentrank.errors import InputError
from latentrank.evaluation.coefficients import (
    ErrorCurve,
    error_by_coefficients,
    pca_error_by_coefficients,
)
from latentrank.filenames import ERRORS
from latentrank.inference import fit_density
from latentrank.linalg import RANK_THRESHOLD
from latentrank.methods import METHODS
from latentrank.preprocessing import Preprocessing
from latentrank.report.cells import Limits
from latentrank.report.errors import Errors
from latentrank.report.limits import UNIT, drawn, in_colour, limits_of
from latentrank.runs import MissingDataError, Run
from latentrank.runs.configure import shown_name
from latentrank.runs.kept import Kept
from latentrank.runs.measured import share_of_variance

Floats = NDArray[np.floating]

_STARTS: Final = 12
_CLOUD: Final = 1000
_KINDS: Final = {1: "row", 2: "curve", 3: "image", 4: "volume"}
_CAPITALS: Final = {"lorae": "LoRAE", "weak": "weak", "adaptive": "adaptive", "flow": "flow"}


class View:
    """A run prepared for figures: everything in the units of the data, computed once.

    Args:
        run: a finished run.
        first: the view of a run on the same data, whose PCA and test samples are used, and in whose
            units samples are drawn, so that samples of both runs fit on one axis.
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
        """The name of the data set; for a path, its last part; empty without data."""
        return shown_name(str(self.config.get("data", "")))

    @property
    def title(self) -> str:
        """Method and data."""
        return f"{self.name} on {self.data_name}" if self.data_name else self.name

    @property
    def has_samples(self) -> bool:
        """Whether there are samples; a saved model without data has none."""
        return "samples" not in self.run.lacks

    @property
    def preprocessing(self) -> Preprocessing:
        """The preprocessing of the model."""
        return self.run.model().preprocessing

    @property
    def units(self) -> Preprocessing:
        """The preprocessing whose units samples are drawn in."""
        return self.first.preprocessing

    @cached_property
    def kept(self) -> Kept:
        """Names and the test samples shown."""
        return self.run.kept

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a sample in network layout."""
        return self.run.model().spec.input_shape

    @cached_property
    def errors(self) -> Errors:
        """Errors by number of coefficients; if the data are missing, as last measured.

        Raises:
            InputError: the model has no encoder, or the test samples are all equal.
            MissingDataError: the data cannot be read, and there is no earlier measurement.
        """
        self.need_codes("no reconstruction error")
        try:
            model = error_by_coefficients(self.run.model(), self.run.dataset())
            return Errors(model, self.first.pca)
        except MissingDataError:
            found = Errors.read(self.run.folder / ERRORS)
            if found is None:
                raise
            return found

    @property
    def share(self) -> float | None:
        """Error of all test samples as a share of their variance; None if it was not measured."""
        return share_of_variance(self.metrics)

    @property
    def errors_if_known(self) -> Errors | None:
        """The same, or None if they cannot be computed."""
        try:
            return self.errors
        except InputError:
            return None

    @cached_property
    def pca(self) -> ErrorCurve:
        """Errors of PCA on the same data."""
        return pca_error_by_coefficients(self.run.dataset())

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
        return _KINDS[len(self.shape)]

    @property
    def as_lines(self) -> bool:
        """Whether a sample is a curve or a vector rather than a picture."""
        return len(self.shape) <= 2

    @cached_property
    def originals(self) -> Floats:
        """The test samples shown, `(n, *shape)`."""
        return self.as_drawn(self.kept.x)

    @cached_property
    def examples(self) -> Floats:
        """The same, or without data decoded `starts`."""
        return self.originals if self.has_samples else self.decode(self.starts)

    @cached_property
    def starts(self) -> Floats:
        """`(n, L)` codes of the test samples shown of `first`, or random ones: see `start_noun`."""
        shown = self.first.kept.x
        if self.starts_from_noise or not self.first.has_samples:
            return self.random_codes(len(shown) or _STARTS)
        return self.run.model().encode_array(shown)

    @cached_property
    def cloud(self) -> Floats:
        """`(N, L)` codes of all test samples, or without data random ones."""
        return self.test["codes"] if self.has_samples else self.random_codes(_CLOUD)

    @property
    def start_noun(self) -> str:
        """The noun for the samples that `starts` represent."""
        return f"{'test' if self.has_samples else 'random'} {self.noun}"

    def random_codes(self, count: int) -> Floats:
        """Codes from one Gaussian fitted to the training codes, or noise, with a fixed seed."""
        name = "prior" if self.starts_from_noise else "gaussian"
        return fit_density(self.run, name).sample(count, seed=0)

    @cached_property
    def limits(self) -> Limits:
        """Values drawn as black and white: 0 and 1, or the range of the examples."""
        return UNIT if self.units.bounded else self.limits_of(self.examples)

    def limits_of(self, samples: NDArray[Any]) -> Limits:
        """Limits for drawing samples `(..., *shape)` of this run, see `limits.limits_of`."""
        return limits_of(samples, self.shape, self.units, self.axes)

    @property
    def in_colour(self) -> bool:
        """Whether three channels are drawn as red, green and blue."""
        return in_colour(self.shape, self.units, self.axes)

    @cached_property
    def axes(self) -> Axes:
        """Names, units and coordinates of the axes of a sample as it is drawn."""
        axes = self.kept.axes
        return axes.upside_down() if axes.upwards else axes

    @cached_property
    def titles(self) -> list[str]:
        """What is known about each sample of `starts`: its class or parameters."""
        if not self.has_samples:
            return ["" for _ in self.starts]
        test, rows = self.test, self.kept.rows
        if "labels" in test:
            classes = self.kept.class_names
            return [str(n) if classes is None else classes[n] for n in test["labels"][rows]]
        if "parameters" not in test:
            return ["" for _ in rows]
        return [
            ", ".join(
                f"{name} {value:.4g}" for name, value in zip(self.parameter_names, row, strict=True)
            )
            for row in test["parameters"][rows]
        ]

    @property
    def parameter_names(self) -> Sequence[str]:
        """Names of the parameters of the data, if there are parameters."""
        known = self.test.get("parameters", np.empty((0, 0)))
        return parameter_names(self.kept.parameter_names, known.shape[1])

    @property
    def parameter_labels(self) -> list[str]:
        """The same with their units, where the data have them."""
        labels = {axis.name: axis.label for axis in self.axes.parameters}
        return [labels.get(name, name) for name in self.parameter_names]

    def decode(self, codes: NDArray[Any]) -> Floats:
        """Decode codes.

        Args:
            codes: `(..., L)`.

        Returns:
            `(..., *shape)`.
        """
        decoded = self.run.model().decode_array(codes.reshape(-1, codes.shape[-1]))
        return self.as_drawn(decoded).reshape(*codes.shape[:-1], *self.shape)

    @property
    def test(self) -> Mapping[str, NDArray[Any]]:
        """Codes of the test samples, with `labels` and `parameters` if known; empty without data.

        Raises:
            MissingDataError: the data are needed and missing.
        """
        return self.run.encoded("test") if self.has_samples else {}

    @cached_property
    def plane(self) -> Subspace:
        """Mean, principal directions and standard deviations of the training codes."""
        return Subspace.of_statistics(self.run.model().statistics)

    @property
    def explained(self) -> Floats:
        """`(d,)` shares of the codes' variance along the principal directions, largest first."""
        variances = self.plane.scales**2
        return np.asarray(variances / variances.sum())

    @property
    def directions(self) -> int:
        """The number of principal directions, counted in the same way as the rank."""
        variances = self.plane.scales**2
        return int((variances > RANK_THRESHOLD * variances[:1]).sum())

    def in_plane(self, codes: NDArray[Any]) -> Floats:
        """Positions of codes `(N, L)` along the first two principal directions, or the only one."""
        shown = self.plane.basis[:, : min(self.directions, 2)]
        return np.asarray((codes - self.plane.mean) @ shown)

    @cached_property
    def starts_from_noise(self) -> bool:
        """Whether the decoder takes noise instead of codes of samples, as in a GAN."""
        return not self.run.model().reconstructs

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

    def as_drawn(self, x: NDArray[Any]) -> Floats:
        """Samples `(N, *shape)` as they are drawn: see `drawn`; height points upwards."""
        shown = drawn(x, self.units)
        return shown[..., ::-1, :] if self.kept.axes.upwards else shown


def display_name(method: str) -> str:
    """A method's name as written in papers.

    Args:
        method: name as on the command line.

    Returns:
        The name with capitals; that of a method of another package as it is.

    Example:
        >>> [display_name(name) for name in ("lorae", "irmae-wd", "rrae-weak", "schatten")]
        ['LoRAE', 'IRMAE-WD', 'RRAE-weak', 'schatten']
    """
    if not METHODS.included(method):
        return method
    return "-".join(_CAPITALS.get(part, part.upper()) for part in method.split("-"))


def flat_settings(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a nested mapping, with dotted names.

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
