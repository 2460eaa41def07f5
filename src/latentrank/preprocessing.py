"""Preprocessing of network inputs, and its inverse for outputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, ConfigDict
from torch import Tensor

from latentrank.errors import InputError
from latentrank.linalg.precision import to_float64

Array = NDArray[Any]
Number = float | tuple[float, ...]

#: Values beyond the bounds by this share of the range still count as inside: rounding, no more.
SLACK = 1e-4

# Integers up to here are classes or counts rather than dark 8-bit pixels
FEW = 31

#: The network layout of each layout, `N` first. Networks take `(N, F)`, `(N, C, T)`, `(N, C, H, W)`
#: and `(N, C, D, H, W)`.
LAYOUTS: dict[str, str] = {
    "NF": "NF", "NCT": "NCT", "NCHW": "NCHW", "NCDHW": "NCDHW",
    "NT": "NCT", "NHW": "NCHW", "NDHW": "NCDHW",
    "NTC": "NCT", "NHWC": "NCHW", "NDHWC": "NCDHW",
}  # fmt: skip


def channel_axis(layout: str) -> int | None:
    """The axis of the channels, or of a table's columns; None if samples have one channel.

    Example:
        >>> channel_axis("NHWC"), channel_axis("NF"), channel_axis("NHW")
        (3, 1, None)
    """
    return next((axis for axis, letter in enumerate(layout) if letter in "CF"), None)


def _number(value: Any) -> Number:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim > 1 or not np.isfinite(array).all():
        raise ValueError(f"{value!r} is neither a number nor a list of numbers")
    return tuple(array.tolist()) if array.ndim else float(array)


def _dtype(name: str) -> str:
    if np.dtype(name).kind not in "biuf":
        raise ValueError(f"dtype {name!r} is not one of real numbers")
    return name


def _layout(name: str | None) -> str | None:
    if name not in (None, *LAYOUTS):
        raise ValueError(f"layout {name!r}")
    return name


@dataclass(frozen=True)
class Preprocessing:
    """The map between samples in the user's units and layout and network inputs.

    `network = (own - offset) / scale`, with the subtraction in float64, so that values with a large
    offset, such as UNIX times, keep their precision. It belongs to the model: later data are
    treated like the training data.

    Attributes:
        offset: number to subtract, or one for each column or channel (axis 1).
        scale: number to divide by, likewise; 0 for a constant, which is only shifted, and decoded
            exactly.
        low: minimum value of samples, in their own units; None if unbounded.
        high: maximum value.
        dtype: NumPy name of the type in which samples are returned.
        layout: axes of the user's samples, one of `LAYOUTS`; None for network layout.

    Example:
        >>> bytes_ = Preprocessing(0.0, 255.0, 0.0, 255.0, "uint8")
        >>> bytes_.normalise(np.array([[0, 51]], dtype=np.uint8))
        tensor([[0.0000, 0.2000]])
        >>> bytes_.denormalise(torch.tensor([[-0.1, 0.2]]))
        array([[ 0, 51]], dtype=uint8)
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # for those read from a file

    offset: Annotated[Number, BeforeValidator(_number)] = 0.0
    scale: Annotated[Number, BeforeValidator(_number)] = 1.0
    low: float | None = None
    high: float | None = None
    dtype: Annotated[str, AfterValidator(_dtype)] = "float32"
    layout: Annotated[str | None, AfterValidator(_layout)] = None

    @property
    def bounded(self) -> bool:
        """Whether values are bounded; network inputs are then in [0, 1]."""
        return self.bounds is not None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The lowest and highest value; None if unbounded."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    def can_be_exceeded(self, dtype: np.dtype[Any]) -> bool:
        """Whether values of a dtype can be out of bounds."""
        if self.bounds is None or dtype.kind == "b":
            return False
        if dtype.kind not in "iu":
            return True
        limits = np.iinfo(dtype)
        return self.bounds[0] > limits.min or self.bounds[1] < limits.max

    def check_range(self, blocks: Iterable[Array | Tensor], what: str) -> None:
        """Refuse samples beyond the bounds of those that a model was trained on, or rescaled ones.

        Args:
            blocks: the samples, in parts, in their own units.
            what: description of their origin, for the message.

        Raises:
            InputError: a value is beyond the bounds by more than rounding, or they are real
                numbers up to 1 for a model of integers.

        Example:
            >>> Preprocessing(low=0.0, high=1.0).check_range([np.array([0, 255])], "X")
            Traceback (most recent call last):
            latentrank.errors.InputError: X has values from 0 to 255, and the model was trained ...
        """
        if self.bounds is None:
            return
        extremes = [(float(x.min()), float(x.max()), _is_real(x)) for x in blocks]
        lows, highs, real = zip(*extremes, strict=True)
        low, high, (lowest, highest) = min(lows), max(highs), self.bounds
        slack = SLACK * (highest - lowest)
        # fractions in place of the levels of a pixel, of which 1 is nearly black
        rescaled = np.dtype(self.dtype).kind in "iu" and highest > FEW and 0 < high <= 1
        if low < lowest - slack or high > highest + slack or (rescaled and any(real)):
            raise InputError(
                f"{what} has values from {low:g} to {high:g}, and the model was trained on values "
                f"from {lowest:g} to {highest:g}; scale them as the training data were."
            )

    @property
    def constants(self) -> list[int]:
        """The columns or channels that did not vary in the training samples.

        Example:
            >>> Preprocessing((1.0, 42.0), (2.0, 0.0)).constants
            [1]
        """
        return np.flatnonzero(np.atleast_1d(self.scale) == 0).tolist()

    @property
    def identity(self) -> bool:
        """Whether values are unchanged."""
        return bool(np.all(np.asarray(self.offset) == 0) and np.all(np.asarray(self.scale) == 1))

    @classmethod
    def of_numbers(cls, offset: Any, scale: Any, **rest: Any) -> Preprocessing:
        """Create from numbers, or arrays with one number for each column or channel."""
        return cls(_number(offset), _number(scale), **rest)

    def normalise(self, x: Array | Tensor) -> Tensor:
        """Convert values to network inputs.

        Args:
            x: `(N, C, ...)` or `(N, F)` in the samples' own units, any real dtype.

        Returns:
            float32 of the same shape; on the device of `x` if that is a tensor.
        """
        if isinstance(x, Tensor):
            return self._normalise_tensor(x)
        x = np.asarray(x)
        # torch supports neither all NumPy dtypes nor foreign byte order
        if x.dtype in (np.uint8, np.float32):
            return self._normalise_tensor(_tensor(x))
        return torch.from_numpy(self.standardised(x).astype(np.float32))

    def standardised(self, x: Array) -> Array:
        """The same, `(x - offset) / scale`, as a float64 array, for comparisons."""
        shifted: Array = x.astype(np.float64) - _along_channels(self.offset, x.ndim)
        shifted /= _along_channels(self._divisor, x.ndim)
        return shifted

    @property
    def _divisor(self) -> Number:
        if isinstance(self.scale, tuple):
            return tuple(number or 1.0 for number in self.scale)
        return self.scale or 1.0

    def _normalise_tensor(self, x: Tensor) -> Tensor:
        if self.identity:
            return x.float()
        # uint8 is exact in float32, so only the division rounds, as in float64
        if x.dtype == torch.uint8 and self.offset == 0 and isinstance(self.scale, float):
            # of float32 whatever the default, which is another inside a step in other precisions
            return x.float() / torch.full((), self.scale, dtype=torch.float32, device=x.device)
        offset, scale = (
            torch.from_numpy(np.asarray(_along_channels(v, x.ndim), dtype=np.float64))
            for v in (self.offset, self._divisor)
        )
        exact = to_float64(x)
        normalised = (exact - offset.to(exact.device)) / scale.to(exact.device)
        return normalised.float().to(x.device)

    def denormalise(self, y: Array | Tensor) -> Array:
        """Convert network outputs to the samples' own units and dtype.

        Args:
            y: `(N, C, ...)` or `(N, F)`, a network output.

        Returns:
            An array of the same shape, clipped to the bounds if any and to the range of the dtype,
            and rounded for integer dtypes.
        """
        if isinstance(y, Tensor):
            y = y.detach().cpu().float().numpy()
        x = y.astype(np.float64) * _along_channels(self.scale, y.ndim)
        x = x + _along_channels(self.offset, y.ndim)
        if self.bounded:
            x = np.clip(x, self.low, self.high)
        dtype = np.dtype(self.dtype)
        if dtype.kind in "iu":
            x = np.clip(np.rint(x), *_integer_limits(dtype))
        elif dtype.kind == "b":
            x = x >= 0.5
        elif dtype.itemsize < 8:
            limits = np.finfo(dtype)
            x = np.clip(x, limits.min, limits.max)
        own: Array = x.astype(dtype)
        return own

    def to_network_layout(self, x: Array) -> Array:
        """Samples from their own layout to network layout; a view.

        Raises:
            InputError: `x` has another number of axes than the layout.
        """
        if self.layout is None:
            return x
        if x.ndim != len(self.layout):
            raise InputError(
                f"The samples have shape {x.shape}, expected {len(self.layout)} axes "
                f"({self.layout}) as for training; reshape them."
            )
        axis = channel_axis(self.layout)
        if axis is None:
            return x[:, None]
        return x if axis == 1 else np.moveaxis(x, axis, 1)  # lazily read rows stay so

    def to_own_layout(self, x: Array) -> Array:
        """Samples from network layout to their own; a view."""
        if self.layout is None:
            return x
        axis = channel_axis(self.layout)
        return x[:, 0] if axis is None else np.moveaxis(x, 1, axis)

    def own_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape in its own layout of a sample whose shape in network layout is given.

        Example:
            >>> Preprocessing(layout="NHWC").own_shape((3, 8, 9))
            (8, 9, 3)
        """
        return self.to_own_layout(np.empty((0, *shape))).shape[1:]


def _is_real(x: Array | Tensor) -> bool:
    return x.is_floating_point() if isinstance(x, Tensor) else x.dtype.kind == "f"


def _integer_limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """The smallest and the largest float64 within an integer dtype."""
    limits = np.iinfo(dtype)
    largest = float(limits.max)  # for 64 bits it rounds up, to one more than fits
    return float(limits.min), largest if int(largest) <= limits.max else np.nextafter(largest, 0)


def _along_channels(value: Number, ndim: int) -> Any:
    """A number unchanged; per-channel numbers shaped to broadcast along axis 1."""
    if isinstance(value, tuple):
        return np.asarray(value, dtype=np.float64).reshape(-1, *[1] * (ndim - 2))
    return value


def _tensor(x: Array) -> Tensor:
    # torch warns about read-only arrays, and does not support negative strides
    x = np.ascontiguousarray(x)
    return torch.from_numpy(x if x.flags.writeable else x.copy())
