"""Points in the latent plane and in an embedding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from latentrank.data.parameters import parameter_names
from latentrank.errors import InputError
from latentrank.report.cells import Array, Floats
from latentrank.report.style import (
    CONTINUOUS,
    PALETTE,
    PAPER,
    legend_above,
    narrow,
    one_panel,
    page_width,
    panel_grid,
    styled,
)

_FIRST: Final = "first principal direction"
_SECOND: Final = "second principal direction"
_IN_LEGEND: Final = 20  # number of classes up to which a legend is used


@styled
def latent_scatter(
    codes: Array, labels: Array | None = None, names: Sequence[str] | None = None
) -> Figure:
    """Codes in the plane of their first two principal directions, coloured by label or parameter.

    Args:
        codes: `(N, 2)` coordinates; `(N, 1)` if the code has one direction; labels or parameters
            are then the vertical axis.
        labels: `(N,)` integers are classes, each with a colour and its number at its median;
            `(N,)` or `(N, P)` real numbers are parameters, a panel each; None: one colour.
        names: names of the classes 0, 1, ..., or of the parameters.

    Raises:
        InputError: codes with no or more than two columns, or labels of another length.

    Example:
        >>> codes = np.random.rand(50, 2)
        >>> len(latent_scatter(codes, np.arange(50) % 3).axes)
        1
    """
    if codes.ndim != 2 or codes.shape[1] not in (1, 2) or not len(codes):
        raise InputError(
            f"Codes to draw have the shape {codes.shape}, expected (N, 2) or (N, 1); "
            "project them onto one or two directions."
        )
    if labels is not None and len(labels) != len(codes):
        raise InputError(
            f"There are {len(labels)} labels for {len(codes)} codes, expected one each; "
            "give the labels of these samples."
        )
    if labels is None:
        return _plain_scatter(codes)
    if np.issubdtype(labels.dtype, np.integer) and labels.ndim == 1:
        return _class_scatter(codes, labels, names)
    return _parameter_scatter(codes, labels.reshape(len(labels), -1).astype(np.float64), names)


@styled
def tsne(real: Array, sampled: Array) -> Figure:
    """Real and sampled data embedded together: sampled points should cover the same regions.

    Args:
        real: `(N, 2)` embedded real samples.
        sampled: `(M, 2)` embedded generated samples, from the same embedding.

    Returns:
        The figure: real ones blue, sampled ones orange.

    Example:
        >>> figure = tsne(np.random.rand(9, 2), np.random.rand(9, 2))
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['real', 'sampled']
    """
    figure, axes = one_panel(5.2, 4.6)
    size = _dot_size(len(real) + len(sampled))
    for points, colour, name in ((real, PALETTE[0], "real"), (sampled, PALETTE[1], "sampled")):
        _dots(axes, points, s=size, color=colour, alpha=0.55, label=name)
    axes.set(xticks=[], yticks=[], xlabel="t-SNE 1", ylabel="t-SNE 2")
    legend = axes.legend(loc="upper right", markerscale=max(1.0, 5 / math.sqrt(size)))
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
    return figure


def _dot_size(count: int) -> float:
    """Area of a dot in points, smaller for more dots, so that density stays visible."""
    return float(np.clip(9000 / count, 3.5, 22))


def _dots(axes: Axes, points: Array, **how: Any) -> PathCollection:
    return axes.scatter(points[:, 0], points[:, 1], linewidths=0, rasterized=True, **how)


def _plain_scatter(codes: Array) -> Figure:
    figure, axes = one_panel(5.2, 4.4)
    one = codes.shape[1] == 1
    if one:
        axes.hist(codes[:, 0], bins=min(60, max(5, len(codes) // 10)), color=PALETTE[0])
    else:
        _dots(axes, codes, s=_dot_size(len(codes)), color=PALETTE[0], alpha=0.6)
    axes.set(xlabel=_FIRST, ylabel="codes" if one else _SECOND)
    return figure


def _class_scatter(codes: Array, labels: Array, names: Sequence[str] | None) -> Figure:
    """One colour per class; its number at its median, or its name in a legend."""
    classes, index = np.unique(labels, return_inverse=True)
    colours = _class_colours(len(classes))
    figure, axes = one_panel(6.2, 5.0)
    one = codes.shape[1] == 1
    points = np.column_stack([codes[:, 0], labels]) if one else codes
    _dots(axes, points, s=_dot_size(len(codes)), c=colours[index], alpha=0.65)
    axes.set(xlabel=_FIRST, ylabel="class" if one else _SECOND)
    if one:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        return figure
    if names is not None and len(classes) <= _IN_LEGEND:
        dots = [Line2D([], [], marker="o", linestyle="", color=colour) for colour in colours]
        legend_above(figure, dots, [_name(names, int(label)) for label in classes])
        return figure
    for label, colour in zip(classes, colours, strict=True):
        x, y = np.median(points[labels == label].astype(np.float64), axis=0)
        name = _name(names or (), int(label))
        halo = [withStroke(linewidth=3.5, foreground=PAPER)]
        text = axes.text(x, y, name, color=colour, ha="center", va="center", path_effects=halo)
        text.set(fontsize="xx-large", weight="bold")
    return figure


def _name(names: Sequence[str], index: int) -> str:
    """The name of a class, or its number if it has none."""
    return names[index] if 0 <= index < len(names) else str(index)


def _class_colours(count: int) -> Floats:
    """A colour for every class: the palette if it suffices, else samples of a continuous map."""
    if count <= len(PALETTE):
        return to_rgba_array(PALETTE[:count])
    return CONTINUOUS(np.linspace(0, 1, count))


def _parameter_scatter(codes: Array, parameters: Floats, names: Sequence[str] | None) -> Figure:
    """One panel for every parameter `(N, P)`."""
    count = parameters.shape[1]
    most = 2 if narrow() else 4
    small = min(most, count) > 2

    def size(columns: int, rows: int) -> tuple[float, float]:
        width = page_width() if columns > 1 else min(5.6, page_width())
        return width, rows * (2.3 if small else min(3.8, 0.8 * width / columns + 0.4))

    figure, panels = panel_grid(count, most, size, sharex=True)
    one, titles = codes.shape[1] == 1, parameter_names(names, count)
    for index, panel in enumerate(panels):
        values = parameters[:, index]
        points = np.column_stack([codes[:, 0], values if one else codes[:, 1]])
        area = _dot_size(len(codes)) / (2 if small else 1)
        drawn = _dots(panel, points, c=values, s=area, cmap=CONTINUOUS)
        panel.set_title(titles[index])
        if not one:
            bar = figure.colorbar(drawn, ax=panel, pad=0.02, aspect=28)
            bar.outline.set_visible(False)
    figure.supxlabel(_FIRST)
    figure.supylabel("parameter" if one else _SECOND)
    return figure
