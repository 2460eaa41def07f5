import numpy as np
import pytest

from latentrank.errors import InputError
from latentrank.report import figures
from latentrank.report.cells import FieldLimits, Limits
from latentrank.report.style import CONTINUOUS
from tests.report.figures.drawing import draws, shown_pixels

SHAPES = {
    "grey": (1, 8, 8),
    "colour": (3, 8, 8),
    "field": (2, 8, 8),
    "curves": (2, 50),
    "short": (4,),
    "volume": (1, 5, 8, 8),
}


@pytest.fixture(params=SHAPES.values(), ids=SHAPES.keys())
def shape(request):
    return request.param


def test_every_figure_of_samples_takes_every_kind(shape, rng):
    x = rng.random((2, *shape))
    assert draws(figures.reconstructions(x, x))
    assert draws(figures.labelled_rows({"a": x, "b": x}))
    assert draws(figures.interpolation(np.stack([x, x])))
    assert draws(figures.pca_grid(np.stack([x, x])))
    assert draws(figures.pca_grid(x[None]))
    assert draws(figures.samples(x))


def test_originals_stand_above_reconstructions(rng):
    originals, versions = rng.random((3, 1, 4, 4)), np.zeros((3, 1, 4, 4))
    pixels = shown_pixels(figures.reconstructions(originals, versions, (0, 1)))
    assert (pixels[:4, :4] == np.round(originals[0, 0] * 255)).all()
    assert (pixels[4:] == 0).all()


def test_scale_is_that_of_the_originals():
    originals = np.array([0.0, 10.0]).reshape(2, 1, 1, 1) * np.ones((2, 1, 2, 2))
    pixels = shown_pixels(figures.reconstructions(originals, 2 * originals))
    assert sorted({*pixels.ravel()}) == [0, 255]
    half = shown_pixels(figures.reconstructions(originals, originals / 2))
    assert half[2:, 2:].tolist() == [[128, 128], [128, 128]]


def test_curve_and_its_reconstruction_share_a_panel(rng):
    x = rng.random((3, 1, 50))
    axes = figures.reconstructions(x, x + 1).axes
    assert len([panel for panel in axes if panel.get_visible()]) == 3
    for panel, curve in zip(axes, x, strict=False):
        original, version = panel.lines
        assert np.allclose(original.get_ydata(), curve[0])
        assert np.allclose(version.get_ydata(), curve[0] + 1)


def test_samples_of_different_shapes_are_refused(rng):
    for shape in ((2, 1, 8, 8), (2, 1, 50)):
        x = rng.random(shape)
        with pytest.raises(InputError, match=r"original .* give the same samples in every row"):
            figures.reconstructions(x, x[:1])


def test_nothing_to_compare():
    with pytest.raises(InputError, match="expected at least one"):
        figures.labelled_rows({})
    with pytest.raises(InputError, match="expected at least one"):
        figures.reconstructions(np.zeros((0, 1, 50)), np.zeros((0, 1, 50)))


def test_no_samples():
    with pytest.raises(InputError, match="generate some first"):
        figures.samples(np.zeros((0, 1, 8, 8)))


def test_fields_have_a_colour_bar_with_their_values(rng):
    fields = rng.random((3, 1, 8, 8)) * 40 - 20
    figure = figures.samples(fields, FieldLimits(-20.0, 20.0))
    grid, bar = figure.axes
    assert bar.get_ylim() == (-20, 20)
    mosaic = np.asarray(grid.images[0].get_array())
    shown = mosaic[:8, :8, :3]
    place = np.unravel_index(fields[0, 0].argmax(), (8, 8))
    step = (fields[0, 0][place] + 20) / 40
    assert shown[place].tolist() == list(CONTINUOUS(step, bytes=True)[:3])
    assert draws(figure)


def test_images_with_bounds_have_none(rng):
    assert len(figures.samples(rng.random((3, 1, 8, 8)), Limits(0.0, 1.0)).axes) == 1


def test_a_long_label_of_the_colour_bar_is_inside_the_figure():
    fields = np.random.default_rng(0).normal(size=(32, 1, 8, 12))
    limits = FieldLimits(-1.0, 1.0)
    limits.label = "eastward wind at the surface (m/s)"
    figure = figures.samples(fields, limits)
    figure.canvas.draw()
    label = figure.axes[-1].yaxis.label.get_window_extent()
    assert label.y0 >= 0
    assert label.y1 <= figure.bbox.y1
    assert label.x1 <= figure.bbox.x1


def test_every_sample_is_drawn_and_the_rest_of_the_last_row_is_empty():
    white = np.full((20, 1, 8, 8), 255, dtype=np.uint8)
    (picture,) = figures.samples(white).axes[0].images
    middles = picture.get_array()[4::9, 4::9]
    assert middles[..., 0].tolist() == [[255] * 16] * 2
    assert middles[..., 3].tolist() == [[255] * 16, [255] * 4 + [0] * 12]


def test_every_curve_is_drawn_once(rng):
    panel = figures.samples(rng.random((11, 1, 30))).axes[0]
    grounds, lines = panel.collections
    assert len(grounds.get_paths()) == len(lines.get_segments()) == 11
