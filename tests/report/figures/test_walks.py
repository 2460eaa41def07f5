import numpy as np

from latentrank.report import figures
from latentrank.report.lines import MOST_CHANNELS
from tests.report.figures.drawing import shown_pixels


def test_second_direction_points_upwards():
    grid = np.zeros((3, 3, 1, 2, 2))
    grid[2] = 1  # the far end of the second direction
    pixels = shown_pixels(figures.pca_grid(grid, (0, 1)))
    assert pixels[:2].min() == 255
    assert pixels[2:].max() == 0


def test_grid_axes_are_in_standard_deviations():
    figure = figures.pca_grid(np.zeros((5, 5, 1, 2, 2)), (0, 1), reach=3)
    names = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert names == ["−3", "0", "+3"]
    up = figure.axes[0].get_yticks()
    assert up[0] > up[-1]  # counted downwards, so the plus is on top


def test_walk_has_no_second_direction():
    assert figures.pca_grid(np.zeros((1, 5, 1, 2, 2)), (0, 1)).axes[0].get_ylabel() == ""


def test_walks_of_curves_show_every_channel_under_its_name():
    rows = np.random.default_rng(0).random((4, 5, 2, 30))
    figure = figures.interpolation(rows)
    assert [panel.get_title(loc="left") for panel in figure.axes] == [
        "channel 1", "", "", "channel 2", "", "",
    ]  # fmt: skip
    for index, panel in enumerate(figure.axes):
        channel, path = divmod(index, 3)
        for step, line in enumerate(panel.lines):
            np.testing.assert_array_equal(line.get_ydata(), rows[path, step, channel])
    assert len(figures.interpolation(rows[:1]).axes) == 2
    many = figures.interpolation(np.random.default_rng(0).random((2, 5, 9, 30)))
    assert len(many.axes) == 2 * MOST_CHANNELS
