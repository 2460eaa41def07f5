import numpy as np
import pytest

from latentrank.data.axes import Axes, Axis
from latentrank.report import figures

TABLE = Axes((Axis("age", "a"), Axis("dose", "mg"), Axis("weight", "kg")))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_columns_of_a_table_are_named_from_top_to_bottom(rng):
    x = rng.normal(size=(2, 3))
    for figure in (figures.reconstructions(x, x, axes=TABLE),
                   figures.interpolation(np.stack([x, x]), axes=TABLE)):  # fmt: skip
        panel = figure.axes[0]
        told = [text.get_text() for text in panel.get_yticklabels()]
        assert told == ["age (a)", "dose (mg)", "weight (kg)"]
        bottom, top = panel.get_ylim()
        assert bottom > top
        line = panel.lines[0]
        np.testing.assert_array_equal(line.get_xdata(), x[0])
        np.testing.assert_array_equal(line.get_ydata(), [0, 1, 2])


def test_a_curve_is_drawn_at_its_coordinates(rng):
    t = np.linspace(5, 7, 50)
    axes = Axes((Axis("u", "m/s"),), (Axis("t", "s", t),))
    x = rng.normal(size=(2, 1, 50))
    figure = figures.reconstructions(x, x, axes=axes)
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xdata(), t)
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("t (s)", "u (m/s)")


def test_channels_are_told_apart(rng):
    x = rng.normal(size=(2, 2, 50))
    axes = Axes((Axis("u"), Axis("v")))
    legend = figures.reconstructions(x, x, axes=axes).legends[0]
    told = [text.get_text() for text in legend.get_texts()]
    assert told == ["original", "reconstruction, u", "reconstruction, v"]
