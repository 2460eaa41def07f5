"""Empty axes as SVG drawings, into which a page draws decoded samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from latentrank.report import lines
from latentrank.report.cells import FieldLimits, colour_bar, displayable, widened
from latentrank.report.style import legend_above, new_figure, page_width, styled, to_svg
from latentrank.report.view import View


class Frame(NamedTuple):
    """A drawing of axes.

    Attributes:
        svg: the document.
        size: width and height in inches.
        box: left, top, width and height of the axes, in fractions of the drawing.
        limits: the values at its left, right, bottom and top edges.
    """

    svg: str
    size: tuple[float, float]
    box: tuple[float, float, float, float]
    limits: tuple[float, float, float, float]

    @classmethod
    def of(cls, figure: Figure) -> Frame:
        """The first axes of a figure."""
        svg = to_svg(figure)  # lays it out
        panel = figure.axes[0]
        place = panel.get_position()
        width, height = map(float, figure.get_size_inches())
        return cls(
            svg,
            (width, height),
            (place.x0, 1 - place.y1, place.width, place.height),
            (*panel.get_xlim(), *panel.get_ylim()),
        )


@styled
def of_samples(view: View) -> tuple[Frame, dict[str, Any]]:
    """Axes for one sample of a run, and how a page draws one in them.

    Returns:
        The frame, and by name: `kind`, which is `picture` (an image of `width` and `height`),
        `lines` (curves, each at the horizontal places `x`, in `colours`) or `rows` (of a table;
        a value in its own unit is `offset + scale * value`).
    """
    if not view.as_lines:
        height, width = displayable(view.examples[:1]).shape[2:]
        return Frame.of(_picture(view, height, width)), {
            "kind": "picture", "width": width, "height": height,
        }  # fmt: skip
    sample = view.examples[0]
    if lines.named_rows(sample, view.axes):
        return Frame.of(_lines(view, 0.26 * len(sample) + 0.9)), {
            "kind": "rows",
            "offset": np.full(len(sample), view.preprocessing.offset, np.float64).tolist(),
            "scale": np.full(len(sample), view.preprocessing.scale, np.float64).tolist(),
        }
    x, _ = lines.points(sample, view.axes)
    return Frame.of(_lines(view, 3.7)), {
        "kind": "lines",
        "x": x.tolist(),
        "colours": list(lines.channel_colours(sample)),
    }


def _picture(view: View, height: int, width: int) -> Figure:
    """Axes of an image, with its coordinates and a colour bar where it has them."""
    bar, known = isinstance(view.limits, FieldLimits), len(view.axes.places) >= 2
    tall = (page_width() - (1.0 if bar else 0) - (0.6 if known else 0)) * height / width
    figure = new_figure(page_width(), min(tall, 6.5) + (0.5 if known else 0.0))
    panel = figure.subplots()
    panel.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect="equal")
    vertical, horizontal = view.axes.places[-2:] if known else (None, None)
    lines.pixel_scale(panel.xaxis, horizontal, width)
    lines.pixel_scale(panel.yaxis, vertical, height)
    panel.grid(False)
    panel.spines[:].set_visible(False)
    if isinstance(view.limits, FieldLimits):
        colour_bar(figure, view.limits, ax=panel, aspect=25).set_label(view.limits.label)
    return figure


def _lines(view: View, height: float) -> Figure:
    """Axes of a curve or a row of a table."""
    sample = view.examples[0]
    figure = new_figure(page_width(), height)
    panel = figure.subplots()
    if not lines.named_rows(sample, view.axes):
        x, _ = lines.points(sample, view.axes)
        panel.set_xlim(float(x.min()), float(x.max()))
    lines.finish(figure, [panel], sample, view.axes, widened(view.limits, view.examples))
    if sample.ndim == 2 and len(sample) > 1:
        colours = lines.channel_colours(sample)
        names = lines.channel_names(len(sample), view.axes)
        legend_above(figure, [Line2D([], [], color=colour) for colour in colours], names)
    return figure
