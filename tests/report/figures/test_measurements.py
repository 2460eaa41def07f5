import numpy as np
import pytest

from latentrank.errors import InputError
from latentrank.report import figures


def test_fit_and_theory_pass_through_each_other_in_the_middle():
    x = np.array([1.0, 10.0, 100.0])
    fit, theory, measured = (
        figures.power_law(x, 2 * x**-0.5, (2.0, -0.5), expected=-0.25).axes[0].lines
    )
    assert np.allclose(fit.get_ydata(), [2, 0.2])
    middle = np.exp(np.log(theory.get_ydata()).mean())
    assert middle == pytest.approx(2 * 10**-0.5)
    slope = np.diff(np.log(theory.get_ydata())) / np.diff(np.log(theory.get_xdata()))
    assert slope == pytest.approx(-0.25)
    assert np.allclose(measured.get_ydata(), 2 * x**-0.5)


def test_measured_places_are_named_on_the_axis():
    axes = figures.power_law(np.array([25.0, 400, 50]), np.ones(3), (1.0, 0.0)).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["25", "50", "400"]


@pytest.mark.parametrize(("x", "y"), [([1, 2], [1, 0]), ([1], [1, 2]), ([], []), ([1], [np.nan])])
def test_numbers_without_a_logarithm(x, y):
    with pytest.raises(InputError, match="pairs of positive numbers"):
        figures.power_law(np.array(x), np.array(y), (1.0, 1.0))


def test_bars_stand_from_top_to_bottom_with_their_spread():
    figure = figures.bars({"a": (2.0, 0.5), "b": (1.0, float("nan"))}, "rank", {"b": 1.5})
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [2.0, 1.0]
    top, bottom = (bar.get_window_extent().y0 for bar in axes.patches)
    assert top > bottom
    (whisker,) = axes.collections[0].get_segments()
    assert whisker[:, 0].tolist() == [1.5, 2.5]
    assert axes.lines[-1].get_xdata() == [1.5]


def test_no_bars():
    with pytest.raises(InputError, match="at least one bar"):
        figures.bars({}, "rank")


def test_dots_show_every_seed_and_the_median():
    axes = figures.dots({"a": [1.0, 40.0, 2.0], "b": [3.0]}, "error", {"a": 1.9}).axes[0]
    seeds, median, *_, published = axes.lines
    assert seeds.get_xdata().tolist() == [1.0, 40.0, 2.0]
    assert median.get_xdata() == [2.0]
    assert published.get_xdata() == [1.9]


@pytest.mark.parametrize("high", [160.0, 300.0, 1400.0, 9000.0, 1e5])
def test_the_axis_of_dots_has_several_numbers(high):
    axes = figures.dots({"a": [150.0, high]}, "distance").axes[0]
    low, up = axes.get_xlim()
    axes.figure.canvas.draw()
    ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    seen = [text.get_text() for place, text in ticks if low <= place <= up]
    assert 2 <= len([text for text in seen if text]) <= 10


@pytest.mark.parametrize("values", [{}, {"a": []}, {"a": [0.0, 1.0]}])
def test_dots_without_a_logarithm(values):
    with pytest.raises(InputError, match="positive values"):
        figures.dots(values, "error")


def test_a_front_is_drawn_from_left_to_right_beside_the_other_trials():
    points = np.array([[3.0, 0.01], [1.0, 0.5], [2.0, 0.6]])
    axes = figures.pareto_front(points, np.array([True, True, False]), ["rank", "error"]).axes[0]
    others, front = axes.lines
    assert front.get_xydata().tolist() == [[1.0, 0.5], [3.0, 0.01]]
    assert others.get_xydata().tolist() == [[2.0, 0.6]]
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")
    assert all(tick == round(tick) for tick in axes.get_xticks())
    alone = figures.pareto_front(points[[0, 2]], np.ones(2, bool), ["rank", "error"]).axes[0]
    assert [text.get_text() for text in alone.get_legend().get_texts()] == ["Pareto front"]
