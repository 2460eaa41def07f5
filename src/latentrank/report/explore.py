"""An interactive page to explore a code, with a slider for each principal direction."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from latentrank import __version__
from latentrank.data.axes import Axes
from latentrank.formatting import as_text
from latentrank.io import write_text
from latentrank.report import html, lines
from latentrank.report.cells import Array, Limits, displayable, rgb, widened
from latentrank.report.panels import reading
from latentrank.report.style import CELL, small_colours
from latentrank.report.view import View
from latentrank.runs import Run

DIRECTIONS: Final = 8
STEPS: Final = 17  # odd, so that zero is one of them
REACH: Final = 2.0  # standard deviations each way
STARTS: Final = 8
_CURVE: Final = (336, 240)  # pixels of a drawn curve
_FINE: Final = 2  # oversampling factor, since Pillow's lines are jagged


def write_explore(run: Run) -> Path:
    """Write `explore.html` into a run's folder.

    The reader picks a test sample, or the mean of the training codes, and moves its code along one
    of the first principal directions at a time. Every picture is decoded; nothing is blended.

    Args:
        run: a finished run of an autoencoder.

    Returns:
        The path of `explore.html`, one self-contained file.

    Raises:
        InputError: the run is not finished or is a GAN, all codes are the same, or the folder
            cannot be written.
    """
    view = explorable(run)
    decoded = view.decode(walks(view))
    sprites = [_sprite(start) for start in _drawn(decoded, view)]
    directions = decoded.shape[1]
    height, width = sprites[0].shape[0] // directions, sprites[0].shape[1] // STEPS
    values = {
        "sprites": [_data_url(sprite, view.as_lines) for sprite in sprites],
        "rows": directions,
        "steps": STEPS,
        "reach": REACH,
    }
    parts, shares = html.macros("explore"), 100 * view.explained
    names = ["mean", *map(str, range(1, len(sprites)))]
    rendering = "auto" if view.as_lines else "pixelated"
    shown = f"{'reconstructions of ' if view.has_samples else ''}{view.start_noun}s.{reading(view)}"
    target = run.folder / "explore.html"
    write_text(
        target,
        html.page(
            view.title,
            f"Pick a {view.start_noun}, then move its code along one principal direction at a "
            "time.",
            html.facts(
                {"rank": (as_text(view.metrics["rank"]), f"of {view.metrics['latent_dim']}")}
            ),
            [
                html.section(
                    "Start", parts.starts(names, shown, f"{width / height:.4f}", rendering)
                ),
                html.section(
                    "Directions",
                    parts.legend(_legend(view))
                    + parts.directions(shares[:directions].tolist(), STEPS, REACH),
                ),
            ],
            f"Written by latentrank {__version__} from the folder {run.folder.name}.",
            interactive="explore",
            values=values,
        ),
    )
    return target


def explorable(run: Run) -> View:
    """The view of a run whose codes can be moved.

    Raises:
        InputError: it is a GAN, or all codes are the same.
    """
    view = View(run)
    view.need_codes("none to start from; give a run of an autoencoder")
    view.need_directions("nothing to explore")
    return view


def thumbnails(view: View) -> list[str]:
    """Decoded pictures of the starting points, as data URLs."""
    decoded = view.decode(view.starts)[:, None, None]
    return [_data_url(picture[0, 0], view.as_lines) for picture in _drawn(decoded, view)]


def walks(view: View) -> NDArray[np.float64]:
    """Codes around several starting points, along single principal directions.

    The first starting point is the mean training code, the others are those of the view. Steps are
    equidistant, up to `REACH` standard deviations in either direction.

    Args:
        view: view of a run with at least one direction.

    Returns:
        `(starts, directions, STEPS, L)`.
    """
    plane, count = view.plane, min(view.directions, DIRECTIONS)
    starts = np.concatenate([plane.mean[None], view.starts[: STARTS - 1]])
    ticks = np.linspace(-REACH, REACH, STEPS)
    axes = plane.scales[:count, None] * plane.basis.T[:count]
    return np.asarray(starts[:, None, None] + ticks[:, None] * axes[:, None])


def _drawn(decoded: Array, view: View) -> NDArray[np.uint8]:
    """Samples `(starts, directions, STEPS, *shape)` as pictures `(..., H, W, 3)`."""
    outer = decoded.shape[:3]
    flat = displayable(decoded.reshape(-1, *decoded.shape[3:]))
    if flat.ndim == 4:
        pictures = rgb(flat, view.limits)
    else:
        pictures = _lines(flat, widened(view.limits, flat), view.axes)
    return pictures.reshape(*outer, *pictures.shape[1:])


def _lines(samples: Array, limits: Limits, axes: Axes) -> NDArray[np.uint8]:
    """Curves `(N, C, T)` or rows `(N, F)` as pictures, at their coordinates."""
    low, high = limits
    width, height = (size * _FINE for size in _CURVE)
    pictures = []
    for sample in samples:
        picture = Image.new("RGB", (width, height), CELL)
        draw = ImageDraw.Draw(picture)
        places, drawn = lines.points(sample, axes)
        across = (places - places.min()) / (np.ptp(places) or 1)
        for heights, colour in zip(drawn, small_colours(len(drawn)), strict=True):
            up = (np.nan_to_num(heights, nan=low) - low) / (high - low)
            x, y = width * (0.05 + 0.9 * across), height * (0.92 - 0.84 * up)
            draw.line(list(zip(x, y, strict=True)), fill=colour, width=3 * _FINE)
        pictures.append(np.asarray(picture.resize(_CURVE, Image.Resampling.LANCZOS)))
    return np.stack(pictures)


def _legend(view: View) -> list[tuple[str, str]]:
    """The name of each channel of a curve with its colour; empty where there is one."""
    if view.noun != "curve" or view.shape[0] == 1:
        return []
    names = lines.channel_names(view.shape[0], view.axes)
    return list(zip(names, small_colours(len(names)), strict=True))


def _sprite(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """All pictures in one: directions from top to bottom, steps from left to right."""
    rows, columns, height, width, _ = pictures.shape
    return pictures.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)


def _data_url(pixels: NDArray[np.uint8], drawn: bool) -> str:
    """The picture as a PNG; a drawing has few colours, so a palette makes it small."""
    image, buffer = Image.fromarray(pixels), io.BytesIO()
    (image.quantize(32) if drawn else image).save(buffer, format="PNG", optimize=True)
    return html.data_url(buffer.getvalue())
