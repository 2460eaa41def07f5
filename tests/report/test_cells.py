import numpy as np
import pytest

from latentrank.errors import InputError
from latentrank.report import cells
from latentrank.report.style import WIDTH


def test_volume_shows_its_middle_slice():
    volume = np.zeros((2, 1, 5, 4, 4))
    volume[:, :, 2] = 7
    assert (cells.displayable(volume) == 7).all()


@pytest.mark.parametrize("shape", [(3,), (1, 2, 3, 4, 5, 6)])
def test_shape_that_cannot_be_drawn(shape):
    with pytest.raises(InputError, match=r"expected \(N, F\), .* reshape them"):
        cells.displayable(np.zeros(shape))


def test_limits_of_constant_and_of_hopeless_samples_are_apart():
    assert cells.value_limits(np.full(3, 2.0)) == (1.5, 2.5)
    assert cells.value_limits(np.full(3, np.nan)) == (0.0, 1.0)
    assert cells.value_limits(np.zeros(3, dtype=np.uint8)) == (0.0, 255.0)


def test_rows_keep_the_order_and_the_last_is_filled():
    rows = cells.in_rows(np.arange(7)[:, None], 3)[..., 0]
    assert rows.tolist() == [[0, 1, 2], [3, 4, 5], [6, 6, 6]]
    assert cells.in_rows(np.arange(2)[:, None], 3)[..., 0].tolist() == [[0, 1]]


@pytest.mark.parametrize("channels", [1, 3])
def test_mosaic_puts_every_pixel_in_its_place(channels):
    rng = np.random.default_rng(0)
    grid = rng.random((2, 3, channels, 4, 5))
    mosaic = cells._mosaic(grid, (0.0, 1.0))
    step_y, step_x = mosaic.shape[0] // 2, mosaic.shape[1] // 3
    for row in range(2):
        for column in range(3):
            cell = mosaic[row * step_y :, column * step_x :][:4, :5]
            expected = np.round(grid[row, column].transpose(1, 2, 0) * 255)
            assert (cell[..., :3] == expected).all()
            assert (cell[..., 3] == 255).all()
    shown = (mosaic[..., 3] == 255).sum()
    assert shown == 2 * 3 * 4 * 5  # everything else is a gap, and transparent


def test_mosaic_clips_beyond_the_limits_and_survives_nan():
    grid = np.array([-9.0, 9.0, np.nan, np.inf]).reshape(1, 4, 1, 1, 1)
    assert cells._mosaic(grid, (-1.0, 1.0))[0, ::2, 0].tolist() == [0, 255, 0, 255]


def test_curve_stays_inside_its_cell():
    grid = np.sin(np.linspace(0, 9, 50)) * np.ones((2, 3, 1, 1))
    grid[0, 0] *= 3  # beyond the limits: the others shrink rather than one be cut off
    figure = cells.grid_figure(grid, (-0.5, 0.5))
    lines = figure.axes[0].collections[1].get_paths()
    assert len(lines) == 6
    for index, line in enumerate(lines):
        corner = np.array([index % 3, index // 3])
        assert (line.vertices >= corner).all()
        assert (line.vertices <= corner + 1).all()
    heights = [np.ptp(line.vertices[:, 1]) for line in lines]
    assert np.allclose(heights[0], 3 * np.array(heights[1:]))


def test_missing_values_of_a_curve_leave_a_gap():
    curve = np.linspace(0, 1, 50)
    curve[20:30] = np.nan
    figure = cells.grid_figure(curve.reshape(1, 1, 1, 50), (0.0, 1.0))
    line = figure.axes[0].collections[1].get_paths()[0].vertices
    assert np.isnan(line[20:30, 1]).all()
    assert np.isfinite(line[:20]).all()


def test_high_values_are_drawn_high():
    figure = cells.grid_figure(np.linspace(0, 1, 50).reshape(1, 1, 1, 50), (0.0, 1.0))
    line = figure.axes[0].collections[1].get_paths()[0].vertices
    low, high = figure.axes[0].transData.transform(line[[0, -1]])
    assert high[1] > low[1]
    assert high[0] > low[0]


def test_short_vector_is_drawn_in_steps():
    places, heights = cells.line_points(np.array([1.0, 2.0]))
    assert places.tolist() == [0.5, 1.5, 1.5, 2.5]
    assert heights.tolist() == [[1.0, 1.0, 2.0, 2.0]]


def test_a_short_curve_is_drawn_from_point_to_point():
    """Steps are for the columns of a table; a curve of 30 times looked like a bar chart."""
    figure = cells.grid_figure(np.linspace(0, 1, 30).reshape(1, 1, 1, 30), (0.0, 1.0))
    assert len(figure.axes[0].collections[1].get_paths()[0].vertices) == 30
    curve = np.stack([np.arange(3.0), np.arange(3.0) ** 2])
    places, heights = cells.line_points(curve)
    assert places.tolist() == [1.0, 2.0, 3.0]
    assert heights.tolist() == curve.tolist()


@pytest.mark.parametrize("columns", [1, 5, 16, 40])
def test_grid_never_exceeds_the_page_and_keeps_pixels_square(columns):
    figure = cells.grid_figure(np.zeros((2, columns, 1, 8, 16)), (0, 1), row_labels=["one", "b"])
    width, height = figure.get_size_inches()
    assert width <= WIDTH + 1e-9
    box = figure.axes[0].get_position()
    cell_width, cell_height = box.width * width / columns, box.height * height / 2
    assert cell_height / cell_width == pytest.approx(0.5)


def test_empty_grid_is_refused():
    with pytest.raises(InputError, match="at least one sample"):
        cells.grid_figure(np.zeros((0, 3, 1, 8, 8)), (0, 1))
