"""Grids and rows of samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes as Panel
from matplotlib.figure import Figure

from latentrank.data.axes import UNNAMED, Axes
from latentrank.errors import InputError
from latentrank.report import lines
from latentrank.report.cells import (
    Array,
    Limits,
    displayable,
    grid_figure,
    in_rows,
    value_limits,
    widened,
)
from latentrank.report.style import MUTED, legend_above, narrow, styled


@styled
def reconstructions(
    originals: Array,
    reconstructions: Array,
    limits: Limits | None = None,
    axes: Axes = UNNAMED,
) -> Figure:
    """Originals above reconstructions; curves and vectors are overlaid.

    Args:
        originals: `(N, *shape)`, with N about a dozen.
        reconstructions: same shape.
        limits: values drawn as black and white; values beyond are clipped. Curves and vectors are
            never clipped: their cells span at least these limits. Default: the range of the
            originals, 0 to 255 for uint8.
        axes: names, units and coordinates of the axes of curves and vectors.

    Raises:
        InputError: the two arrays differ in shape, or are empty.

    Example:
        >>> images = np.random.rand(5, 1, 8, 8)
        >>> [text.get_text() for text in reconstructions(images, images).axes[0].texts]
        ['original', 'reconstruction']
    """
    both = {"original": originals, "reconstruction": reconstructions}
    if displayable(originals).ndim == 4:
        return labelled_rows(both, limits)
    _same_shape(both)
    return _overlaid(originals, reconstructions, limits, axes)


@styled
def labelled_rows(samples: Mapping[str, Array], limits: Limits | None = None) -> Figure:
    """Rows of samples with a name at the left, such as originals and several reconstructions.

    Args:
        samples: name to `(N, *shape)`, the same shape for all, drawn from top to bottom.
        limits: as in `reconstructions`; default: the range of the first row.

    Raises:
        InputError: rows of different shapes, no rows, or empty ones.

    Example:
        >>> rows = {"original": np.random.rand(4, 3, 8, 8), "lorae": np.random.rand(4, 3, 8, 8)}
        >>> [text.get_text() for text in labelled_rows(rows).axes[0].texts]
        ['original', 'lorae']
    """
    _same_shape(samples)
    first = next(iter(samples.values()))
    return grid_figure(
        np.stack(list(samples.values())), limits or value_limits(first), row_labels=list(samples)
    )


@styled
def samples(images: Array, limits: Limits | None = None, columns: int | None = None) -> Figure:
    """A grid of samples.

    Args:
        images: `(N, *shape)`.
        limits: as in `reconstructions`.
        columns: samples in a row; default: as wide as the page, at most 16.

    Raises:
        InputError: nothing to draw, or a shape that cannot be drawn.

    Example:
        >>> figure = samples(np.random.rand(64, 1, 8, 8), columns=16)
        >>> [float(place) for place in figure.axes[0].get_ylim()]
        [4.0, 0.0]
    """
    if not len(images):
        raise InputError(
            "There are no samples to draw, expected at least one; generate some first."
        )
    widest = 16 if displayable(images).ndim == 4 else 8
    grid = in_rows(images, columns or widest)
    return grid_figure(grid, limits or value_limits(images), count=len(images))


def _same_shape(samples: Mapping[str, Array]) -> None:
    """Reject rows of different shapes."""
    shapes = {name: rows.shape for name, rows in samples.items()}
    if len(set(shapes.values())) > 1:
        described = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InputError(
            f"Samples to compare differ in shape: {described}; give the same samples in every row."
        )
    if not shapes or not all(rows.size for rows in samples.values()):
        raise InputError("There are no samples to compare, expected at least one; give some.")


def _overlaid(originals: Array, versions: Array, limits: Limits | None, axes: Axes) -> Figure:
    """Curves or vectors in small panels, the original pale and wide behind its reconstruction."""
    figure, panels = lines.panels(len(originals), 2 if narrow() else 4, originals[0], axes, 1.35)
    colours = lines.channel_colours(originals[0])
    for panel, original, version in zip(panels, originals, versions, strict=True):
        lines.draw(panel, original, axes, [MUTED], alpha=0.45, linewidth=3.5)
        lines.draw(panel, version, axes, colours, linewidth=1.2)
    found = widened(limits or value_limits(originals), versions)
    lines.finish(figure, panels, originals[0], axes, found)
    _legend(figure, panels[0], axes)
    return figure


def _legend(figure: Figure, panel: Panel, axes: Axes) -> None:
    """Original and reconstruction; several channels of the latter by name."""
    drawn = list(panel.lines)
    versions = drawn[len(drawn) // 2 :]
    told = ["reconstruction"]
    if len(versions) > 1:
        names = lines.channel_names(len(versions), axes)
        told = [f"reconstruction, {name}" for name in names]
    legend_above(figure, [drawn[0], *versions], ["original", *told])
