"""Singular values of the codes' covariance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from latentrank.errors import InputError
from latentrank.report.cells import Array
from latentrank.report.style import INK, MUTED, PALETTE, PAPER, WIDTH, new_figure, styled

#: Normalised singular values below this are rounding; they are drawn at the floor.
SPECTRUM_FLOOR: Final = 1e-12
_FEW: Final = 40  # values in a spectrum up to which each is marked by a point


@styled
def spectrum(
    spectra: Mapping[str, Array],
    rank: Mapping[str, float] | None = None,
    true_dimension: int | None = None,
    tolerance: float | None = None,
) -> Figure:
    """Singular values of the codes' covariance, on a linear and on a logarithmic axis.

    Args:
        spectra: name to `(L,)` values, largest first, divided by the largest; lengths may differ.
        rank: name to rank, marked by a dot on its curve and in the legend; need not be whole.
        true_dimension: what the data was made from, a dashed line.
        tolerance: the level below which a value no longer counts towards the rank, a dotted line.

    Returns:
        The figure: the first value stands at 1; zeros lie at the bottom of the logarithmic axis.

    Raises:
        InputError: no spectrum, or an empty one.

    Example:
        >>> figure = spectrum({"lorae": np.array([1.0, 0.2, 0.0])}, rank={"lorae": 2})
        >>> [axes.get_yscale() for axes in figure.axes]
        ['linear', 'log']
    """
    if not spectra or not all(np.size(values) for values in spectra.values()):
        raise InputError("There is no spectrum to draw, expected at least one value; give one.")
    figure = new_figure(WIDTH, 3.3)
    linear, logarithmic = figure.subplots(1, 2)
    for index, (name, values) in enumerate(spectra.items()):
        found = None if rank is None else rank.get(name)
        _draw_spectrum(linear, name, values, found, PALETTE[index % len(PALETTE)], floor=0.0)
        _draw_spectrum(
            logarithmic, name, values, found, PALETTE[index % len(PALETTE)], SPECTRUM_FLOOR
        )
    bottom = _lowest(spectra, tolerance) / 2
    # Above 1 there are no values: the room is for the legend, also over a flat spectrum.
    logarithmic.set(yscale="log", ylim=(bottom, bottom**-0.12))
    logarithmic.yaxis.set_major_formatter(FuncFormatter(_power_of_ten))
    logarithmic.yaxis.set_minor_locator(NullLocator())
    if tolerance is not None:
        label = f"rank counts values above {tolerance:g}"
        line = logarithmic.axhline(
            tolerance, color=MUTED, linestyle=":", linewidth=1.2, zorder=1, label=label
        )
        logarithmic.legend(handles=[line], loc="upper right")
    longest = max(np.size(values) for values in spectra.values())
    for axes in (linear, logarithmic):
        if true_dimension is not None:
            label = f"true dimension {true_dimension}"
            axes.axvline(true_dimension, color=INK, linestyle="--", linewidth=1, label=label)
        axes.set(xlabel="index of the singular value", xlim=(1 - 0.02 * longest, 1.02 * longest))
        axes.set_xticks(_ticks_from_one(longest))
    linear.set_ylim(-0.03, 1.05)
    linear.set_ylabel("singular value / largest")
    linear.legend(loc="best")
    return figure


def _draw_spectrum(
    axes: Axes, name: str, values: Array, rank: float | None, colour: str, floor: float
) -> None:
    """One curve with its rank, values clipped from below."""
    heights = np.maximum(np.nan_to_num(np.asarray(values, dtype=np.float64)), floor)
    places = np.arange(1.0, len(heights) + 1)
    label = name if rank is None else f"{name} (rank {rank:.4g})"
    marker = "." if len(heights) <= _FEW else None
    axes.plot(places, heights, color=colour, label=label, marker=marker, markersize=4)
    if rank is not None and rank >= 1:
        height = float(np.interp(rank, places, heights))
        axes.plot(
            [rank], [height], "o", color=colour, markersize=7, markeredgecolor=PAPER, zorder=4
        )


def _lowest(spectra: Mapping[str, Array], tolerance: float | None) -> float:
    """The bottom of the logarithmic axis: the smallest value drawn, or the level below it."""
    smallest = min(float(np.nan_to_num(values).min()) for values in spectra.values())
    return min(max(smallest, SPECTRUM_FLOOR), tolerance or 1e-2)


def _ticks_from_one(longest: int) -> list[int]:
    """Whole numbers for the axis of indices: 1, then round ones."""
    round_ones = MaxNLocator(nbins=8, integer=True).tick_values(0, longest)
    return [1] + [int(tick) for tick in round_ones if 1 < tick <= longest]


def _power_of_ten(value: float, _: int | None = None) -> str:
    """The tick label; at the floor it says that what lies there is smaller still."""
    if value > 1:
        return ""
    exponent = round(math.log10(value))
    below = r"\leq " if value <= SPECTRUM_FLOOR * 1.01 else ""
    return f"${below}10^{{{exponent}}}$"
