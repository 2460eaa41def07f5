"""The figures of the report: pure functions from arrays to matplotlib figures.

Samples are given as the data has them, `(N, *shape)`: images `(C, H, W)`, curves `(C, T)`, vectors
`(F,)` or volumes `(C, D, H, W)`, of which the middle slice is drawn.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from latentrank.errors import InputError
from latentrank.report.cells import (
    Array,
    Floats,
    Limits,
    as_curves,
    displayable,
    grid_figure,
    in_rows,
    line_points,
    value_limits,
    widened,
)
from latentrank.report.style import (
    CONTINUOUS,
    INK,
    MUTED,
    PALETTE,
    PAPER,
    WIDTH,
    new_figure,
    styled,
)

SPECTRUM_FLOOR: Final = (
    1e-12  # below it a normalised singular value is rounding, drawn at the floor
)
_FEW: Final = 40  # values in a spectrum up to which each is marked by a point
_MOST_NAMED: Final = 8  # places on a logarithmic axis up to which each has its own tick
_NOT_A_LOSS: Final = frozenset({"epoch", "step", "seconds", "time", "lr", "learning_rate"})
_SPLIT: Final = re.compile(r"^(train|val|valid|validation|test)[/_](.+)$")


# --- samples -----------------------------------------------------------------------------------


@styled
def reconstructions(
    originals: Array, reconstructions: Array, limits: Limits | None = None
) -> Figure:
    """Originals above reconstructions; curves and vectors one over the other, where they compare.

    Args:
        originals: `(N, *shape)`, N of about a dozen.
        reconstructions: same shape.
        limits: values drawn as black and white; what lies beyond is clipped. Curves and vectors
            are never clipped: their cells reach at least from the first to the second. Default:
            the range of the originals, 0 to 255 for uint8.

    Returns:
        The figure.

    Raises:
        InputError: the two arrays differ in shape, or are empty.

    Example:
        >>> images = np.random.rand(5, 1, 8, 8)
        >>> [text.get_text() for text in reconstructions(images, images).axes[0].texts]
        ['original', 'reconstruction']
    """
    if displayable(originals).ndim == 4:
        return labelled_rows(
            {"original": originals, "reconstruction": reconstructions}, limits=limits
        )
    _same_shape({"original": originals, "reconstruction": reconstructions})
    return _overlaid(as_curves(originals), as_curves(reconstructions), limits)


@styled
def labelled_rows(samples: Mapping[str, Array], limits: Limits | None = None) -> Figure:
    """Rows of samples with a name at the left, such as originals and several methods' versions.

    Args:
        samples: name to `(N, *shape)`, the same shape for all, drawn from top to bottom.
        limits: as in `reconstructions`; default: the range of the first row.

    Returns:
        The figure.

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
def interpolation(rows: Array, limits: Limits | None = None) -> Figure:
    """Walks between pairs of samples, a row each; curves are overlaid, first dark, last light.

    Args:
        rows: `(R, S, *shape)`, S steps from one sample to another.
        limits: as in `reconstructions`.

    Returns:
        The figure.

    Raises:
        InputError: nothing to draw, or a shape that cannot be drawn.

    Example:
        >>> len(interpolation(np.random.rand(3, 9, 1, 50)).axes)
        3
    """
    limits = limits or value_limits(rows)
    if rows.ndim in (3, 4) and rows.size:
        return _walks(rows, widened(limits, rows))
    return grid_figure(rows, limits)


