import numpy as np

from latentrank.report import figures
from tests.report.figures.drawing import shown_pixels


def test_second_direction_points_upwards():
    grid = np.zeros((3, 3, 1, 2, 2))
    grid[2] = 1  # the far end of the second direction
    pixels = shown_pixels(figures.pca_grid(grid, (0, 1)))
    assert pixels[:2].min() == 255
    assert pixels[2:].max() == 0


def test_grid_axes_tell_standard_deviations():
    figure = figures.pca_grid(np.zeros((5, 5, 1, 2, 2)), (0, 1), reach=3)
    names = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert names == ["−3", "0", "+3"]
    up = figure.axes[0].get_yticks()
    assert up[0] > up[-1]  # counted downwards, so the plus is on top


def test_walk_has_no_second_direction():
    assert figures.pca_grid(np.zeros((1, 5, 1, 2, 2)), (0, 1)).axes[0].get_ylabel() == ""
