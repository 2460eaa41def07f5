"""Grids of samples of any kind: images, volumes, curves or vectors."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentrank.errors import InputError
from latentrank.report.style import (
    CELL,
    CONTINUOUS,
    new_figure,
    page_width,
    small_colours,
    styled,
    text_inches,
)

Array = NDArray[np.generic]
Floats = NDArray[np.floating]

_GAP: Final = 0.06  # of a cell, between neighbours
MOST_POINTS: Final = 20_000  # of all lines of a figure; beyond, they are rasterised
_LONGEST_STEPS: Final = 32  # rows of a table up to this long are drawn as steps, one per feature


class Limits(NamedTuple):
    """The values drawn as black and white, or as the bottom and top of a cell."""

    low: float
    high: float


class FieldLimits(Limits):
    """The same for a field, which is drawn in colour with a colour bar, labelled `label`."""

    label = ""


class DeviationLimits(Limits):
    """The same in standard deviations from the mean of each channel."""


def displayable(samples: Array) -> Array:
    """Two-dimensional views of samples: a volume becomes its middle slice.

    Args:
        samples: `(N, F)` vectors, `(N, C, T)` curves, `(N, C, H, W)` images or
            `(N, C, D, H, W)` volumes.

    Returns:
        `(N, F)`, `(N, C, T)` or `(N, C, H, W)`.

    Raises:
        InputError: samples with fewer than two or more than five axes.

    Example:
        >>> displayable(np.zeros((4, 1, 9, 8, 8))).shape
        (4, 1, 8, 8)
    """
    if samples.ndim == 5:
        return samples[:, :, samples.shape[2] // 2]
    if samples.ndim in (2, 3, 4):
        return samples
    raise InputError(
        f"Samples to draw have the shape {samples.shape}, expected (N, F), (N, C, T), "
        "(N, C, H, W) or (N, C, D, H, W); reshape them."
    )


def value_limits(samples: Array) -> Limits:
    """The values drawn as black and white, or as the bottom and top of a cell.

    Returns:
        0 and 255 for uint8, otherwise the smallest and the largest finite value, never equal.

    Example:
        >>> value_limits(np.array([0.5, 2.0, np.nan]))
        Limits(low=0.5, high=2.0)
    """
    if samples.dtype == np.uint8:
        return Limits(0.0, 255.0)
    values = np.asarray(samples, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        return Limits(0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    if low < high:
        return Limits(low, high)
    half = max(0.5, 1e-6 * abs(low))  # 0.5 alone is lost beside a large number
    return Limits(low - half, low + half)


def widened(limits: Limits, samples: Array) -> Limits:
    """Limits extended to all samples, so that no line is clipped to a plateau.

    Args:
        limits: low and high.
        samples: any array.

    Returns:
        Limits at least as wide.

    Example:
        >>> widened(Limits(0.0, 1.0), np.array([0.5, 3.0]))
        Limits(low=0.0, high=3.0)
    """
    low, high = value_limits(samples)
    kind = DeviationLimits if isinstance(limits, DeviationLimits) else Limits
    return kind(min(limits[0], low), max(limits[1], high))


def in_rows(samples: Array, columns: int) -> Array:
    """Arrange samples in rows; an incomplete last row is filled with copies of the last sample.

    Args:
        samples: `(N, *shape)`.
        columns: samples in a row, at least 1.

    Returns:
        `(R, columns, *shape)`; one shorter row where N is less than `columns`.

    Example:
        >>> in_rows(np.zeros((7, 5)), 3).shape
        (3, 3, 5)
    """
    columns = min(columns, len(samples))
    rows = -(-len(samples) // columns)
    places = np.minimum(np.arange(rows * columns), len(samples) - 1)
    return samples[places].reshape(rows, columns, *samples.shape[1:])


def steps(values: Array) -> tuple[Floats, Floats]:
    """The outline of a bar chart with bars of width one, centred at 1, 2, ...

    Args:
        values: `(F,)`.

    Returns:
        Two arrays `(2 F,)`, positions and heights.

    Example:
        >>> steps(np.array([3.0, 5.0]))[0].tolist()
        [0.5, 1.5, 1.5, 2.5]
    """
    edges = np.arange(len(values) + 1) + 0.5
    return np.repeat(edges, 2)[1:-1], np.repeat(np.asarray(values, dtype=np.float64), 2)


def line_points(sample: Array) -> tuple[Floats, Floats]:
    """Positions and heights of the lines of a sample: point to point, or steps for a short row.

    Args:
        sample: a curve `(C, T)`, or a row of a table `(F,)`.

    Returns:
        Positions `(P,)` and heights `(C, P)`, one channel for a row.

    Example:
        >>> [part.shape for part in line_points(np.zeros((2, 5)))]
        [(5,), (2, 5)]
    """
    if sample.ndim == 1 and len(sample) <= _LONGEST_STEPS:
        places, heights = steps(sample)
        return places, heights[None]
    lines = np.atleast_2d(np.asarray(sample, dtype=np.float64))
    return np.arange(1.0, lines.shape[1] + 1), lines


@styled
def grid_figure(
    grid: Array,
    limits: Limits,
    row_labels: Sequence[str] = (),
    cell_width: float = 0.74,
    margin_left: float = 0.0,
    margin_bottom: float = 0.0,
    count: int | None = None,
) -> Figure:
    """A figure that is one grid of samples, rows from top to bottom.

    Args:
        grid: `(R, C, *shape)`, a sample in each cell.
        limits: values drawn as black and white; cells with lines are extended to contain them.
        row_labels: text at the left of each row, R of them or none.
        cell_width: in inches, if the page is wide enough.
        margin_left: inches to leave free at the left, for axes.
        margin_bottom: inches to leave free below.
        count: cells to draw, row by row; those that follow are left empty. Default: all.

    Returns:
        The figure; its only axes count in cells, downwards.

    Raises:
        InputError: no cell at all, or samples of a shape that cannot be drawn.

    Example:
        >>> figure = grid_figure(np.random.rand(2, 5, 1, 8, 8), (0, 1), row_labels=["a", "b"])
        >>> [float(place) for place in (*figure.axes[0].get_xlim(), *figure.axes[0].get_ylim())]
        [0.0, 5.0, 2.0, 0.0]
    """
    if grid.ndim < 3 or not grid.size:
        raise InputError(
            f"A grid of samples has the shape {grid.shape}, expected (rows, columns, ...) with at "
            f"least one sample; give some."
        )
    rows, columns = grid.shape[:2]
    cells = displayable(grid.reshape(rows * columns, *grid.shape[2:]))
    aspect = cells.shape[2] / cells.shape[3] if cells.ndim == 4 else 0.7
    if cells.ndim != 4:
        cell_width *= 1.3
    words = 0.14 + max(map(text_inches, row_labels)) if row_labels else 0.0
    left = max(margin_left, words)
    # A colour bar with its numbers, and a gap before it.
    label = limits.label if isinstance(limits, FieldLimits) and cells.ndim == 4 else None
    right = 0.0 if label is None else 1.0 if label else 0.85
    cell = min(cell_width, (page_width() - left - right) / columns)
    if label:
        label = _in_lines(label, min(rows * cell * aspect, 2.8))
        right += 0.17 * label.count("\n")
        cell = min(cell_width, (page_width() - left - right) / columns)
    across, up = columns * cell, rows * cell * aspect
    width, height = left + across + right, up + margin_bottom
    figure = new_figure(width, height, constrained=False)
    axes = figure.add_axes((left / width, margin_bottom / height, across / width, up / height))
    _draw_cells(axes, cells.reshape(rows, columns, *cells.shape[1:]), limits, count)
    if label is not None:
        # Half a number's height is left free at either end.
        tall, top = min(up, 2.8) - 0.2, height - 0.1
        place = ((width - right + 0.12) / width, (top - tall) / height, 0.12 / width, tall / height)
        colour_bar(figure, limits, cax=figure.add_axes(place)).set_label(label)
    gap_text = 0.08 / cell
    for row, label in enumerate(row_labels):
        axes.text(-gap_text, row + 0.5 - _GAP / 2, label, ha="right", va="center")
    return figure


def colour_bar(
    figure: Figure, limits: Limits, colours: Colormap | str = CONTINUOUS, **place: Any
) -> Colorbar:
    """A colour bar without an outline.

    Args:
        figure: the figure.
        limits: the values at its ends.
        colours: between them.
        place: where it goes, see `matplotlib.figure.Figure.colorbar`.
    """
    bar = figure.colorbar(ScalarMappable(Normalize(*limits), colours), **place)
    bar.outline.set_visible(False)
    return bar


def _in_lines(label: str, room: float) -> str:
    """A label broken between words into lines of at most `room` inches, where possible."""
    return "\n".join(wrap(label, max(1, int(len(label) * room / text_inches(label)))))


def _draw_cells(axes: Axes, grid: Array, limits: Limits, count: int | None) -> None:
    """Fill axes that count in cells with the first `count` samples of `(R, C, *shape)`."""
    rows, columns = grid.shape[:2]
    if grid.ndim == 5:
        axes.imshow(
            _mosaic(grid, limits, count),
            extent=(0, columns, rows, 0),
            interpolation="none",
            aspect="auto",
        )
    else:
        _draw_lines(axes, grid, widened(limits, grid), count)
    axes.set(xlim=(0, columns), ylim=(rows, 0), xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _mosaic(grid: Array, limits: Limits, count: int | None = None) -> NDArray[np.uint8]:
    """Images `(R, C, ch, H, W)` as one RGBA array, gaps and empty cells transparent."""
    rows, columns, channels, height, width = grid.shape
    colours = rgb(grid.reshape(rows * columns, channels, height, width), limits)
    colours = colours.reshape(rows, columns, height, width, 3)
    gap_y, gap_x = max(1, round(_GAP * height)), max(1, round(_GAP * width))
    mosaic = np.zeros((rows, height + gap_y, columns, width + gap_x, 4), dtype=np.uint8)
    mosaic[:, :height, :, :width, :3] = colours.swapaxes(1, 2)
    drawn = np.arange(rows * columns).reshape(rows, 1, columns, 1) < (count or rows * columns)
    mosaic[:, :height, :, :width, 3] = np.where(drawn, 255, 0)
    return mosaic.reshape(rows * (height + gap_y), columns * (width + gap_x), 4)


def rgb(images: Array, limits: Limits) -> NDArray[np.uint8]:
    """Images as the colours to draw.

    Args:
        images: `(N, C, H, W)`; unless there are three channels, the first is drawn.
        limits: values drawn as black and white, or as the ends of the colour bar of a field.

    Returns:
        `(N, H, W, 3)`.

    Example:
        >>> rgb(np.array([[[[0.0, 0.5, 2.0]]]]), Limits(0.0, 1.0))[0, 0].tolist()
        [[0, 0, 0], [128, 128, 128], [255, 255, 255]]
    """
    low, high = limits
    values = np.moveaxis(np.nan_to_num(images.astype(np.float64), nan=low), 1, -1)
    values = np.clip((values - low) / (high - low), 0, 1)
    if isinstance(limits, FieldLimits):
        return np.asarray(CONTINUOUS(values[..., 0], bytes=True)[..., :3])
    pixels = np.round(values * 255).astype(np.uint8)
    return pixels if pixels.shape[-1] == 3 else np.repeat(pixels[..., :1], 3, axis=-1)


def _draw_lines(axes: Axes, grid: Array, limits: Limits, count: int | None) -> None:
    """Curves `(R, C, ch, T)` or vectors `(R, C, F)` as small lines on a light background."""
    rows, columns = grid.shape[:2]
    samples = grid.reshape(rows * columns, *grid.shape[2:])[:count]
    low, high = limits
    grounds, lines = [], []
    for index, sample in enumerate(samples):
        x0, y0 = float(index % columns), float(index // columns)
        x1, y1 = x0 + 1 - _GAP, y0 + 1 - _GAP
        grounds.append([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
        places, heights = line_points(sample)
        across = (places - places[0]) / max(places[-1] - places[0], 1)
        for up in np.clip((heights - low) / (high - low), 0, 1):  # NaN leaves a gap
            inner_x = x0 + (1 - _GAP) * (0.06 + 0.88 * across)
            inner_y = y0 + (1 - _GAP) * (0.92 - 0.84 * up)
            lines.append(np.column_stack([inner_x, inner_y]))
    axes.add_collection(PolyCollection(grounds, facecolors=CELL, edgecolors="none"))
    axes.add_collection(
        LineCollection(
            lines,
            colors=small_colours(len(heights)),
            linewidths=1.0,
            rasterized=grid.size > MOST_POINTS,
        )
    )
