"""Reconstruction error against the number of coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from latentrank.errors import InputError
from latentrank.report import lines
from latentrank.report.cells import Floats
from latentrank.report.style import INK, legend_above, one_panel, styled

_FLOOR: Final = 1e-6  # share of the variance below which errors are drawn at the axis
_LINEAR: Final = 12  # coefficients up to which their axis is linear

Curve = tuple[NDArray[np.int64], Floats]


@styled
def error_by_coefficients(
    curves: Mapping[str, Curve],
    pca: Curve | None = None,
    rank: Mapping[str, float] | None = None,
) -> Figure:
    """Errors of methods and of PCA, as shares of the data's variance.

    Args:
        curves: name to numbers of coefficients, `(K,)`, and errors, `(K,)` or `(S, K)` of S
            seeds: their median, with a band from the smallest to the largest.
        pca: the same for PCA, drawn thin and black over the range of the methods.
        rank: name to rank, marked by a dot on its curve.

    Raises:
        InputError: no curve.

    Example:
        >>> ks = np.arange(1, 5)
        >>> figure = error_by_coefficients({"lorae": (ks, 0.5**ks)}, pca=(ks, 0.6**ks))
        >>> [line.get_label() for line in figure.axes[0].lines]
        ['PCA', 'lorae']
    """
    if not curves:
        raise InputError("There are no errors to draw, expected at least one curve; give one.")
    figure, axes = one_panel(7.2, 3.7)
    longest = max(int(ks[-1]) for ks, _ in curves.values())
    if pca is not None:
        shown = pca[0] <= max(longest, 2)
        heights = np.maximum(pca[1][shown], _FLOOR)
        axes.plot(pca[0][shown], heights, color=INK, linewidth=1, label="PCA", zorder=1.5)
    for index, (name, curve) in enumerate(curves.items()):
        _draw_curve(axes, name, curve, None if rank is None else rank.get(name), index)
    _scale(axes, longest)
    axes.set(xlabel="number of coefficients", ylabel="error / variance of the data")
    legend_above(figure, *axes.get_legend_handles_labels())
    return figure


def _draw_curve(axes: Axes, name: str, curve: Curve, rank: float | None, index: int) -> None:
    """One method, with a band over its seeds."""
    ks, errors = curve[0], np.maximum(np.atleast_2d(curve[1]), _FLOOR)
    heights = lines.of_seeds(axes, ks, errors, index, name, marker=".", markersize=5)
    if rank is not None and ks[0] <= rank <= ks[-1]:
        height = float(np.exp(np.interp(np.log(rank), np.log(ks), np.log(heights))))
        lines.mark_rank(axes, rank, height, index)


def _scale(axes: Axes, longest: int) -> None:
    """A percent axis, and a base-2 coefficient axis unless they are few."""
    lowest, highest = axes.dataLim.intervaly
    if np.isclose(lowest, highest, rtol=1e-6, atol=0):  # matplotlib finds no margin for one height
        axes.set_ylim(lowest / 10, highest * 10)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high / low < 100:  # so that ticks at 1, 2 and 5 suffice
        axes.yaxis.get_major_locator().set_params(subs=(1.0, 2.0, 5.0))  # type: ignore[call-arg]
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axes.yaxis.set_minor_locator(NullLocator())
    if longest <= _LINEAR:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
        return
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