@styled
def pca_grid(images: Array, limits: Limits | None = None, reach: float = 2.0) -> Figure:
    """Decoded points of the plane of the first two principal directions of the code.

    Args:
        images: `(G2, G1, *shape)`: entry `[i, j]` lies at the i-th place along the second and the
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


@styled
def samples(images: Array, limits: Limits | None = None, columns: int | None = None) -> Figure:
    """A grid of samples.

    Args:
        images: `(N, *shape)`.
        limits: as in `reconstructions`.
        columns: samples in a row; default: as wide as the page, at most 16. A last row that is
            not full is left out.

    Returns:
        The figure.

    Raises:
        InputError: nothing to draw, or a shape that cannot be drawn.

    Example:
        >>> figure = samples(np.random.rand(64, 1, 8, 8), columns=16)
        >>> [float(place) for place in figure.axes[0].get_ylim()]
        [4.0, 0.0]
    """
    if not len(images):
        raise InputError("There are no samples to draw, expected at least one; draw some first.")
    widest = 16 if displayable(images).ndim == 4 else 8
    return grid_figure(in_rows(images, columns or widest), limits or value_limits(images))


def _same_shape(samples: Mapping[str, Array]) -> None:
    """Refuse rows that cannot stand below each other."""
    shapes = {name: rows.shape for name, rows in samples.items()}
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InputError(
            f"Samples to compare differ in shape: {told}; give the same samples in every row."
        )
    if not shapes or not all(rows.size for rows in samples.values()):
        raise InputError("There are no samples to compare, expected at least one; give some.")


def _overlaid(originals: Array, versions: Array, limits: Limits | None) -> Figure:
    """Curves `(N, C, T)` in small panels, the original wide and pale below its reconstruction."""
    columns = min(4, len(originals))
    rows = math.ceil(len(originals) / columns)
    figure = new_figure(WIDTH, 0.3 + 1.35 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    low, high = widened(limits or value_limits(originals), versions)
    for panel, original, version in zip(panels, originals, versions, strict=False):
        for channel, (true, found) in enumerate(zip(original, version, strict=True)):
            colour = PALETTE[channel % len(PALETTE)]
            panel.plot(*line_points(true), color=MUTED, alpha=0.45, linewidth=3.5, label="original")
            panel.plot(*line_points(found), color=colour, linewidth=1.2, label="reconstruction")
        panel.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))
    for panel in list(panels)[len(originals) :]:
        panel.set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles[:2], labels[:2], loc="outside upper left", ncols=2)
    return figure


def _walks(rows: Array, limits: Limits) -> Figure:
    """Walks between curves `(R, S, C, T)` or vectors `(R, S, F)`, one panel each."""
    count, steps = rows.shape[:2]
    columns = min(3, count)
    lines = math.ceil(count / columns)
    figure = new_figure(WIDTH, 0.3 + 1.7 * lines)
    panels = list(figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).flat)
    colours = CONTINUOUS(np.linspace(0, 1, steps))
    low, high = limits
    for panel, walk in zip(panels, rows, strict=False):
        for colour, sample in zip(colours, as_curves(walk), strict=True):
            for values in sample:
                panel.plot(*line_points(values), color=colour, linewidth=1.2)
        panel.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))
    for panel in panels[count:]:
        panel.set_visible(False)
    ends = [panels[0].lines[0], panels[0].lines[-1]]
    figure.legend(ends, ["from", "to"], loc="outside upper left", ncols=2)
    return figure


# --- the code's spectrum and the training ------------------------------------------------------


@styled
def spectrum(
    spectra: Mapping[str, Array],
    rank: Mapping[str, float] | None = None,
    true_dimension: int | None = None,
    tolerance: float | None = None,
) -> Figure:
    """Singular values of the codes' covariance, on a linear and on a logarithmic axis.

    Args:
        spectra: name to `(L,)` values, largest first, divided by the largest; lengths may differ.
        rank: name to rank, marked by a dot on its curve and in the legend; need not be whole.
        true_dimension: what the data was made from, a dashed line.
        tolerance: the level below which a value no longer counts towards the rank, a dotted line.

    Returns:
        The figure: the first value stands at 1; zeros lie at the bottom of the logarithmic axis.

    Raises:
        InputError: no spectrum, or an empty one.

    Example:
        >>> figure = spectrum({"lorae": np.array([1.0, 0.2, 0.0])}, rank={"lorae": 2})
        >>> [axes.get_yscale() for axes in figure.axes]
        ['linear', 'log']
    """
    if not spectra or not all(np.size(values) for values in spectra.values()):
        raise InputError("There is no spectrum to draw, expected at least one value; give one.")
    figure = new_figure(WIDTH, 3.3)
    linear, logarithmic = figure.subplots(1, 2)
    for index, (name, values) in enumerate(spectra.items()):
        found = None if rank is None else rank.get(name)
        _draw_spectrum(linear, name, values, found, PALETTE[index % len(PALETTE)], floor=0.0)
        _draw_spectrum(
            logarithmic, name, values, found, PALETTE[index % len(PALETTE)], SPECTRUM_FLOOR
        )
    bottom = _lowest(spectra, tolerance) / 2
    # Above 1 there are no values: the room is for the legend, also over a flat spectrum.
    logarithmic.set(yscale="log", ylim=(bottom, bottom**-0.12))
    logarithmic.yaxis.set_major_formatter(FuncFormatter(_power_of_ten))
    logarithmic.yaxis.set_minor_locator(NullLocator())
    if tolerance is not None:
        label = f"rank counts values above {tolerance:g}"
        line = logarithmic.axhline(
            tolerance, color=MUTED, linestyle=":", linewidth=1.2, zorder=1, label=label
        )
        logarithmic.legend(handles=[line], loc="upper right")
    longest = max(np.size(values) for values in spectra.values())
    for axes in (linear, logarithmic):
        if true_dimension is not None:
            label = f"true dimension {true_dimension}"
            axes.axvline(true_dimension, color=INK, linestyle="--", linewidth=1, label=label)
        axes.set(xlabel="index of the singular value", xlim=(1 - 0.02 * longest, 1.02 * longest))
        axes.set_xticks(_ticks_from_one(longest))
    linear.set_ylim(-0.03, 1.05)
    linear.set_ylabel("singular value / largest")
    linear.legend(loc="best")
    return figure


@styled
def loss_curves(history: Mapping[str, Array]) -> Figure:
    """Every logged quantity in a panel of its own, training solid and validation dashed.

    Args:
        history: name to `(E,)` values; `train_loss` and `val_loss` (or `train/loss`, ...) share a
            panel. Missing entries are NaN. `epoch`, else `step`, is the horizontal axis.

    Returns:
        The figure: a logarithmic axis where all values of a panel are positive and spread out.

    Raises:
        InputError: no quantity with a finite value.

    Example:
        >>> history = {"epoch": np.arange(3), "train_loss": np.ones(3), "val_loss": np.ones(3)}
        >>> [axes.get_title(loc="left") for axes in loss_curves(history).axes]
        ['loss']
    """
    panels = _by_term(history)
    if not panels:
        raise InputError(
            "The training history has no finite value to draw, expected at least one epoch; "
            "train for longer."
        )
    axis = next((name for name in ("epoch", "step") if name in history), None)
    columns = min(4, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = new_figure(max(3.6, WIDTH * columns / 4), 0.25 + 2.1 * rows)
    cells = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, (term, curves) in zip(cells, panels.items(), strict=False):
        _draw_term(axes, term, curves, None if axis is None else np.asarray(history[axis]))
        axes.set_xlabel(axis or "record")
    for axes in cells[len(panels) :]:
        axes.set_visible(False)
    handles = {
        label: handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if set(handles) - {""}:
        figure.legend(
            list(handles.values()), list(handles), loc="outside upper left", ncols=len(handles)
        )
    return figure


def _draw_spectrum(
    axes: Axes, name: str, values: Array, rank: float | None, colour: str, floor: float
) -> None:
    """One curve with its rank, values clipped from below."""
    heights = np.maximum(np.nan_to_num(np.asarray(values, dtype=np.float64)), floor)
    places = np.arange(1.0, len(heights) + 1)
    label = name if rank is None else f"{name} (rank {rank:.4g})"
    marker = "." if len(heights) <= _FEW else None
    axes.plot(places, heights, color=colour, label=label, marker=marker, markersize=4)
    if rank is not None and rank >= 1:
        height = float(np.interp(rank, places, heights))
        axes.plot(
            [rank], [height], "o", color=colour, markersize=7, markeredgecolor=PAPER, zorder=4
        )


def _lowest(spectra: Mapping[str, Array], tolerance: float | None) -> float:
    """The bottom of the logarithmic axis: the smallest value drawn, or the level below it."""
    smallest = min(float(np.nan_to_num(values).min()) for values in spectra.values())
    return min(max(smallest, SPECTRUM_FLOOR), tolerance or 1e-2)


def _ticks_from_one(longest: int) -> list[int]:
    """Whole numbers for the axis of indices: 1, then round ones."""
    round_ones = MaxNLocator(nbins=8, integer=True).tick_values(0, longest)
    return [1] + [int(tick) for tick in round_ones if 1 < tick <= longest]


def _power_of_ten(value: float, _: int | None = None) -> str:
    """The tick label; at the floor it says that what lies there is smaller still."""
    if value > 1:
        return ""
    exponent = round(math.log10(value))
    below = r"\leq " if value <= SPECTRUM_FLOOR * 1.01 else ""
    return f"${below}10^{{{exponent}}}$"


def _by_term(history: Mapping[str, Array]) -> dict[str, dict[str, Floats]]:
    """History columns as term -> split -> values, columns without a finite value left out."""
    panels: dict[str, dict[str, Floats]] = {}
    for name, column in history.items():
        values = np.asarray(column, dtype=np.float64)
        if name in _NOT_A_LOSS or not np.isfinite(values).any():
            continue
        match = _SPLIT.match(name)
        split, term = ("", name) if match is None else (match[1], match[2])
        if term not in _NOT_A_LOSS:
            split = {"val": "validation", "valid": "validation", "train": "training"}.get(
                split, split
            )
            panels.setdefault(term, {})[split] = values
    # What is minimised comes first, what merely follows from it last.
    order = sorted(panels, key=lambda term: (term == "loss") - (term == "rank"), reverse=True)
    return {term: dict(sorted(panels[term].items())) for term in order}


def _draw_term(axes: Axes, term: str, curves: Mapping[str, Floats], places: Array | None) -> None:
    """One quantity of the history."""
    lines = {"training": (PALETTE[0], "-"), "validation": (PALETTE[1], "--"), "": (INK, "-")}
    for split, values in curves.items():
        known = np.isfinite(values)
        across = np.arange(1, len(values) + 1) if places is None else places
        colour, dash = lines.get(split, (PALETTE[2], "-."))
        marker = "." if known.sum() < 2 else None
        axes.plot(
            across[known], values[known], dash, color=colour, label=split or None, marker=marker
        )
    every = np.concatenate([values[np.isfinite(values)] for values in curves.values()])
    axes.set_title(term.replace("_", " "))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    if len(across) == 1:
        axes.set_xlim(across[0] - 0.5, across[0] + 0.5)
    if term == "rank":
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    else:
        _log_if_wide(axes, float(every.min()), float(every.max()))


def _log_if_wide(axes: Axes, low: float, high: float) -> None:
    """A logarithmic vertical axis where it helps, with plain tick labels over a short range."""
    if low <= 0 or high / low < 3:
        return
    axes.set_yscale("log")
    if high / low < 100:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


# --- points in the latent plane ----------------------------------------------------------------


@styled
def latent_scatter(codes: Array, labels: Array | None = None) -> Figure:
    """Codes in the plane of their first two principal directions, coloured by what is known.

    Args:
        codes: `(N, 2)` coordinates; `(N, 1)` where the code has one direction, and then what is
            known is drawn upwards.
        labels: `(N,)` whole numbers are classes, each with a colour and its number at its middle;
            `(N,)` or `(N, P)` real numbers are parameters, a panel each; None: one colour.

    Returns:
        The figure.

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
            "project them on one or two directions."
        )
    if labels is not None and len(labels) != len(codes):
        raise InputError(
            f"There are {len(labels)} labels for {len(codes)} codes, expected one each; "
            "give the labels of these samples."
        )
    if labels is None:
        return _plain_scatter(codes)
    if np.issubdtype(labels.dtype, np.integer) and labels.ndim == 1:
        return _class_scatter(codes, labels)
    return _parameter_scatter(codes, labels.reshape(len(labels), -1).astype(np.float64))


