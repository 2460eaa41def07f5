import numpy as np
import pytest

from latentrank.data.axes import Axes, Axis
from latentrank.errors import InputError
from latentrank.report import figures
from latentrank.report.lines import MOST_CHANNELS
from latentrank.report.panels import _fields
from latentrank.report.view import View
from tests.report.fake import fake_run
from tests.report.figures.drawing import draws

NAMED = Axes(
    (Axis("pressure", "Pa"), Axis("speed", "m/s")),
    (Axis("y", "m", np.linspace(1, -1, 6)), Axis("x", "m", np.linspace(0, 4, 9))),
)


@pytest.fixture
def pair(rng):
    x = rng.normal(size=(3, 2, 6, 9)) * np.array([1e5, 1.0])[:, None, None]
    return x, x + rng.normal(size=x.shape)


def test_the_error_is_reconstruction_minus_original(pair):
    x, y = pair
    panels = [axes for axes in figures.fields(x, y).axes if axes.images]
    original, version, error = (axes.images[0] for axes in panels[:3])
    np.testing.assert_array_equal(original.get_array(), x[0, 0])
    np.testing.assert_array_equal(version.get_array(), y[0, 0])
    np.testing.assert_allclose(error.get_array(), y[0, 0] - x[0, 0])


def test_each_row_is_one_sample(rng):
    x = rng.normal(size=(3, 1, 4, 5))
    panels = [axes for axes in figures.fields(x, 2 * x).axes if axes.images]
    for sample, row in zip(x[:, 0], np.reshape(panels, (3, 3)), strict=True):
        for panel, shown in zip(row, (sample, 2 * sample, sample), strict=True):
            np.testing.assert_array_equal(panel.images[0].get_array(), shown)


def test_each_channel_has_its_scale_and_errors_are_symmetric_about_zero(pair):
    x, y = pair
    figure = figures.fields(x, y, NAMED)
    panels = [axes for axes in figure.axes if axes.images]
    limits = [axes.images[0].get_clim() for axes in panels]
    for channel, row in ((0, 0), (1, len(panels) // 2)):
        both = np.stack([x, y])[:, :1, channel]
        assert limits[row] == limits[row + 1]
        assert limits[row] == (both.min(), both.max())
        low, high = limits[row + 2]
        assert low == -high == -np.abs(y - x)[:1, channel].max()
    bars = [axes.get_ylabel() for axes in figure.axes if not axes.images]
    assert bars == ["pressure (Pa)", "pressure (Pa)", "speed (m/s)", "speed (m/s)"]
    assert draws(figure)


def test_coordinates_stand_where_they_are(pair):
    figure = figures.fields(*pair, NAMED)
    left, bottom = figure.axes[0], figure.axes[3]
    assert left.get_ylabel() == "y (m)"
    assert bottom.get_xlabel() == "x (m)"
    for scale, values in (
        (left.yaxis, NAMED.places[0].values),
        (bottom.xaxis, NAMED.places[1].values),
    ):
        step = values[1] - values[0]
        told = [
            float(text.get_text().replace("\N{MINUS SIGN}", "-")) for text in scale.get_ticklabels()
        ]
        # pixel i is at first + i * step
        np.testing.assert_allclose(
            (np.array(told) - values[0]) / step, scale.get_ticklocs(), atol=1e-9
        )
        assert len(told) >= 3


def test_volumes_show_their_middle_slice(rng):
    x = rng.normal(size=(1, 1, 5, 4, 4))
    image = figures.fields(x, x).axes[0].images[0]
    np.testing.assert_array_equal(image.get_array(), x[0, 0, 2])


def test_fields_of_different_shapes_are_refused(rng):
    with pytest.raises(InputError, match="expected the same"):
        figures.fields(rng.normal(size=(2, 1, 4, 4)), rng.normal(size=(1, 1, 4, 4)))


def test_caption_says_which_channels_have_rows(tmp_path):
    view = View(fake_run(tmp_path, (8, 6, 6)))
    drawn = _fields(view, view.originals + 0.1)
    assert len([axes for axes in drawn.figure.axes if axes.images]) == 3 * MOST_CHANNELS
    assert drawn.caption.endswith("minus original. Of 8 channels, the first 6 are drawn.")
