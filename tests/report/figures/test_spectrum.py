import re

import numpy as np
import pytest

from latentrank.errors import InputError
from latentrank.report import figures, style
from tests.report.figures.drawing import draws


def test_first_singular_value_stands_at_one_and_zeros_on_the_floor():
    values = np.array([1.0, 0.5, 0.0, np.nan])
    linear, logarithmic = figures.spectrum({"a": values}).axes
    assert linear.lines[0].get_xdata().tolist() == [1, 2, 3, 4]
    assert linear.lines[0].get_ydata().tolist() == [1, 0.5, 0, 0]
    drawn = logarithmic.lines[0].get_ydata()
    assert drawn.tolist() == [1, 0.5, figures.SPECTRUM_FLOOR, figures.SPECTRUM_FLOOR]
    low, high = logarithmic.get_ylim()
    assert 0 < low < drawn.min() < 1 < high


def test_rank_is_marked_on_its_curve():
    figure = figures.spectrum({"a": np.array([1.0, 0.5, 0.2])}, {"a": 2})
    for axes in figure.axes:
        (dot,) = [line for line in axes.lines if line.get_marker() == "o"]
        assert (dot.get_xdata(), dot.get_ydata()) == ([2], [0.5])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a (rank 2)"]


@pytest.mark.parametrize("rank", [0, 0.4])
def test_rank_below_one_has_no_dot(rank):
    figure = figures.spectrum({"a": np.zeros(3)}, {"a": rank})
    assert not [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert draws(figure)


def test_fractional_rank_lies_on_the_curve():
    axes = figures.spectrum({"a": np.array([1.0, 0.5, 0.0])}, {"a": 1.5}).axes[0]
    dot = axes.lines[1]
    assert (dot.get_xdata(), dot.get_ydata()) == ([1.5], [0.75])


def test_true_dimension_is_a_dashed_line():
    for axes in figures.spectrum({"a": np.ones(9)}, None, 7).axes:
        (line,) = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert line.get_xdata() == [7, 7]


def test_every_index_tick_is_a_whole_number_from_one():
    for length in (1, 2, 5, 8, 32, 128, 2800):
        ticks = figures.spectrum({"a": np.ones(length)}).axes[0].get_xticks()
        assert ticks[0] == 1
        assert all(tick == int(tick) and tick <= length for tick in ticks)


def test_level_of_the_count_is_always_seen():
    figure = figures.spectrum({"a": np.array([1.0, 0.5])}, tolerance=1e-4)
    low, high = figure.axes[1].get_ylim()
    assert low < 1e-4 < high


def test_powers_of_ten_are_in_the_font_of_the_other_labels(tmp_path):
    file = tmp_path / "a.mplstyle"
    file.write_text("font.family: serif\n", encoding="utf-8")
    with style.own_style(file):
        figure = figures.spectrum({"a": np.array([1.0, 1e-3, 0.0])})
        fonts = set(re.findall(rb"/BaseFont /\w+\+(\w+)", style.to_bytes(figure, "pdf")))
    assert fonts == {b"DejaVuSerif"}


def test_spectra_may_differ_in_length():
    assert draws(figures.spectrum({"a": np.ones(3), "b": np.ones(9)}, {"b": 9}))


@pytest.mark.parametrize("spectra", [{}, {"a": np.zeros(0)}])
def test_no_spectrum(spectra):
    with pytest.raises(InputError, match="no spectrum"):
        figures.spectrum(spectra)
