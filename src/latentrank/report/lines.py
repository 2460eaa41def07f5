"""Curves and rows of a table drawn on axes with their names, units and coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes as Panel
from matplotlib.axis import Axis as Scale
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from latentrank.data.axes import Axes, Axis
from latentrank.report.cells import Array, DeviationLimits, Floats, Limits, line_points
from latentrank.report.style import PALETTE, PAPER, curve_style, page_width, panel_grid

MOST_NAMED: Final = 32  # columns of a table up to which each is named
MOST_CHANNELS: Final = 6  # channels that get a row of a figure
DEVIATIONS: Final = "standard deviations from the mean"


def named_rows(sample: Array, axes: Axes) -> bool:
    """Whether a sample is a row of a table, `(F,)`, with a name for each of its few columns."""
    return sample.ndim == 1 and len(axes.channels) == len(sample) <= MOST_NAMED


def panels(
    count: int, most: int, sample: Array, axes: Axes, height: float
) -> tuple[Figure, list[Panel]]:
    """Panels for samples like this one, which share their axes; see `panel_grid`.

    Args:
        count: number of panels.
        most: in a row.
        sample: the curve or row.
        axes: its names and coordinates.
        height: of a curve's panel in inches.
    """
    tall = 0.17 * len(sample) + 0.4 if named_rows(sample, axes) else height
    return panel_grid(
        count, most, lambda _, rows: (page_width(), 0.5 + tall * rows), sharex=True, sharey=True
    )


def draw(panel: Panel, sample: Array, axes: Axes, colours: Sequence[Any], **style: Any) -> None:
    """A curve `(C, T)`, or a row of a table `(F,)`: with names, from top to bottom."""
    if named_rows(sample, axes):
        style = {"marker": "o", "markersize": 1 + 2 * style.get("linewidth", 1.5), **style}
        panel.plot(sample, np.arange(len(sample)), color=colours[0], **style | {"linewidth": 0})
        return
    places, lines = points(sample, axes)
    for channel, heights in enumerate(lines):
        panel.plot(places, heights, color=colours[channel % len(colours)], **style)


def of_seeds(panel: Panel, x: Array, seeds: Floats, index: int, label: str, **style: Any) -> Floats:
    """A curve through the medians over seeds, with a band from the smallest to the largest.

    Args:
        panel: to draw on.
        x: `(K,)`.
        seeds: `(S, K)`, a row for each seed.
        index: of the curve, see `curve_style`.
        label: in the legend.
        style: further properties of the line.

    Returns:
        The medians, `(K,)`.
    """
    heights: Floats = np.median(seeds, axis=0)
    colour, dash = curve_style(index)
    if len(seeds) > 1:
        low, high = seeds.min(axis=0), seeds.max(axis=0)
        panel.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
    panel.plot(x, heights, color=colour, linestyle=dash, label=label, **style)
    return heights


def mark_rank(panel: Panel, rank: float, height: float, index: int) -> None:
    """A dot on the curve with this index."""
    colour, _ = curve_style(index)
    panel.plot([rank], [height], "o", color=colour, markersize=7, markeredgecolor=PAPER, zorder=4)


def points(sample: Array, axes: Axes) -> tuple[Floats, Floats]:
    """Positions `(P,)` and heights `(C, P)` of a curve or row: at its coordinates, if known."""
    known = axes.places[0].values if axes.places else None
    if known is None:
        return line_points(sample)
    return known, np.atleast_2d(np.asarray(sample, np.float64))


def finish(
    figure: Figure, panels: Sequence[Panel], sample: Array, axes: Axes, limits: Limits
) -> None:
    """Limits and labels of panels that share their axes.

    Args:
        figure: the figure that contains them.
        panels: in rows.
        sample: one that was drawn.
        axes: its names and coordinates.
        limits: lowest and highest value drawn.
    """
    margin = 0.08 * (limits[1] - limits[0])
    ends = (limits[0] - margin, limits[1] + margin)
    if named_rows(sample, axes):
        for panel in panels:
            panel.set(xlim=ends, ylim=(len(sample) - 0.5, -0.5))
            panel.set_yticks(range(len(sample)), [axis.label for axis in axes.channels])
        figure.supxlabel(DEVIATIONS)
        return
    for panel in panels:
        panel.set_ylim(*ends)
    if axes.places and axes.places[0].name:
        figure.supxlabel(axes.places[0].label)
    if isinstance(limits, DeviationLimits):
        figure.supylabel(DEVIATIONS)
    elif len(axes.channels) == 1 and sample.ndim == 2:
        figure.supylabel(axes.channels[0].label)


def channel_colours(sample: Array) -> Sequence[str]:
    """The colours of the channels of a curve."""
    return PALETTE[: max(1, len(sample))] if sample.ndim == 2 else PALETTE[:1]


def channel_names(count: int, axes: Axes) -> list[str]:
    """Names of channels, or their numbers.

    Example:
        >>> channel_names(2, Axes())
        ['channel 1', 'channel 2']
    """
    named = [axis.label for axis in axes.channels]
    return named or [f"channel {number}" for number in range(1, count + 1)]


def pixel_scale(scale: Scale, axis: Axis | None, size: int) -> None:
    """Ticks and label of an axis that counts pixels, at round coordinates.

    Args:
        scale: the horizontal or vertical axis of a panel with pixel centres at 0, 1, ...
        axis: its name and coordinates; without, there are no ticks.
        size: number of pixels.
    """
    if axis is None or axis.values is None:
        scale.set_ticks([])
    else:
        values = axis.values
        places = np.arange(size, dtype=np.float64)
        low, high = sorted((values[0], values[-1]))
        ticks = [t for t in MaxNLocator(nbins=4).tick_values(low, high) if low <= t <= high]
        order = 1 if values[0] < values[-1] else -1
        scale.set_ticks(
            np.interp(ticks, values[::order], places[::order]),
            [f"{tick:g}".replace("-", "\N{MINUS SIGN}") for tick in ticks],
        )
    if axis is not None:
        scale.set_label_text(axis.label)
