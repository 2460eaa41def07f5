"""Parts of a model as modules that take and return samples as the user stores them."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from latentrank.bottlenecks import RankBottleneck
from latentrank.errors import InputError, check_known
from latentrank.models.base import LatentModel
from latentrank.models.spec import Spec
from latentrank.preprocessing import SLACK, Preprocessing, channel_axis

#: Input and output of each part.
NAMES = {
    "encoder": ("x", "codes"),
    "decoder": ("codes", "x"),
    "autoencoder": ("x", "reconstruction"),
}
#: Parts of a model that can be exported.
PARTS = tuple(NAMES)

_NETWORK_LAYOUTS = {1: "NF", 2: "NCT", 3: "NCHW", 4: "NCDHW"}


def deployed(model: LatentModel, compress: float | None = None) -> LatentModel:
    """The model as it is shipped: folded where its latent is linear, on the CPU.

    Args:
        model: a trained model; it is not changed.
        compress: reduce the code to the coefficients that keep reconstructions within this
            relative change; None keeps the code.

    Raises:
        InputError: the model has no basis yet, or it cannot be compressed and `compress` is given,
            or that is not a number in (0, 1].

    Example:
        >>> import latentrank
        >>> model = latentrank.build("irmae", (6,), latent_dim=4).eval()
        >>> deployed(model).bottleneck
        Identity()
    """
    if isinstance(model.bottleneck, RankBottleneck) and model.bottleneck.basis() is None:
        raise InputError(
            "The model has no basis yet, so it cannot be exported; train it with fit, or call "
            "finalize with the training data."
        )
    if compress is not None and not 0 < compress <= 1:
        raise InputError(
            f"The change by compression is {compress:g}, expected a fraction above 0 up to 1, "
            "not a number of coefficients; give one, such as compress=0.001."
        )
    model = copy.deepcopy(model).cpu().eval()
    if compress is not None:
        return model.compress(compress)
    return model if model.bottleneck.linear_map() is None else model.fold()


class _Encoder(nn.Module):
    """Maps samples to codes for a model that cannot be folded."""

    def __init__(self, model: LatentModel) -> None:
        super().__init__()
        self.encoder = model.encoder
        self.bottleneck = model.bottleneck

    def forward(self, x: Tensor) -> Tensor:
        return self.bottleneck.encode(self.encoder(x))


def part_of(model: LatentModel, part: str) -> nn.Module:
    """One part of a model, as a separate module.

    Args:
        model: as `deployed` returns it.
        part: one of `PARTS`.

    Returns:
        A module that takes normalised samples (or codes, for the decoder) and shares the model's
        weights.

    Raises:
        InputError: there is no such part, or it is the autoencoder of a GAN.
    """
    check_known("part", part, PARTS)
    if part == "autoencoder" and not model.reconstructs:
        raise InputError(
            f"{model.spec.method} reconstructs nothing, so its networks are not an autoencoder; "
            "export its decoder, which generates samples."
        )
    if part == "autoencoder":
        return model
    if part == "decoder":
        return model.decoder
    return model.encoder if model.bottleneck.is_identity else _Encoder(model)


def layout_of(spec: Spec) -> str:
    """The axes of samples as the user stores them, one of `latentrank.preprocessing.LAYOUTS`."""
    own = (spec.preprocessing or Preprocessing()).layout
    return own or _NETWORK_LAYOUTS[len(spec.input_shape)]


def dtype_of(made: Preprocessing) -> torch.dtype:
    """The dtype of samples as the user stores them; float64 for dtypes that torch lacks."""
    found = getattr(torch, made.dtype, torch.float64)
    return found if isinstance(found, torch.dtype) else torch.float64


def needs_watching(spec: Spec, part: str) -> bool:
    """Whether samples of the right dtype can be out of bounds, and the output can be NaN."""
    made = spec.preprocessing or Preprocessing()
    dtype = np.dtype(made.dtype)
    if part == "decoder" or (part == "autoencoder" and dtype.kind != "f"):
        return False
    return made.can_be_exceeded(dtype)


class OwnUnits(nn.Module):
    """A part of a model that takes or returns samples as the user stores the training data.

    A sample with a value outside the bounds of the training data has NaN for its code and for its
    reconstruction, so that samples of another range, such as brightness from 0 to 255 instead of 0
    to 1, are not accepted unnoticed. Reconstructions in integers cannot be NaN.

    Args:
        inner: takes or returns normalised samples in the layout of networks.
        spec: specification of the model.
        part: which part it is.
        precision: dtype of `inner`, if it is not float32.
    """

    offset: Tensor
    scale: Tensor

    def __init__(
        self, inner: nn.Module, spec: Spec, part: str, precision: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.inner = inner
        self.made = spec.preprocessing or Preprocessing()
        self.channels = channel_axis(layout_of(spec))
        self.takes, self.gives = part != "decoder", part != "encoder"
        self.watched = needs_watching(spec, part)
        self.precision = precision
        own = self.made.own_shape(spec.input_shape)
        self.shape = own if self.takes else (spec.code_dim or spec.latent_dim,)
        self.dtype = dtype_of(self.made) if self.takes else torch.float32
        axes = [1] * (len(spec.input_shape) - 1)
        for name in ("offset", "scale"):
            values = torch.tensor(getattr(self.made, name), dtype=torch.float64)
            self.register_buffer(name, values.reshape(-1, *axes), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Samples or codes, `(B, ...)`, to codes or samples.

        Raises:
            InputError: another shape or kind of dtype than stated; ONNX runtimes refuse these.
        """
        self._check(x)
        x = self.made.normalise(self._to_network(x)) if self.takes else x
        y: Tensor = (
            self.inner(x) if self.precision is None else self.inner(x.to(self.precision)).float()
        )
        y = self._own_values(y) if self.gives else y
        if self.watched:
            beyond = (x - 0.5).abs().flatten(1).amax(dim=1) > 0.5 + SLACK
            y = torch.where(beyond.reshape(-1, *[1] * (y.ndim - 1)), torch.nan, y)
        return self._to_own(y) if self.gives else y

    def _check(self, x: Tensor) -> None:
        same = x.dtype == self.dtype or (x.is_floating_point() and self.dtype.is_floating_point)
        if not same or tuple(x.shape[1:]) != self.shape:
            kinds = [str(dtype).removeprefix("torch.") for dtype in (x.dtype, self.dtype)]
            raise InputError(
                f"The model got {kinds[0]} of shape {tuple(x.shape)}, expected {kinds[1]} of shape "
                f"(N, {', '.join(map(str, self.shape))}); give "
                f"{'samples as they were for training' if self.takes else 'codes of its encoder'}."
            )

    def _own_values(self, y: Tensor) -> Tensor:
        """`Preprocessing.denormalise`, for tensors."""
        y = y.double() * self.scale + self.offset
        if self.made.bounded:
            y = y.clamp(self.made.low, self.made.high)
        dtype = dtype_of(self.made)
        if dtype == torch.bool:
            return y >= 0.5
        if not dtype.is_floating_point:
            y = y.round().clamp(torch.iinfo(dtype).min, torch.iinfo(dtype).max)
        elif dtype == torch.float16:  # others are beyond the numbers of networks
            y = y.clamp(torch.finfo(dtype).min, torch.finfo(dtype).max)
        return y.to(dtype)

    def _to_network(self, x: Tensor) -> Tensor:
        return x.unsqueeze(1) if self.channels is None else x.movedim(self.channels, 1)

    def _to_own(self, x: Tensor) -> Tensor:
        return x.squeeze(1) if self.channels is None else x.movedim(1, self.channels)


def in_own_units(module: nn.Module, spec: Spec, part: str) -> nn.Module:
    """A part of a model that includes the preprocessing of its inputs and outputs.

    Args:
        module: as `part_of` returns it.
        spec: of the model.
        part: which part it is.

    Returns:
        `module` itself if the model has no preprocessing, because it was never trained.
    """
    return module if spec.preprocessing is None else OwnUnits(module, spec, part).eval()