@styled
def tsne(real: Array, sampled: Array) -> Figure:
    """Real and sampled data embedded together: sampled points should cover what the real ones do.

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
    figure = new_figure(5.2, 4.6)
    axes = figure.subplots()
    size = _dot_size(len(real) + len(sampled))
    for points, colour, name in ((real, PALETTE[0], "real"), (sampled, PALETTE[1], "sampled")):
        axes.scatter(
            points[:, 0],
            points[:, 1],
            s=size,
            color=colour,
            alpha=0.55,
            linewidths=0,
            label=name,
            rasterized=True,
        )
    axes.set(xticks=[], yticks=[], xlabel="t-SNE 1", ylabel="t-SNE 2")
    legend = axes.legend(loc="upper right", markerscale=max(1.0, 5 / math.sqrt(size)))
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
    return figure


def _dot_size(count: int) -> float:
    """Area of a dot in points: smaller the more there are, so that density stays visible."""
    return float(np.clip(9000 / count, 3.5, 22))


def _scatter_axes(axes: Axes, one_direction: bool) -> None:
    axes.set_xlabel("first principal direction")
    if not one_direction:
        axes.set_ylabel("second principal direction")
    axes.tick_params(labelsize=7)


def _plain_scatter(codes: Array) -> Figure:
    figure = new_figure(5.2, 4.4)
    axes = figure.subplots()
    if codes.shape[1] == 1:
        axes.hist(codes[:, 0], bins=min(60, max(5, len(codes) // 10)), color=PALETTE[0])
        axes.set_ylabel("codes")
    else:
        axes.scatter(
            codes[:, 0],
            codes[:, 1],
            s=_dot_size(len(codes)),
            color=PALETTE[0],
            alpha=0.6,
            lw=0,
            rasterized=True,
        )
    _scatter_axes(axes, one_direction=codes.shape[1] == 1)
    return figure


def _class_scatter(codes: Array, labels: Array) -> Figure:
    """One colour a class, the class's number at its median."""
    classes = np.unique(labels)
    colours = _class_colours(len(classes))
    figure = new_figure(6.2, 5.0)
    axes = figure.subplots()
    one = codes.shape[1] == 1
    points = np.column_stack([codes[:, 0], labels]) if one else codes
    colour_of = np.asarray(colours)[np.searchsorted(classes, labels)]
    size = _dot_size(len(codes))
    axes.scatter(
        points[:, 0], points[:, 1], s=size, c=colour_of, alpha=0.65, linewidths=0, rasterized=True
    )
    _scatter_axes(axes, one_direction=one)
    if one:
        axes.set_ylabel("class")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        return figure
    for label, colour in zip(classes, colours, strict=True):
        x, y = np.median(points[labels == label].astype(np.float64), axis=0)
        halo = [withStroke(linewidth=3.5, foreground=PAPER)]
        axes.text(
            x,
            y,
            str(label),
            color=colour,
            fontsize=14,
            weight="bold",
            ha="center",
            va="center",
            path_effects=halo,
        )
    return figure


