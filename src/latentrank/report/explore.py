"""A page to explore a code by hand: one slider for each principal direction."""

from __future__ import annotations

import base64
import io
import json
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from latentrank.errors import InputError
from latentrank.formatting import as_text
from latentrank.io import write_text
from latentrank.models.statistics import CodeStatistics
from latentrank.report import html
from latentrank.report.cells import Array, Limits, as_curves, displayable, line_points, widened
from latentrank.report.html import Html
from latentrank.report.style import CELL, INK, PALETTE
from latentrank.report.view import RANK_TOLERANCE, RunLike, View

DIRECTIONS: Final = 8
STEPS: Final = 17  # odd, so that no change is one of them
REACH: Final = 2.0  # standard deviations each way
STARTS: Final = 8
_CURVE: Final = (336, 240)  # pixels of a drawn curve
_FINE: Final = 2  # drawn so many times larger, since Pillow's lines are jagged


def write_explore(run: RunLike) -> Path:
    """Write `explore.html` into a run's folder.

    A reader picks a test sample, or the mean of the training codes, and moves its code along one
    of the first principal directions at a time. Every picture is one that the decoder gave;
    nothing is blended.

    Args:
        run: a finished run of an autoencoder.

    Returns:
        The path of `explore.html`, one self-contained file.

    Raises:
        InputError: the run is not finished, all codes are the same, a GAN, or the folder cannot
            be written.
    """
    view = View(run)
    if not run.model().reconstructs:
        raise InputError(
            f"A {view.config['method']} has no codes of samples to start from; take a run of an "
            "autoencoder."
        )
    if not len(_scales(view)):
        raise InputError(
            f"The code is constant (rank 0): every code gives the same {view.noun}, so there is "
            "nothing to explore."
        )
    decoded = view.decode(walks(view))
    sprites = [_sprite(start) for start in _drawn(decoded, view.limits)]
    pixelated = decoded.ndim > 5
    height, width = sprites[0].shape[0] // decoded.shape[1], sprites[0].shape[1] // STEPS
    target = run.folder / "explore.html"
    write_text(
        target,
        html.page(
            f"{view.name} on {view.data_name}",
            f"Pick a test {view.noun}, then move its code along one principal direction at a time.",
            html.facts(
                {"rank": (as_text(view.metrics["rank"]), f"of {view.metrics['latent_dim']}")}
            ),
            [
                _style(width / height, len(decoded.shape) > 5),
                _starts(len(sprites), view.noun),
                _sliders(view, decoded),
            ],
            f"Written by latentrank {version('latentrank')} from the run folder {run.folder.name}.",
            _script([_data_url(sprite, not pixelated) for sprite in sprites], decoded.shape[1]),
        ),
    )
    return target


def walks(view: View) -> NDArray[np.float64]:
    """Codes around several starts, along one principal direction of the training codes each.

    The first start is the mean of the training codes, the others are codes of test samples.
    Steps are equidistant, up to `REACH` standard deviations of the direction either way.

    Args:
        view: of a run with at least one direction.

    Returns:
        `(starts, directions, STEPS, L)`.
    """
    statistics, scales = _statistics(view), _scales(view)[:DIRECTIONS]
    codes = view.codes_of_picks(view.picks[: STARTS - 1], view.dataset)
    starts = np.concatenate([statistics.mean.numpy()[None], codes])
    ticks = np.linspace(-REACH, REACH, STEPS)
    axes = scales[:, None] * statistics.directions.numpy().T[: len(scales)]
    return np.asarray(starts[:, None, None] + ticks[:, None] * axes[:, None])


def _statistics(view: View) -> CodeStatistics:
    """Of the training codes, kept with the weights: no training sample is encoded again."""
    statistics: CodeStatistics = view.run.model().statistics  # type: ignore[attr-defined]
    return statistics


def _scales(view: View) -> NDArray[np.float64]:
    """Standard deviation along each direction that the rank counts, largest first."""
    variances = _statistics(view).variances.double().numpy()
    kept = variances[(variances > RANK_TOLERANCE * variances[:1]) & (variances > 0)]
    return np.asarray(np.sqrt(kept))


def _drawn(decoded: Array, limits: Limits) -> NDArray[np.uint8]:
    """Samples `(starts, directions, STEPS, *shape)` as pictures `(..., H, W, 3)`."""
    outer = decoded.shape[:3]
    flat = displayable(decoded.reshape(-1, *decoded.shape[3:]))
    if flat.ndim == 4:
        pictures = _pixels(flat, limits)
    else:
        pictures = _lines(as_curves(flat), widened(limits, flat))
    return pictures.reshape(*outer, *pictures.shape[1:])


def _pixels(images: Array, limits: Limits) -> NDArray[np.uint8]:
    low, high = limits
    values = np.clip((np.nan_to_num(images.astype(np.float64), nan=low) - low) / (high - low), 0, 1)
    pixels = np.round(values * 255).astype(np.uint8)
    # Anything but three channels has no colour of its own to show: the first stands for all.
    colours = pixels if pixels.shape[1] == 3 else np.repeat(pixels[:, :1], 3, axis=1)
    return colours.transpose(0, 2, 3, 1)


