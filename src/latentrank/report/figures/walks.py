"""Decoded paths and planes of the latent space."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from latentrank.data.axes import UNNAMED, Axes
from latentrank.report import lines
from latentrank.report.cells import MOST_POINTS, Array, Limits, grid_figure, value_limits, widened
from latentrank.report.style import CONTINUOUS, legend_above, narrow, styled


@styled
def interpolation(rows: Array, limits: Limits | None = None, axes: Axes = UNNAMED) -> Figure:
    """Paths between pairs of samples, one row each; curves are overlaid, from dark to light.

    For curves with several channels, only the first paths are drawn, with one row of panels for
    each of at most `lines.MOST_CHANNELS` channels, since colours already distinguish steps.

    Args:
        rows: `(R, S, *shape)`, S steps from one sample to another.
        limits: as in `reconstructions`.
        axes: names, units and coordinates of the axes of curves and vectors.

    Raises:
        InputError: nothing to draw, or a shape that cannot be drawn.

    Example:
        >>> len(interpolation(np.random.rand(3, 9, 1, 50)).axes)
        3
    """
    limits = limits or value_limits(rows)
    if rows.ndim in (3, 4) and rows.size:
        return _walks(rows, widened(limits, rows), axes)
    return grid_figure(rows, limits)


@styled
def pca_grid(images: Array, limits: Limits | None = None, reach: float = 2.0) -> Figure:
    """Decoded points in the plane of the first two principal directions of the code.

    Args:
        images: `(G2, G1, *shape)`: entry `[i, j]` is at the i-th position along the second and the
            j-th along the first direction, both from `-reach` to `reach`. With `G2 = 1` it is a
            walk along the first direction alone.
        limits: as in `reconstructions`.
        reach: standard deviations from the mean to the grid's edge.

    Returns:
        The figure; the second direction points upwards.

    Raises:
        InputError: nothing to draw, or a shape that cannot be drawn.

    Example:
        >>> pca_grid(np.random.rand(7, 7, 1, 8, 8)).axes[0].get_xlabel()
        'first principal direction (standard deviations)'
    """
    up, across = images.shape[:2]
    figure = grid_figure(
        images[::-1],
        limits or value_limits(images),
        cell_width=min(0.74, 5.6 / across) if up > 1 else 0.74,
        margin_left=0.55 if up > 1 else 0.12,
        margin_bottom=0.5,
    )
    axes = figure.axes[0]
    places = np.array([0.0, 0.5, 1.0])
    names = [f"{value:+g}".replace("-", "\N{MINUS SIGN}") for value in (-reach, 0.0, reach)]
    names[1] = "0"
    axes.set_xticks(0.5 + places * (across - 1), names)
    axes.set_xlabel("first principal direction (standard deviations)")
    if up > 1:
        axes.set_yticks(up - 0.5 - places * (up - 1), names)
        axes.set_ylabel("second principal direction")
    axes.tick_params(length=0)
    return figure


def _walks(rows: Array, limits: Limits, axes: Axes) -> Figure:
    """Walks between curves `(R, S, C, T)` or vectors `(R, S, F)`, one panel each and channel."""
    across, steps = min(1 if narrow() else 3, len(rows)), rows.shape[1]
    walks, titles = list(rows), []
    if rows.ndim == 4 and rows.shape[2] > 1:
        titles = lines.channel_names(rows.shape[2], axes)[: lines.MOST_CHANNELS]
        walks = [walk[:, [channel]] for channel in range(len(titles)) for walk in rows[:across]]
    figure, panels = lines.panels(len(walks), across, rows[0, 0], axes, 1.7)
    colours = CONTINUOUS(np.linspace(0, 1, steps))
    for panel, walk in zip(panels, walks, strict=True):
        for colour, sample in zip(colours, walk, strict=True):
            lines.draw(panel, sample, axes, [colour], linewidth=1.2,
                       rasterized=rows.size > MOST_POINTS)  # fmt: skip
    for panel, title in zip(panels[::across], titles, strict=False):
        panel.set_title(title)
    lines.finish(figure, panels, rows[0, 0], axes, limits)
    legend_above(figure, [panels[0].lines[0], panels[0].lines[-1]], ["from", "to"])
    return figure
