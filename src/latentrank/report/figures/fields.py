"""Fields beside their reconstructions and errors."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes as Panel
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentrank.data.axes import UNNAMED, Axes
from latentrank.errors import InputError
from latentrank.report.cells import Array, Floats, Limits, colour_bar, displayable, value_limits
from latentrank.report.lines import MOST_CHANNELS, channel_names, pixel_scale
from latentrank.report.style import CONTINUOUS, new_figure, page_width, styled

ERRORS: Final = "RdBu_r"
_TITLES: Final = ("original", "reconstruction", "error")


@styled
def fields(originals: Array, reconstructions: Array, axes: Axes = UNNAMED) -> Figure:
    """Original, reconstruction and their difference side by side, with colour bars.

    Each of at most `MOST_CHANNELS` channels has its own rows, as many as fit on a page. Original
    and reconstruction share a colour bar; that of the error is symmetric about 0.

    Args:
        originals: `(N, C, H, W)` or `(N, C, D, H, W)`, drawn as their middle slice.
        reconstructions: same shape.
        axes: names, units and coordinates of the channels, and of height and width.

    Returns:
        The figure; its panels are in rows of three, followed by the colour bars.

    Raises:
        InputError: the arrays differ in shape, or are empty.

    Example:
        >>> x = np.random.rand(2, 1, 8, 8)
        >>> len(fields(x, x + 0.1).axes)  # 2 rows of 3, and 2 colour bars
        8
    """
    if originals.shape != reconstructions.shape or not originals.size:
        raise InputError(
            f"The fields have the shapes {originals.shape} and {reconstructions.shape}, expected "
            "the same, and at least one field; give reconstructions of these fields."
        )
    x, y = (displayable(part).astype(np.float64) for part in (originals, reconstructions))
    channels = min(x.shape[1], MOST_CHANNELS)
    count = min(len(x), max(1, MOST_CHANNELS // 2 // channels))
    figure = new_figure(page_width(), _height(count * channels, x.shape[2] / x.shape[3]))
    panels = figure.subplots(count * channels, 3, squeeze=False)
    alone = x.shape[1] == 1 and not axes.channels
    names = [""] if alone else channel_names(x.shape[1], axes)
    for channel in range(channels):
        rows = panels[channel * count : (channel + 1) * count]
        _draw_channel(figure, rows, x[:count, channel], y[:count, channel], axes, names[channel])
    for panel, title in zip(panels[0], _TITLES, strict=True):
        panel.set_title(title)
    return figure


def _height(rows: int, aspect: float) -> float:
    """Of the figure in inches: a third of the width, less labels and bars, in each row."""
    cell = max(0.6, (page_width() - 2.2) / 3)
    return 0.6 + rows * (cell * min(aspect, 1.5) + 0.15)


def _draw_channel(
    figure: Figure, panels: NDArray[Any], x: Floats, y: Floats, axes: Axes, label: str
) -> None:
    """The rows of one channel, `(n, 3)` panels, of fields `(n, H, W)`."""
    worst = float(np.nanmax(np.abs(y - x))) or 1.0
    values, errors = value_limits(np.stack([x, y])), Limits(-worst, worst)
    for columns, pictures, limits, colours in (
        (panels[:, :2], np.stack([x, y], axis=1), values, CONTINUOUS),
        (panels[:, 2:], (y - x)[:, None], errors, ERRORS),
    ):
        for panel, picture in zip(columns.flat, pictures.reshape(-1, *x.shape[1:]), strict=True):
            panel.imshow(picture, cmap=colours, vmin=limits[0], vmax=limits[1], aspect="auto")
            _place(panel, axes, picture.shape)
        place = {"ax": columns.ravel().tolist(), "pad": 0.01, "aspect": 25}
        colour_bar(figure, limits, colours, **place).set_label(label)


def _place(panel: Panel, axes: Axes, shape: tuple[int, ...]) -> None:
    """Axes of a panel: the vertical one at the left, the horizontal one at the bottom."""
    vertical, horizontal = axes.places[-2:] if len(axes.places) >= 2 else (None, None)
    at = panel.get_subplotspec()
    assert at is not None, "it is one of subplots"
    pixel_scale(panel.xaxis, horizontal if at.is_last_row() else None, shape[1])
    pixel_scale(panel.yaxis, vertical if at.is_first_col() else None, shape[0])
    panel.grid(False)