def _class_colours(count: int) -> list[tuple[float, float, float, float]]:
    """A colour for every class: the palette while it lasts, else steps of one continuous map."""
    if count <= len(PALETTE):
        return [to_rgba(colour) for colour in PALETTE[:count]]
    return [tuple(colour) for colour in CONTINUOUS(np.linspace(0, 1, count))]


def _parameter_scatter(codes: Array, parameters: Floats) -> Figure:
    """One panel for every parameter `(N, P)`."""
    count = parameters.shape[1]
    columns = min(4, count)
    rows = math.ceil(count / columns)
    width = WIDTH if columns > 1 else 5.6
    figure = new_figure(width, rows * (2.3 if columns > 2 else 3.8))
    panels = list(figure.subplots(rows, columns, sharex=True, squeeze=False).flat)
    one = codes.shape[1] == 1
    for index, panel in enumerate(panels[:count]):
        values = parameters[:, index]
        height = values if one else codes[:, 1]
        drawn = panel.scatter(
            codes[:, 0],
            height,
            c=values,
            s=_dot_size(len(codes)) / (1 if columns < 3 else 2),
            cmap=CONTINUOUS,
            linewidths=0,
            rasterized=True,
        )
        panel.set_title(f"parameter {index + 1}")
        panel.tick_params(labelsize=7)
        if not one:
            bar = figure.colorbar(drawn, ax=panel, pad=0.02, aspect=28)
            bar.ax.tick_params(labelsize=7)
            bar.outline.set_visible(False)
    for panel in panels[count:]:
        panel.set_visible(False)
    figure.supxlabel("first principal direction", fontsize=9)
    figure.supylabel("parameter" if one else "second principal direction", fontsize=9)
    return figure


