"""Curves of errors: what they show and where it lies."""

import numpy as np
import pytest

from latentrank.errors import InputError
from latentrank.report import figures
from tests.report.figures.drawing import draws

KS = np.arange(1, 5)


def test_seeds_become_a_median_in_a_band():
    errors = np.array([[0.5, 0.4, 0.2, 0.1], [0.6, 0.5, 0.3, 0.1], [0.9, 0.8, 0.7, 0.2]])
    axes = figures.error_by_coefficients({"a": (KS, errors)}).axes[0]
    assert axes.lines[0].get_ydata().tolist() == errors[1].tolist()
    corners = axes.collections[0].get_paths()[0].vertices
    for column, k in enumerate(KS):
        heights = corners[corners[:, 0] == k, 1]
        assert {heights.min(), heights.max()} == {errors[0, column], errors[2, column]}


def test_pca_goes_as_far_as_any_method():
    pca = (np.arange(1, 100), 0.9 ** np.arange(1, 100))
    axes = figures.error_by_coefficients({"a": (KS, 0.5**KS)}, pca).axes[0]
    assert axes.lines[0].get_label() == "PCA"
    assert axes.lines[0].get_xdata().tolist() == [1, 2, 3, 4]


def test_rank_is_marked_on_its_curve():
    axes = figures.error_by_coefficients({"a": (KS, 0.5**KS)}, rank={"a": 2}).axes[0]
    (dot,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert (dot.get_xdata(), dot.get_ydata()) == ([2], [pytest.approx(0.25)])


def test_legend_lies_outside_the_axes():
    curves = {f"a method with a long name {number}": (KS, 0.5**KS) for number in range(9)}
    figure = figures.error_by_coefficients(curves)
    assert draws(figure)
    legend = figure.legends[0].get_window_extent()
    assert legend.y0 >= figure.axes[0].get_window_extent().y1
    assert legend.x1 <= figure.bbox.x1 + 1


def test_errors_of_zero_and_single_counts_are_drawn():
    assert draws(figures.error_by_coefficients({"a": (np.array([1]), np.array([0.0]))}))


def test_nothing_to_draw():
    with pytest.raises(InputError, match="at least one curve"):
        figures.error_by_coefficients({})
