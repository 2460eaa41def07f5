"""Curves of the training history."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

from latentrank.errors import InputError
from latentrank.report.cells import Array, Floats
from latentrank.report.style import (
    INK,
    PALETTE,
    legend_above,
    narrow,
    page_width,
    panel_grid,
    styled,
)

_NOT_A_LOSS: Final = frozenset({"epoch", "step", "seconds", "time", "lr", "learning_rate"})
_SPLIT: Final = re.compile(r"^(train|val|valid|validation|test)[/_](.+)$")


@styled
def loss_curves(history: Mapping[str, Array]) -> Figure:
    """One panel per logged quantity, training solid and validation dashed.

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
    most = 2 if narrow() else 4
    figure, cells = panel_grid(
        len(panels), most, lambda c, r: (page_width() * max(c, 1.5) / most, 0.25 + 2.1 * r)
    )
    for axes, (term, curves) in zip(cells, panels.items(), strict=True):
        _draw_term(axes, term, curves, None if axis is None else np.asarray(history[axis]))
        axes.set_xlabel(axis or "record")
    handles = {
        label: handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    legend_above(figure, list(handles.values()), list(handles))
    return figure


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
    # Minimised quantities first, derived ones last.
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
    """A logarithmic vertical axis if it helps, with plain tick labels over a short range."""
    if low <= 0 or high / low < 3:
        return
    axes.set_yscale("log")
    if high / low < 100:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