# --- measurements ------------------------------------------------------------------------------


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
        expected: an exponent that theory names, drawn dashed through the middle of the fit.

    Returns:
        The figure.

    Raises:
        InputError: a number that has no logarithm, or arrays of different lengths.

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
            "numbers, not all positive or not in pairs; leave out what has no logarithm."
        )
    figure = new_figure(5.2, 3.6)
    axes = figure.subplots()
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
    """Horizontal bars with the spread over seeds, and published values as marks beside them.

    Args:
        values: name to mean and spread; a spread of 0 or NaN draws no whisker.
        label: what is measured, with its unit.
        published: name to the value that a paper gives.

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
    figure = new_figure(6.2, 0.75 + 0.34 * len(values) + (0.25 if published else 0))
    axes = figure.subplots()
    places = np.arange(len(values))
    means = np.array([mean for mean, _ in values.values()])
    spreads = np.nan_to_num([spread for _, spread in values.values()])
    axes.barh(places, means, height=0.62, color=PALETTE[0], alpha=0.85)
    seen = spreads > 0
    axes.errorbar(
        means[seen], places[seen], xerr=spreads[seen], fmt="none", ecolor=INK, capsize=3, lw=1
    )
    for place, name in enumerate(values):
        if published is not None and name in published:
            axes.plot(
                published[name], place, "D", color=PALETTE[1], markersize=6, label="published"
            )
    axes.set_yticks(places, list(values))
    axes.set(xlabel=label, ylim=(len(values) - 0.4, -0.6))
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles[:1], labels[:1], loc="outside upper right")
    return figure
