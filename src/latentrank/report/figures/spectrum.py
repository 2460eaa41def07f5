"""Singular values of the codes' covariance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from latentrank.errors import InputError
from latentrank.report import lines
from latentrank.report.cells import Array
from latentrank.report.style import INK, MUTED, legend_above, narrow, new_figure, page_width, styled

#: Normalised singular values below this are rounding errors, drawn at the bottom.
SPECTRUM_FLOOR: Final = 1e-12
_FEW: Final = 40  # number of values up to which each is marked by a point


@styled
def spectrum(
    spectra: Mapping[str, Array],
    rank: Mapping[str, float] | None = None,
    true_dimension: int | None = None,
    tolerance: float | None = None,
) -> Figure:
    """Singular values of the codes' covariance, on a linear and on a logarithmic axis.

    Args:
        spectra: name to `(L,)` values, largest first, divided by the largest, or `(S, L)` of S
            seeds: their median, with a band from the smallest to the largest. Widths may differ.
        rank: name to rank, marked by a dot on its curve and in the legend; need not be an integer.
        true_dimension: number of parameters behind the data, a dashed line.
        tolerance: the level below which a value no longer counts towards the rank, a dotted line.

    Returns:
        The figure: the first value is 1; zeros lie at the bottom of the logarithmic axis.

    Raises:
        InputError: no spectrum, or an empty one.

    Example:
        >>> figure = spectrum({"lorae": np.array([1.0, 0.2, 0.0])}, rank={"lorae": 2})
        >>> [axes.get_yscale() for axes in figure.axes]
        ['linear', 'log']
    """
    if not spectra or not all(np.size(values) for values in spectra.values()):
        raise InputError("There is no spectrum to draw, expected at least one value; give one.")
    figure = new_figure(page_width(), 5.4 if narrow() else 3.5)
    linear, logarithmic = figure.subplots(2, 1) if narrow() else figure.subplots(1, 2)
    for index, (name, values) in enumerate(spectra.items()):
        found = None if rank is None else rank.get(name)
        for axes, floor in ((linear, 0.0), (logarithmic, SPECTRUM_FLOOR)):
            _draw_spectrum(axes, name, values, found, index, floor)
    bottom = _lowest(spectra, tolerance) / 2
    logarithmic.set(yscale="log", ylim=(bottom, 2.0))
    logarithmic.yaxis.set_major_formatter(_power_of_ten)
    logarithmic.yaxis.set_minor_locator(NullLocator())
    longest = max(np.shape(values)[-1] for values in spectra.values())
    for axes in (linear, logarithmic):
        if true_dimension is not None:
            label = f"parameters of the data: {true_dimension}"
            axes.axvline(true_dimension, color=INK, linestyle="--", linewidth=1, label=label)
        axes.set(xlabel="index of the singular value", xlim=(1 - 0.02 * longest, 1.02 * longest))
        axes.set_xticks(_ticks_from_one(longest))
    if tolerance is not None:
        label = f"rank counts values above {tolerance:g}"
        logarithmic.axhline(
            tolerance, color=MUTED, linestyle=":", linewidth=1.2, zorder=1, label=label
        )
    linear.set(ylim=(-0.03, 1.05), ylabel="singular value / largest")
    if narrow():
        logarithmic.set_ylabel("singular value / largest")
    legend_above(figure, *logarithmic.get_legend_handles_labels())
    return figure


def _draw_spectrum(
    axes: Axes, name: str, values: Array, rank: float | None, index: int, floor: float
) -> None:
    """One curve with its rank, values clipped from below."""
    seeds = np.atleast_2d(np.asarray(values, dtype=np.float64))
    seeds = np.maximum(np.nan_to_num(seeds), floor)
    places = np.arange(1.0, seeds.shape[1] + 1)
    label = name if rank is None else f"{name} (rank {rank:.4g})"
    marker = "." if len(places) <= _FEW else None
    heights = lines.of_seeds(axes, places, seeds, index, label, marker=marker, markersize=4)
    if rank is not None and rank >= 1:
        lines.mark_rank(axes, rank, float(np.interp(rank, places, heights)), index)


def _lowest(spectra: Mapping[str, Array], tolerance: float | None) -> float:
    """The bottom of the logarithmic axis: the smallest value drawn, or the level below it."""
    smallest = min(float(np.nan_to_num(values).min()) for values in spectra.values())
    return min(max(smallest, SPECTRUM_FLOOR), tolerance or 1e-2)


def _ticks_from_one(longest: int) -> list[int]:
    """Tick positions for the axis of indices: 1, then round numbers."""
    round_ones = MaxNLocator(nbins=8, integer=True).tick_values(0, longest)
    return [1] + [int(tick) for tick in round_ones if 1 < tick <= longest]


def _power_of_ten(value: float, _: int | None = None) -> str:
    """The tick label; at the bottom, it indicates that values there may be smaller."""
    if value > 1:
        return ""
    exponent = round(math.log10(value))
    below = r"\leq " if value <= SPECTRUM_FLOOR * 1.01 else ""
    return rf"$\mathdefault{{{below}10^{{{exponent}}}}}$"  # in the font of other labels
