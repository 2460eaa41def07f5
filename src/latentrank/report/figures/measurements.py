"""Measured values compared with published or expected ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    AutoLocator,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    ScalarFormatter,
)
from numpy.typing import NDArray

from latentrank.errors import InputError
from latentrank.report.cells import Array, Floats
from latentrank.report.style import INK, PALETTE, one_panel, styled

_DECADE: Final = 10
_MOST_NAMED: Final = 8  # positions on a logarithmic axis up to which each has a tick
_NARROW: Final = 4  # times the smallest value, below which a logarithmic axis looks linear


@styled
def power_law(
    x: Array,
    y: Array,
    fit: tuple[float, float],
    x_label: str = "x",
    y_label: str = "y",
    expected: float | None = None,
) -> Figure:
    """Measurements on two logarithmic axes with the fitted power, `y = factor * x ** exponent`.

    Args:
        x: `(N,)` positive numbers.
        y: `(N,)` positive numbers.
        fit: factor and exponent.
        x_label: what x is.
        y_label: what y is.
        expected: exponent predicted by theory, drawn dashed through the centre of the fit.

    Raises:
        InputError: a nonpositive number, or arrays of different lengths.

    Example:
        >>> x = np.array([1.0, 10.0, 100.0])
        >>> power_law(x, 2 * x**-0.5, (2.0, -0.5)).axes[0].get_xscale()
        'log'
    """
    across: Floats = np.asarray(x, dtype=np.float64)
    up: Floats = np.asarray(y, dtype=np.float64)
    if across.shape != up.shape or not across.size or not (np.r_[across, up] > 0).all():
        raise InputError(
            f"A power law needs pairs of positive numbers; given {across.size} and {up.size} "
            "numbers, not all positive or not paired; leave out nonpositive values."
        )
    figure, axes = one_panel(5.2, 3.6)
    factor, exponent = fit
    ends = np.array([across.min(), across.max()])
    middle = math.sqrt(ends[0] * ends[1])
    axes.plot(
        ends,
        factor * ends**exponent,
        color=PALETTE[1],
        label=f"fit: exponent {exponent:.3g}".replace("-", "\N{MINUS SIGN}"),
    )
    if expected is not None:
        through = factor * middle**exponent * (ends / middle) ** expected
        label = f"theory: exponent {expected:.3g}".replace("-", "\N{MINUS SIGN}")
        axes.plot(ends, through, "--", color=INK, linewidth=1, label=label)
    axes.plot(across, up, "o", color=PALETTE[0], markersize=5, label="measured")
    axes.set(xscale="log", yscale="log", xlabel=x_label, ylabel=y_label)
    places = np.unique(across)
    if len(places) <= _MOST_NAMED:
        axes.set_xticks(places, [f"{place:g}" for place in places])
        axes.xaxis.set_minor_locator(NullLocator())
    axes.legend()
    return figure


@styled
def bars(
    values: Mapping[str, tuple[float, float]],
    label: str,
    published: Mapping[str, float] | None = None,
) -> Figure:
    """Horizontal bars with the spread over seeds, and published values as marks.

    Args:
        values: name to mean and spread; no whisker is drawn for a spread of 0 or NaN.
        label: what is measured, with its unit.
        published: name to published value.

    Returns:
        The figure, names from top to bottom.

    Raises:
        InputError: no values.

    Example:
        >>> figure = bars({"ae": (105.0, 2.0), "lorae": (17.0, 1.0)}, "rank", {"lorae": 18.0})
        >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
        ['ae', 'lorae']
    """
    if not values:
        raise InputError("There are no values to draw, expected at least one bar; give some.")
    figure, axes = one_panel(6.2, 0.75 + 0.34 * len(values) + (0.25 if published else 0))
    places = np.arange(len(values))
    means = np.array([mean for mean, _ in values.values()])
    spreads = np.nan_to_num([spread for _, spread in values.values()])
    axes.barh(places, means, height=0.62, color=PALETTE[0], alpha=0.85)
    seen = spreads > 0
    axes.errorbar(
        means[seen], places[seen], xerr=spreads[seen], fmt="none", ecolor=INK, capsize=3, lw=1
    )
    _name_rows(axes, list(values), label, published)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles[:1], labels[:1], loc="outside upper right")
    return figure


@styled
def dots(
    values: Mapping[str, Sequence[float]],
    label: str,
    published: Mapping[str, float] | None = None,
) -> Figure:
    """A dot for each seed on a logarithmic axis, a stroke at the median, and published values.

    Args:
        values: name to positive values, one or more.
        label: what is measured, with its unit.
        published: name to the value that a paper gives.

    Returns:
        The figure, names from top to bottom.

    Raises:
        InputError: no values, or one that is not positive.

    Example:
        >>> figure = dots({"RRAE": [1.9, 2.1, 40.0]}, "error in %", {"RRAE": 1.9})
        >>> figure.axes[0].get_xscale()
        'log'
    """
    if not values or any(not len(row) or not min(row) > 0 for row in values.values()):
        raise InputError("Dots need at least one name, with positive values; leave out the others.")
    figure, axes = one_panel(6.2, 1.0 + 0.34 * len(values))
    for place, row in enumerate(values.values()):
        axes.plot(row, [place] * len(row), "o", color=PALETTE[0], alpha=0.55, label="one seed")
        axes.plot(np.median(row), place, "|", color=INK, markersize=16, label="median")
    axes.set_xscale("log")
    every = [value for row in values.values() for value in row]
    span = max(every) / min(every)
    if span < _DECADE**2:  # powers of ten alone would be one label or none
        few = LogLocator(subs=(1.0, 2.0, 5.0)) if span > _NARROW else AutoLocator()
        axes.xaxis.set_major_locator(few)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    _name_rows(axes, list(values), label, published)
    named = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(named.values(), named.keys(), loc="outside upper center", ncols=len(named))
    return figure


def _name_rows(
    axes: Axes, names: Sequence[str], label: str, published: Mapping[str, float] | None
) -> None:
    """Names at the left from top to bottom, the label below, and published values as marks."""
    for place, name in enumerate(names):
        if published is not None and name in published:
            value = published[name]
            axes.plot(value, place, "D", color=PALETTE[1], markersize=6, label="published")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel=label, ylim=(len(names) - 0.4, -0.6))
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


@styled
def pareto_front(points: Floats, best: NDArray[np.bool_], labels: Sequence[str]) -> Figure:
    """Trials by two metrics, and the front of those that no other beats in both.

    Args:
        points: `(N, 2)` finite values of the two metrics.
        best: `(N,)` bool, which points are on the front.
        labels: names of the metrics.

    Returns:
        The figure; an axis is logarithmic where positive values, not all integers, span more than
        a decade.

    Example:
        >>> points = np.array([[1.0, 0.5], [2.0, 0.1], [3.0, 0.3]])
        >>> figure = pareto_front(points, np.array([True, True, False]), ["rank", "error"])
        >>> figure.axes[0].get_xlabel()
        'rank'
    """
    figure, axes = one_panel(5.2, 3.6)
    front = points[best]
    front = front[np.lexsort((front[:, 1], front[:, 0]))]
    if not best.all():
        axes.plot(*points[~best].T, "o", color=INK, alpha=0.4, markersize=5, label="other trials")
    axes.plot(*front.T, "o-", color=PALETTE[0], linewidth=1, markersize=6, label="Pareto front")
    axes.set(xlabel=labels[0].replace("_", " "), ylabel=labels[1].replace("_", " "))
    for axis, scale, values in zip(
        (axes.xaxis, axes.yaxis), (axes.set_xscale, axes.set_yscale), points.T, strict=True
    ):
        if (values == values.round()).all():
            axis.set_major_locator(MaxNLocator(integer=True))
        elif min(values) > 0 and max(values) > _DECADE * min(values):
            scale("log")
    axes.legend()
    return figure
