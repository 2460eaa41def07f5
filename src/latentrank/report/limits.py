"""The units in which samples are drawn, and the limits of their values."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from latentrank.data.axes import Axes
from latentrank.preprocessing import Preprocessing
from latentrank.report.cells import DeviationLimits, FieldLimits, Floats, Limits, value_limits
from latentrank.report.lines import channel_names

UNIT: Final = Limits(0.0, 1.0)

#: Share of an axis below which the values of a channel look constant.
_VISIBLE = 0.05


def drawn(x: NDArray[Any], units: Preprocessing) -> Floats:
    """Samples as they are drawn.

    Args:
        x: `(N, *shape)`, in the units of the data.
        units: the preprocessing of the data.

    Returns:
        Fractions of the bounds where there are bounds. Rows of a table in standard deviations from
        the mean of each column, since columns of different units do not fit on one axis; likewise
        curves with a channel that would look constant beside the others. Anything else in the
        units of the data, float64.

    Example:
        >>> units = Preprocessing(offset=(5.0, 1e9), scale=(1.0, 1e6))
        >>> drawn(np.array([[6.0, 1.002e9]]), units).tolist()
        [[1.0, 2.0]]
    """
    if units.bounded or in_deviations(x.shape[1:], units):
        return units.normalise(x).numpy()
    return x.astype(np.float64)


def in_deviations(shape: tuple[int, ...], units: Preprocessing) -> bool:
    """Whether samples of a shape, in network layout, are drawn in standard deviations.

    Example:
        >>> velocity_and_pressure = Preprocessing(offset=(0.0, 1e5), scale=(1.0, 300.0))
        >>> in_deviations((2, 64), velocity_and_pressure)
        True
        >>> in_deviations((2, 64, 64), velocity_and_pressure)  # each has a colour bar
        False
    """
    if units.bounded:
        return False
    return len(shape) == 1 or (len(shape) == 2 and not _on_one_axis(units))


def in_colour(shape: tuple[int, ...], units: Preprocessing, axes: Axes) -> bool:
    """Whether three channels are drawn as red, green and blue.

    Named channels without bounds, or of different magnitudes, are variables of a field.
    """
    if len(shape) < 3 or shape[0] != 3:
        return False
    return units.bounded or (_on_one_axis(units) and not axes.channels)


def limits_of(
    samples: NDArray[Any], shape: tuple[int, ...], units: Preprocessing, axes: Axes
) -> Limits:
    """The values drawn as black and white, or as the ends of an axis.

    Images without bounds are fields, drawn with a colour bar, unless they are in colour.

    Args:
        samples: `(..., *shape)`, as `drawn` returns them.
        shape: of a sample.
        units: the preprocessing of the data.
        axes: names of the channels.
    """
    if units.bounded:
        return UNIT
    if len(shape) == 2 and in_deviations(shape, units):
        return DeviationLimits(*value_limits(samples))
    if len(shape) < 3 or in_colour(shape, units, axes):
        return value_limits(samples)
    # Only the first channel is drawn; the others may have other units.
    field = FieldLimits(*value_limits(np.take(samples, 0, axis=-len(shape))))
    if axes.channels or shape[0] > 1:
        field.label = channel_names(shape[0], axes)[0]
    return field


def _on_one_axis(units: Preprocessing) -> bool:
    """Whether all columns or channels can be seen on one axis.

    With different units they cannot: a velocity beside a pressure looks constant.
    """
    offset, scale = np.broadcast_arrays(np.atleast_1d(units.offset), np.atleast_1d(units.scale))
    spans = 4 * scale[scale > 0]  # two standard deviations each way
    whole = np.max(offset + 2 * scale) - np.min(offset - 2 * scale)
    return not spans.size or bool(spans.min() >= _VISIBLE * whole)
