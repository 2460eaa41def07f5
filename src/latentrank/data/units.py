"""Inference of preprocessing from sample values: bounds, or mean and standard deviation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from latentrank.data.views import Array, Rows, blocks
from latentrank.errors import InputError
from latentrank.formatting import first_of
from latentrank.preprocessing import FEW, SLACK, Preprocessing

Floats = NDArray[np.float64]

#: Squares of larger values could overflow, and those of smaller deviations vanish.
LARGEST = 1e150
_SMALLEST = 1e-150
# Values that differ by less, relative to their size, differ by rounding alone
_ROUNDING = 4 * np.finfo(np.float64).eps
# Maximum values of 8, 10, 12, 14 and 16-bit pixels
_DEPTHS = (2**8 - 1, 2**10 - 1, 2**12 - 1, 2**14 - 1, 2**16 - 1)
# If one channel stays below this share of the range, the channels are not colours of one image
_LEAST_SHARE = 0.1

BYTES = Preprocessing(0.0, 255.0, 0.0, 255.0, "uint8")


def infer(
    x: Array, *others: Array, what: str = "The data", rows: Sequence[Rows | None] = ()
) -> tuple[Preprocessing, list[str]]:
    """Infer the preprocessing of samples.

    Images and volumes of nonnegative integers are scaled from their range (binary, a few small
    values, or 8 to 16 bits) to [0, 1], as are real values with a maximum between 254 and 255; real
    values within [0, 1] are unchanged. Everything else, and whatever leaves nine tenths of the
    range unused in a channel that varies, is standardised, tables per column and the rest per
    channel. The result does not depend on the dtype of the values.

    Args:
        x: `(N, F)` or `(N, C, ...)`, the training samples, which determine mean and standard
            deviation.
        *others: test samples, which count for the range of values.
        what: description of their origin, for messages.
        rows: row numbers of the samples of `x`, and of each of `others`, there.

    Returns:
        The preprocessing, and notes for the user.

    Raises:
        InputError: a value is NaN, infinite or too large, or there are no training samples.

    Example:
        >>> masks = np.array([0, 1, 1, 0], dtype=np.uint8).reshape(1, 1, 2, 2)
        >>> made, said = infer(masks)
        >>> made.scale, said
        (1.0, ['The values are integers from 0 to 1; 0 to 1 is scaled to 0 to 1.'])
    """
    every = [
        # of integers the range may suffice
        Moments.of(part, what, part is x and x.dtype.kind == "f", places)
        for part, places in zip_longest((x, *others), rows)
    ]
    low = np.min([part.low for part in every], axis=0)
    high = np.max([part.high for part in every], axis=0)
    integral = all(part.integral for part in every)
    dtype = x.dtype.newbyteorder("=").name
    bound = _bound(low, high, integral) if x.ndim >= 4 else None
    said = [_said(low, high, integral, bound)] if x.ndim >= 4 else []
    if bound is not None:
        return Preprocessing(0.0, bound, 0.0, bound, dtype), said
    if not len(x):
        raise InputError(f"{what} has no training samples, expected at least one; give some.")
    found = every[0] if every[0].squares is not None else Moments.of(x, what)
    # the mean of a constant is rounded
    offset = np.where(found.scale == 0, found.low, found.mean)
    _check_spread(low, high, offset, found.scale, what)
    return Preprocessing.of_numbers(offset, found.scale, dtype=dtype), said


def unchanged(
    x: Array, *others: Array, bounded: bool, what: str
) -> tuple[Preprocessing, list[str]]:
    """Preprocessing of samples that are used as they are, except that uint8 is divided by 255.

    Args:
        x: `(N, ...)`, the training samples.
        *others: test samples.
        bounded: whether all values are in [0, 1], as their owner says.
        what: description of their origin, for messages.

    Returns:
        The preprocessing, and a warning if they are too large for a network to learn.

    Raises:
        InputError: a value is NaN or infinite, or beyond the bounds.

    Example:
        >>> unchanged(np.array([[-1.0, 1.0]]), bounded=True, what="X")
        Traceback (most recent call last):
        latentrank.errors.InputError: X has values from -1 to 1 and bounded is True, expected ...
    """
    dtype = x.dtype.newbyteorder("=").name
    if dtype == "uint8":
        return BYTES, []
    for part in (x, *others):
        found = Moments.of(part, what, exact=False)
        low, high = float(found.low.min()), float(found.high.max())
        if bounded and (low < -SLACK or high > 1 + SLACK):
            raise InputError(
                f"{what} has values from {low:g} to {high:g} and bounded is True, expected 0 to 1; "
                "leave bounded out, so that they are normalised."
            )
    if bounded:
        return Preprocessing(low=0.0, high=1.0, dtype=dtype), []
    made, first = Preprocessing(dtype=dtype), np.asarray(x[:512], dtype=np.float64)
    spread = float(np.sqrt(np.square(first).mean())) if len(first) else 0.0
    if spread < 100:
        return made, []
    return made, [
        f"The values are used unchanged, and they are large (about {spread:.2g}); leave "
        "bounded out, so that they are normalised."
    ]


@dataclass(frozen=True)
class Moments:
    """Range, mean and standard deviation of samples, per column or channel.

    Attributes:
        count: number of values per channel.
        low: `(C,)` minimum values.
        high: `(C,)` maximum values.
        integral: whether all are integers.
        mean: `(C,)`.
        squares: `(C,)` sums of squared deviations from the mean; None if only the range was
            requested.
    """

    count: int
    low: Floats
    high: Floats
    integral: bool
    mean: Floats
    squares: Floats | None

    @property
    def scale(self) -> Floats:
        """Standard deviations; 0 for a constant channel."""
        assert self.squares is not None
        std: Floats = np.sqrt(self.squares / self.count)
        span = self.high - self.low
        constant = span <= _ROUNDING * np.maximum(np.abs(self.low), np.abs(self.high))
        return np.where(constant, 0.0, np.where(std < _SMALLEST, span / 2, std))

    @classmethod
    def of(cls, x: Array, what: str, exact: bool = True, rows: Rows | None = None) -> Moments:
        """Compute the statistics in one pass over an array.

        The update is accurate for a large mean (Chan, Golub and LeVeque, 1983):
        `M2 += M2_b + delta^2 n n_b / (n + n_b)`, where `M2` are summed squared deviations.

        Args:
            x: `(N, C, ...)`.
            what: description of its origin, for the error.
            exact: whether to compute means and standard deviations as well.
            rows: `(N,)` row numbers of the samples there, for the error.
        """
        count, row, integral = 0, 0, True
        low, high = np.full(x.shape[1], np.inf), np.full(x.shape[1], -np.inf)
        mean, squares = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        for block in blocks(x):
            values = block.reshape(len(block), x.shape[1], -1)
            low = np.minimum(low, values.min(axis=(0, 2)))
            high = np.maximum(high, values.max(axis=(0, 2)))
            if values.dtype.kind == "f":
                place = np.arange(row, row + len(block)) if rows is None else rows[row:]
                _check_finite(values, low, high, what, place)
                integral = integral and bool((values == np.rint(values)).all())
            row += len(block)
            if not exact:
                continue
            new = values.shape[0] * values.shape[2]
            of_block, spread = _centred(values)
            delta = of_block - mean
            mean = mean + delta * (new / (count + new))
            squares = squares + spread + new * delta**2 * (count / (count + new))
            count += new
        return cls(count, low, high, integral, mean, squares if exact else None)


def _centred(values: Array) -> tuple[Floats, Floats]:
    """Means over axes 0 and 2, and sums of squared deviations from them."""
    deviations = values.astype(np.float64)
    mean = deviations.mean(axis=(0, 2))
    deviations -= mean[:, None]
    return mean, np.einsum("ncx,ncx->c", deviations, deviations)


def _check_finite(values: Array, low: Floats, high: Floats, what: str, rows: Rows) -> None:
    # minimum and maximum propagate NaN
    if not ((low >= -LARGEST) & (high <= LARGEST)).all():
        usable = np.abs(values.astype(np.float64)) <= LARGEST
        good, masked = usable.all(axis=(1, 2)), np.count_nonzero(~usable[0])
        if len(usable) > 1 and masked < usable[0].size and (usable == usable[0]).all():
            raise InputError(
                f"{what} has NaN or infinity at the same {masked} of {usable[0].size} places of "
                "every sample, as a mask does; set them to one ordinary value, such as the mean of "
                "the others, or leave them out."
            )
        raise InputError(
            f"{what} holds NaN, infinity or a number beyond {LARGEST:g} in row "
            f"{rows[int(np.argmin(good))]}, counted from 0; fill in such values or drop those rows."
        )


def _check_spread(low: Floats, high: Floats, offset: Floats, scale: Floats, what: str) -> None:
    """Refuse test samples that would be infinite in the units of the network."""
    most = float(np.finfo(np.float32).max)
    with np.errstate(over="ignore"):
        far = np.maximum(high - offset, offset - low) / np.where(scale == 0, 1.0, scale)
    if (far > most).any():
        i = int(np.argmax(far))
        raise InputError(
            f"{what} has values from {low[i]:g} to {high[i]:g} in channel or column {i}, and those "
            f"of the training samples vary by {scale[i]:.2g}: more than {most:.1g} times as much "
            "is beyond float32; leave such samples out."
        )


def _bound(low: Floats, high: Floats, integral: bool) -> float | None:
    """The maximum value of such pixels; None if they are not pixels."""
    most = float(high.max())
    # floats up to 255 are bytes that were resized or averaged
    bound = _depth(most) if integral else 255.0 if 254 < most <= 255 else 1.0
    if low.min() < 0 or bound is None or most > bound:
        return None
    return bound if (high[high > low] >= _LEAST_SHARE * bound).all() else None


def _depth(most: float) -> float | None:
    if most <= FEW:
        return max(most, 1.0)
    return next((float(depth) for depth in _DEPTHS if most <= depth), None)


def _said(low: Floats, high: Floats, integral: bool, bound: float | None) -> str:
    kind = "integers" if integral else "real numbers"
    done = (
        "each channel is centred and divided by its standard deviation"
        if bound is None
        else f"0 to {bound:g} is scaled to 0 to 1"
    )
    return f"The values are {kind} from {low.min():g} to {high.max():g}; {done}."


def check_range(
    x: Array, made: Preprocessing, what: str, names: Sequence[str] | None = None
) -> None:
    """Refuse samples beyond the bounds of those that a model was trained on, or rescaled ones.

    Columns or channels that were constant in training, and are not now, cause a warning.

    Args:
        x: `(N, ...)`, in their own units.
        made: the model's preprocessing.
        what: description of their origin, for the message.
        names: of the columns or channels, if they have any.

    Raises:
        InputError: a value is beyond the bounds by more than rounding, or they are real numbers
            up to 1 for a model of integers.

    Example:
        >>> check_range(np.array([[0, 255]]), Preprocessing(high=1.0, low=0.0), "X")
        Traceback (most recent call last):
        latentrank.errors.InputError: X has values from 0 to 255, and the model was trained on ...
    """
    if not len(x):
        return
    if made.can_be_exceeded(x.dtype):  # others are not read
        made.check_range(blocks(x), what)
    constants = made.constants
    changed = np.zeros(len(constants), dtype=bool)
    for block in blocks(x) if constants else ():
        values = np.asarray(block)[:, constants].reshape(len(block), len(constants), -1)
        was = np.atleast_1d(made.offset)[constants][:, None]
        # that precise in float32, which later data may have
        changed |= ~np.isclose(values, was, 1e-6, 0).all(axis=(0, 2))
    if changed.any():
        found = np.array(constants)[changed].tolist()
        named = (
            first_of([names[i] for i in found]) if names else f"{first_of(found)}, counted from 0"
        )
        warnings.warn(
            f"{what} has other values than the training data in columns or channels that did not "
            f"vary there ({named}): they are reconstructed as they were, and count "
            "in codes and errors in their own units; train on samples in which they vary, or "
            "leave them out.",
            stacklevel=2,
        )