def _lines(curves: Array, limits: Limits) -> NDArray[np.uint8]:
    """Curves `(N, C, T)` as pictures on a light ground."""
    low, high = limits
    width, height = (size * _FINE for size in _CURVE)
    pictures = []
    for curve in curves:
        picture = Image.new("RGB", (width, height), CELL)
        draw = ImageDraw.Draw(picture)
        for channel, values in enumerate(curve):
            places, heights = line_points(values)
            across = (places - places[0]) / max(places[-1] - places[0], 1)
            up = (np.nan_to_num(heights, nan=low) - low) / (high - low)
            x, y = width * (0.05 + 0.9 * across), height * (0.92 - 0.84 * up)
            colour = INK if len(curve) == 1 else PALETTE[channel % len(PALETTE)]
            draw.line(list(zip(x, y, strict=True)), fill=colour, width=3 * _FINE)
        pictures.append(np.asarray(picture.resize(_CURVE, Image.Resampling.LANCZOS)))
    return np.stack(pictures)


def _sprite(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One picture of all: directions from top to bottom, steps from left to right."""
    rows, columns, height, width, _ = pictures.shape
    return pictures.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)


def _data_url(pixels: NDArray[np.uint8], drawn: bool) -> str:
    """The picture as a PNG; a drawing has few colours, and is small with a palette of them."""
    image, buffer = Image.fromarray(pixels), io.BytesIO()
    (image.quantize(32) if drawn else image).save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _style(aspect: float, pixelated: bool) -> Html:
    rendering = "pixelated" if pixelated else "auto"
    return Html(f"""<style>
.sprite {{ display: block; width: 100%; aspect-ratio: {aspect:.4f}; background-repeat: no-repeat;
  image-rendering: {rendering}; border-radius: 4px; }}
.starts {{ display: grid; grid-template-columns: repeat({STARTS}, minmax(0, 1fr)); gap: 0.7rem; }}
.starts button {{ padding: 3px; border: 2px solid transparent; border-radius: 7px;
  background: none; cursor: pointer; font: inherit; font-size: 0.8rem; color: var(--muted); }}
.starts button[aria-pressed=true] {{ border-color: var(--accent); color: var(--ink); }}
.directions {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr));
  gap: 2rem 1.8rem; }}
.directions label {{ display: block; font-size: 0.9rem; margin: 0 0 0.5rem; }}
.directions small {{ color: var(--muted); }}
.directions input {{ width: 100%; margin: 0.7rem 0 0; accent-color: var(--accent); }}
.directions output {{ color: var(--muted); font-size: 0.82rem;
  font-variant-numeric: tabular-nums; }}
</style>""")


def _starts(count: int, noun: str) -> Html:
    """The samples to start from; the script fills in their pictures."""
    names = ["mean", *(str(number) for number in range(1, count))]
    buttons = "".join(
        f'<button type="button"><span class="sprite"></span>{name}</button>' for name in names
    )
    caption = f"The mean of the training codes, and test {noun}s as they are reconstructed."
    below = f'<p class="below">{escape(caption)}</p>'
    return html.section("Start", Html(f'<div class="starts">{buttons}</div>{below}'))


def _sliders(view: View, decoded: Array) -> Html:
    """A picture and a slider for each direction."""
    shares = 100 * _scales(view) ** 2 / float(_statistics(view).variances.double().sum())
    middle = STEPS // 2
    cells = "".join(
        f'<div><label for="d{row}">Direction {row + 1} <small>{shares[row]:.1f} %</small></label>'
        f'<span class="sprite" data-row="{row}"></span>'
        f'<input id="d{row}" type="range" min="0" max="{STEPS - 1}" value="{middle}" '
        f'data-row="{row}"><output for="d{row}">0</output></div>'
        for row in range(decoded.shape[1])
    )
    note = (
        f"Principal directions of the training codes, and the share of the codes' variance that "
        f"each holds. A slider adds up to {REACH:g} standard "
        "deviations of its direction to the code, all others left as they are; each picture is "
        "the decoder's."
    )
    without = "<noscript><p class='note'>The sliders need JavaScript.</p></noscript>"
    return html.section(
        "Directions",
        Html(f'{without}<div class="directions">{cells}</div><p class="below">{escape(note)}</p>'),
    )


def _script(sprites: list[str], rows: int) -> str:
    """What moves the pictures: each shows one cell of its start's sprite."""
    values: dict[str, Any] = {"sprites": sprites, "rows": rows, "steps": STEPS, "reach": REACH}
    return f"const page = {json.dumps(values)};\n{_CODE}"


_CODE: Final = """
const at = (index, count) => count > 1 ? `${100 * index / (count - 1)}%` : '0%';
const middle = (page.steps - 1) / 2;
let start = 0;
function show(cell, source, row, step) {
  cell.style.backgroundImage = `url(${page.sprites[source]})`;
  cell.style.backgroundSize = `${100 * page.steps}% ${100 * page.rows}%`;
  cell.style.backgroundPosition = `${at(step, page.steps)} ${at(row, page.rows)}`;
}
function move(input) {
  const row = Number(input.dataset.row), step = Number(input.value);
  show(document.querySelector(`span[data-row="${row}"]`), start, row, step);
  const change = (step / middle - 1) * page.reach;
  input.nextElementSibling.textContent =
    change ? `${change > 0 ? '+' : '\\u2212'}${Math.abs(change).toFixed(2)} sd` : '0';
}
const sliders = document.querySelectorAll('.directions input');
const buttons = document.querySelectorAll('.starts button');
sliders.forEach(input => input.addEventListener('input', () => move(input)));
function begin(index) {
  start = index;
  buttons.forEach((button, own) => button.setAttribute('aria-pressed', own === index));
  sliders.forEach(input => { input.value = middle; move(input); });
}
buttons.forEach((button, index) => {
  show(button.firstElementChild, index, 0, middle);
  button.addEventListener('click', () => begin(index));
});
begin(buttons.length > 1 ? 1 : 0);
"""
