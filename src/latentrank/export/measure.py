"""Measuring an exported file on samples like those of the training data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latentrank.export.parts import dtype_of
from latentrank.models.base import LatentModel
from latentrank.preprocessing import Preprocessing

Array = NDArray[Any]

#: Samples on which a file is compared with the model.
SAMPLES = 64


def units_of(model: LatentModel, part: str) -> Preprocessing | None:
    """Units of the outputs of a part of a model, if these are samples that were preprocessed.

    Args:
        model: the trained model.
        part: one of `latentrank.export.PARTS`.
    """
    return None if part == "encoder" else model.spec.preprocessing


class Difference(NamedTuple):
    """How far an exported file is from the model in torch, in float32.

    Attributes:
        largest: largest difference between two numbers, in the units of the output.
        relative: root mean square of all differences, divided by the standard deviation of the
            model's output. Each column or channel of samples is first divided by its own standard
            deviation, so that one with large numbers does not hide the errors of another.
        share: share of the numbers that differ by 0.5 or more. Integer outputs may differ where a
            value lies halfway between two integers, since rounding decides there.
        largest_relative: largest difference, relative in the same way as the root mean square.
    """

    largest: float
    relative: float
    share: float
    largest_relative: float

    @classmethod
    def between(
        cls, found: Array, expected: Array, units: Preprocessing | None = None
    ) -> Difference:
        """The difference of two arrays of the same shape; NaN in both is no difference.

        Args:
            found: what the file computes.
            expected: what the model computes.
            units: of samples, see `units_of`; None for codes.
        """
        a, b = (np.asarray(values, dtype=np.float64) for values in (found, expected))
        if a.shape != b.shape:
            return cls(np.inf, np.inf, 1.0, np.inf)
        errors = apart = _apart(a, b)
        if units is not None:
            # With a large offset, one unit in the last digit may be a large share of a deviation.
            digit = np.spacing(np.abs(expected)) if expected.dtype.kind == "f" else 0.0
            a, b, further = (
                units.standardised(units.to_network_layout(values)) for values in (a, b, b + digit)
            )
            errors = np.maximum(_apart(a, b) - _apart(further, b), 0.0)
        spread = float(np.nanstd(b)) or float(np.nanmax(np.abs(b), initial=0.0)) or 1.0
        relative = float(np.sqrt(np.square(errors).mean())) / spread
        share, most = float((apart >= 0.5).mean()), float(errors.max()) / spread
        return cls(float(apart.max()), relative, share, most)


def _apart(a: Array, b: Array) -> Array:
    return np.abs(np.where(np.isnan(a) & np.isnan(b), 0.0, a - b))


@dataclass(frozen=True)
class Exported(os.PathLike[str]):
    """A written file and its loss of accuracy; usable as a path.

    Attributes:
        path: the file.
        widths: numbers in a code before and after compression.
        change: relative change of reconstructions by compression; None without it.
        difference: difference between the file's outputs and those of the model (compressed, if
            requested) in float32; None if the file cannot be run here.
    """

    path: Path
    widths: tuple[int, int]
    change: float | None
    difference: Difference | None

    def __fspath__(self) -> str:
        return str(self.path)


@torch.no_grad()
def typical_samples(model: LatentModel, n: int = SAMPLES) -> Tensor:
    """Normalised samples like those of the training data, always the same.

    They are decoded from a Gaussian fitted to the training codes; for a GAN, or a model without
    statistics of these codes, the samples themselves are noise.

    Args:
        model: the trained model, on the CPU.
        n: how many.

    Returns:
        `(n, *input_shape)`.
    """
    if model.reconstructs and model.statistics.known:
        return model.decode(typical_codes(model, n))
    draw = torch.rand if model.spec.bounded else torch.randn
    return draw((n, *model.spec.input_shape), generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def typical_codes(model: LatentModel, n: int = SAMPLES) -> Tensor:
    """Codes like those of the training data, always the same.

    Args:
        model: the trained model, on the CPU.
        n: how many.

    Returns:
        `(n, L)`.
    """
    statistics = model.statistics
    if not model.reconstructs:
        return torch.randn(n, model.latent_dim, generator=torch.Generator().manual_seed(0))
    if not statistics.known:
        return model.encode(typical_samples(model, n))
    return statistics.mean + statistics.typical_coefficients(n) @ statistics.directions.T


def typical_inputs(model: LatentModel, part: str) -> Array:
    """Inputs for comparing a part of a model: codes, or samples as the user has them.

    Args:
        model: the trained model, on the CPU.
        part: one of `latentrank.export.PARTS`.
    """
    if part == "decoder":
        return np.asarray(typical_codes(model).numpy())
    x, made = typical_samples(model), model.spec.preprocessing
    if made is None:
        return np.asarray(x.numpy())
    own = np.ascontiguousarray(made.to_own_layout(made.denormalise(x)))
    return own.astype(str(dtype_of(made)).removeprefix("torch."), copy=False)


@torch.no_grad()
def compression_change(model: LatentModel, small: LatentModel) -> float:
    """`||D(z) - D(z_k)|| / ||D(z)||`, by which compression changes typical reconstructions.

    The codes `z` are like those of the training data, as in the criterion of `compress`. Encoding
    decoded samples again would not do: unless reconstructions are good, their codes are others.

    Args:
        model: before, on the CPU and in evaluation mode.
        small: after.
    """
    coefficients = model.statistics.typical_coefficients()
    before = model.decode(model.statistics.mean + coefficients @ model.statistics.directions.T)
    after = small.decode(coefficients[:, : small.latent_dim])
    return float((after - before).norm() / before.norm())


@torch.no_grad()
def computed(module: nn.Module, inputs: Array) -> Array:
    """What a module computes from an array."""
    return np.asarray(module(torch.from_numpy(inputs)).numpy())
