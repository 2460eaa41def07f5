"""What is done to data before a network sees it, and undone to what a network returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrank.errors import InputError

Array = NDArray[Any]
Number = float | tuple[float, ...]

#: Where the axes of samples in their own layout go, `N` first; None inserts an axis of one.
#: Networks take `(N, F)`, `(N, C, T)`, `(N, C, H, W)` and `(N, C, D, H, W)`.
LAYOUTS: dict[str, str] = {
    "NF": "NF", "NCT": "NCT", "NCHW": "NCHW", "NCDHW": "NCDHW",
    "NT": "NCT", "NHW": "NCHW", "NDHW": "NCDHW",
    "NTC": "NCT", "NHWC": "NCHW", "NDHWC": "NCDHW",
}  # fmt: skip


@dataclass(frozen=True)
class Preprocessing:
    """The map between samples as their owner keeps them and as a network takes them.

    `network = (own - offset) / scale`, with the subtraction in float64, so that values with a
    large offset such as UNIX times keep their digits. It belongs to the model: whatever data it
    is given later are treated as those that it was trained on.

    Attributes:
        offset: subtracted first: one number, or one for each column or channel (axis 1).
        scale: divided by then, likewise.
        low: smallest value that samples can have, in their own units; None without bounds.
        high: largest value.
        dtype: NumPy name of the type in which samples are returned.
        layout: axes of samples as their owner keeps them, one of `LAYOUTS`; None where they are
            as networks take them.

    Example:
        >>> bytes_ = Preprocessing(0.0, 255.0, 0.0, 255.0, "uint8")
        >>> bytes_.normalise(np.array([[0, 51]], dtype=np.uint8))
        tensor([[0.0000, 0.2000]])
        >>> bytes_.denormalise(torch.tensor([[-0.1, 0.2]]))
        array([[ 0, 51]], dtype=uint8)
    """

    offset: Number = 0.0
    scale: Number = 1.0
    low: float | None = None
    high: float | None = None
    dtype: str = "float32"
    layout: str | None = None

    @property
    def bounded(self) -> bool:
        """Whether values have bounds; a network then sees them in [0, 1]."""
        return self.low is not None and self.high is not None

    @property
    def identity(self) -> bool:
        """Whether values are left as they are."""
        return bool(np.all(np.asarray(self.offset) == 0) and np.all(np.asarray(self.scale) == 1))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Back from `to_dict`, by way of JSON.

        Raises:
            TypeError: a name is none of the fields.
            ValueError: a value is not of its field's kind.
        """
        taken = dict(values)
        for name in ("offset", "scale"):
            if name in taken:
                taken[name] = _number(taken[name])
        for name in ("low", "high"):
            if taken.get(name) is not None:
                taken[name] = float(taken[name])
        np.dtype(taken.get("dtype", "float32"))
        if taken.get("layout") not in (None, *LAYOUTS):
            raise ValueError(f"layout {taken['layout']!r}")
        return cls(**taken)

    @classmethod
    def of_numbers(cls, offset: Any, scale: Any, **rest: Any) -> Preprocessing:
        """From numbers or arrays of one number for each column or channel."""
        return cls(_number(offset), _number(scale), **rest)

    def with_layout(self, layout: str | None) -> Preprocessing:
        """The same values in another layout."""
        return replace(self, layout=layout)

    def normalise(self, x: Array | Tensor) -> Tensor:
        """Values as a network takes them.

        Args:
            x: `(N, C, ...)` or `(N, F)` in the samples' own units, any real dtype.

        Returns:
            float32 of the same shape; on the device of `x` where that is a tensor.
        """
        if isinstance(x, Tensor):
            return self._normalise_tensor(x)
        x = np.asarray(x)
        # torch knows neither all dtypes of NumPy nor the bytes of another order
        if x.dtype in (np.uint8, np.float32):
            return self._normalise_tensor(_tensor(x))
        shifted = x.astype(np.float64) - _along_channels(self.offset, x.ndim)
        shifted /= _along_channels(self.scale, x.ndim)
        return torch.from_numpy(shifted.astype(np.float32))

    def _normalise_tensor(self, x: Tensor) -> Tensor:
        if self.identity:
            return x.float()
        # bytes are exact in float32, so that only the one division rounds, as in float64
        if x.dtype == torch.uint8 and self.offset == 0 and isinstance(self.scale, float):
            return x.float() / torch.tensor(self.scale, device=x.device)
        offset, scale = (
            torch.from_numpy(np.asarray(_along_channels(v, x.ndim), dtype=np.float64)).to(x.device)
            for v in (self.offset, self.scale)
        )
        return ((x.double() - offset) / scale).float()

    def denormalise(self, y: Array | Tensor) -> Array:
        """What a network returned, in the samples' own units and dtype.

        Args:
            y: `(N, C, ...)` or `(N, F)`, as a network gives it.

        Returns:
            An array of the same shape: inside the bounds, where there are some, and rounded to
            the nearest where the dtype has whole numbers.
        """
        if isinstance(y, Tensor):
            y = y.detach().cpu().float().numpy()
        x = y.astype(np.float64) * _along_channels(self.scale, y.ndim)
        x = x + _along_channels(self.offset, y.ndim)
        if self.bounded:
            x = np.clip(x, self.low, self.high)
        dtype = np.dtype(self.dtype)
        if dtype.kind in "iu":
            x = np.clip(np.rint(x), *_whole_limits(dtype))
        elif dtype.kind == "b":
            x = x >= 0.5
        own: Array = x.astype(dtype)
        return own

    def to_network_layout(self, x: Array) -> Array:
        """Samples from their own layout to that of networks; a view.

        Raises:
            InputError: `x` has another number of axes than the layout.
        """
        if self.layout is None:
            return x
        if x.ndim != len(self.layout):
            raise InputError(
                f"The samples have shape {x.shape}, expected {len(self.layout)} axes "
                f"({self.layout}) as in training; reshape them."
            )
        if "C" not in self.layout and "F" not in self.layout:
            return x[:, None]
        return np.moveaxis(x, self.layout.index("C"), 1) if "C" in self.layout else x

    def to_own_layout(self, x: Array) -> Array:
        """Samples from the layout of networks to their own; a view."""
        if self.layout is None or "F" in self.layout:
            return x
        return x[:, 0] if "C" not in self.layout else np.moveaxis(x, 1, self.layout.index("C"))


def _whole_limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """The smallest and the largest float64 that a dtype of whole numbers can hold."""
    limits = np.iinfo(dtype)
    largest = float(limits.max)  # of 64 bits it rounds up, to one more than fits
    return float(limits.min), largest if int(largest) <= limits.max else np.nextafter(largest, 0)


def _number(value: Any) -> Number:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim > 1 or not np.isfinite(array).all():
        raise ValueError(f"{value!r} is neither a number nor a list of numbers")
    return tuple(array.tolist()) if array.ndim else float(array)


def _along_channels(value: Number, ndim: int) -> Any:
    """A number as it is, numbers of channels so that they broadcast along axis 1."""
    if isinstance(value, tuple):
        return np.asarray(value, dtype=np.float64).reshape(-1, *[1] * (ndim - 2))
    return value


def _tensor(x: Array) -> Tensor:
    # torch warns about arrays it could write through, and knows no negative strides
    x = np.ascontiguousarray(x)
    return torch.from_numpy(x if x.flags.writeable else x.copy())
