"""What the values of samples say about their units: bounds, or a mean and deviation each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentrank.data.views import Array, Rows, blocks
from latentrank.errors import InputError
from latentrank.preprocessing import Preprocessing

Floats = NDArray[np.float64]

#: The square of anything larger can be infinite.
LARGEST = 1e150
# Largest values that pixels of 8, 10, 12, 14 and 16 bits can have
_DEPTHS = (2**8 - 1, 2**10 - 1, 2**12 - 1, 2**14 - 1, 2**16 - 1)
# Whole numbers up to here are classes or counts rather than dark pixels of 8 bits
_FEW = 31
# Channels of which one keeps below this share of the range are not colours of one picture
_LEAST_SHARE = 0.1

BYTES = Preprocessing(0.0, 255.0, 0.0, 255.0, "uint8")


def infer(
    x: Array, *others: Array, what: str = "The data", rows: Sequence[Rows | None] = ()
) -> tuple[Preprocessing, list[str]]:
    """What is to be done to samples before a network sees them.

    Images and volumes of whole numbers from 0 are brought from their range, 0 or 1, a few small
    values, or 8 to 16 bits, to [0, 1]; those of real values within [0, 1] keep them. Anything
    else is centred and divided by its standard deviation, tables column by column and the rest
    channel by channel. The dtype of the values makes no difference to what a network sees.

    Args:
        x: `(N, F)` or `(N, C, ...)`, the training samples; what is subtracted and divided by is
            theirs alone.
        *others: test samples; the range of values is that of all.
        what: where the samples are from, for messages.
        rows: where the samples of `x`, and of each of `others`, stand there.

    Returns:
        The preprocessing, and what a user should be told of it.

    Raises:
        InputError: a value is NaN, infinite or too large.

    Example:
        >>> masks = np.array([0, 1, 1, 0], dtype=np.uint8).reshape(1, 1, 2, 2)
        >>> made, said = infer(masks)
        >>> made.scale, said
        (1.0, ['The values are whole numbers from 0 to 1; networks see 0 to 1 as 0 to 1.'])
    """
    places = [*rows, *[None] * (1 + len(others) - len(rows))]
    found = Moments.of(x, what, rows=places[0])
    ranges = [found]
    for other, place in zip(others, places[1:], strict=True):
        ranges.append(Moments.of(other, what, False, place))
    dtype = x.dtype.newbyteorder("=").name
    high = _bound(ranges) if x.ndim >= 4 else None
    if high is not None:
        return Preprocessing(0.0, high, 0.0, high, dtype), [_said(ranges, high)]
    if found.squares is None:  # of whole numbers, where the range alone could have decided
        found = Moments.of(x, what, exact=True)
    return Preprocessing.of_numbers(found.mean, found.scale, dtype=dtype), []


def as_it_is(x: Array, bounded: bool) -> Preprocessing:
    """Samples whose owner has normalised them: bytes as brightness, the rest unchanged."""
    dtype = x.dtype.newbyteorder("=").name
    if dtype == "uint8":
        return BYTES
    low, high = (0.0, 1.0) if bounded else (None, None)
    return Preprocessing(low=low, high=high, dtype=dtype)


def doubts(x: Array, made: Preprocessing) -> list[str]:
    """What speaks against using samples as they are: a scale that no network learns well."""
    found = Moments.of(np.asarray(x[:512]), "The data", exact=True)
    assert found.squares is not None
    spread = float(np.sqrt((found.squares / found.count).mean() + np.square(found.mean).mean()))
    if not made.identity or spread < 100:
        return []
    return [
        f"The values are used as they are, and they are large (about {spread:.2g}); leave "
        "bounded out, so that they are normalised."
    ]


@dataclass(frozen=True)
class Moments:
    """Range, mean and deviation of samples, of each column or channel.

    Attributes:
        count: numbers in a channel.
        low: `(C,)` smallest values.
        high: `(C,)` largest values.
        whole: whether all are whole numbers.
        mean: `(C,)`.
        squares: `(C,)` sums of squared deviations from the mean; None where only the range was
            asked for.
    """

    count: int
    low: Floats
    high: Floats
    whole: bool
    mean: Floats
    squares: Floats | None

    @property
    def scale(self) -> Floats:
        """Standard deviations; 1 for a channel that never changes."""
        assert self.squares is not None
        std: Floats = np.sqrt(self.squares / self.count)
        # of a constant, the rounding of its mean is left
        return np.where((self.low == self.high) | (std == 0), 1.0, std)

    @classmethod
    def of(
        cls, x: Array, what: str, exact: bool | None = None, rows: Rows | None = None
    ) -> Moments:
        """In one pass over an array.

        The update keeps its digits when the mean is large (Chan, Golub and LeVeque, 1983):
        `M2 += M2_b + delta^2 n n_b / (n + n_b)`, where `M2` are summed squared deviations.

        Args:
            x: `(N, C, ...)`.
            what: where it is from, for the error.
            exact: whether means and deviations are wanted as well; None wants them of floats.
            rows: `(N,)` where the samples stand there, for the error.
        """
        wanted = x.dtype.kind == "f" if exact is None else exact
        count, row, whole = 0, 0, True
        low, high = np.full(x.shape[1], np.inf), np.full(x.shape[1], -np.inf)
        mean, squares = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        for block in blocks(x):
            values = block.reshape(len(block), x.shape[1], -1)
            low = np.minimum(low, values.min(axis=(0, 2)))
            high = np.maximum(high, values.max(axis=(0, 2)))
            if values.dtype.kind == "f":
                place = np.arange(row, row + len(block)) if rows is None else rows[row:]
                _check_finite(values, low, high, what, place)
                whole = whole and bool((values == np.rint(values)).all())
            row += len(block)
            if not wanted:
                continue
            new = values.shape[0] * values.shape[2]
            of_block, spread = _centred(values)
            delta = of_block - mean
            mean = mean + delta * (new / (count + new))
            squares = squares + spread + new * delta**2 * (count / (count + new))
            count += new
        return cls(count, low, high, whole, mean, squares if wanted else None)


def _centred(values: Array) -> tuple[Floats, Floats]:
    """Means over axes 0 and 2, and sums of squared deviations from them."""
    exact = values.astype(np.float64)
    mean = exact.mean(axis=(0, 2))
    exact -= mean[:, None]
    return mean, np.einsum("ncx,ncx->c", exact, exact)


def _check_finite(values: Array, low: Floats, high: Floats, what: str, rows: Rows) -> None:
    # a NaN is passed on by the smallest and the largest value
    if not ((low >= -LARGEST) & (high <= LARGEST)).all():
        good = (np.abs(values) <= LARGEST).all(axis=(1, 2))
        raise InputError(
            f"{what} holds NaN, infinity or a number beyond {LARGEST:g} in row "
            f"{rows[int(np.argmin(good))]}; fill such values or leave those rows out."
        )


def _bound(ranges: list[Moments]) -> float | None:
    """The largest value that pixels like these can have; None where they are no pixels."""
    low = min(float(found.low.min()) for found in ranges)
    most = max(float(found.high.max()) for found in ranges)
    whole = all(found.whole for found in ranges)
    high = _depth(most) if whole else 1.0
    if low < 0 or high is None or most > high:
        return None
    lows, highs = (np.array([getattr(f, name) for f in ranges]) for name in ("low", "high"))
    changing = highs.max(0)[highs.max(0) > lows.min(0)]
    return high if (changing >= _LEAST_SHARE * high).all() else None


def _depth(most: float) -> float | None:
    if most <= _FEW:
        return max(most, 1.0)
    return next((float(depth) for depth in _DEPTHS if most <= depth), None)


def _said(ranges: list[Moments], high: float) -> str:
    most = max(float(found.high.max()) for found in ranges)
    low = min(float(found.low.min()) for found in ranges)
    kind = "whole numbers" if all(found.whole for found in ranges) else "real numbers"
    return f"The values are {kind} from {low:g} to {most:g}; networks see 0 to {high:g} as 0 to 1."
