import numpy as np
import pytest

from latentrank.data.axes import UNNAMED, Axes, Axis
from latentrank.preprocessing import Preprocessing
from latentrank.report import figures
from latentrank.report.cells import CONTINUOUS, FieldLimits
from latentrank.report.limits import drawn, in_colour, in_deviations, limits_of

#: Pressure and velocity: 100 kPa with a deviation of 300 Pa, and 0 to 1 m/s.
FLOW = Preprocessing(offset=(1e5, 0.5), scale=(300.0, 0.3), dtype="float64")


def samples(*shape):
    """Of `FLOW`, two deviations each way."""
    plain = np.linspace(-2, 2, np.prod(shape)).reshape(shape)
    at = (-1, *[1] * (len(shape) - 2))
    return plain * np.reshape(FLOW.scale, at) + np.reshape(FLOW.offset, at), plain


def pixels(figure):
    """The distinct colours of the cells of a figure."""
    picture = np.asarray(figure.axes[0].images[0].get_array())
    return np.unique(picture[picture[..., 3] > 0], axis=0)


def test_a_field_uses_all_its_colours_whatever_the_unit_of_other_channels():
    x, _ = samples(4, 2, 8, 8)
    limits = limits_of(x, x.shape[1:], FLOW, Axes((Axis("pressure", "Pa"), Axis("v", "m/s"))))
    assert isinstance(limits, FieldLimits)
    assert limits.label == "pressure (Pa)"
    assert limits == (x[:, 0].min(), x[:, 0].max())
    assert len(pixels(figures.samples(drawn(x, FLOW), limits))) > 50


def test_walks_have_the_limits_of_the_drawn_channel_too():
    x, _ = samples(6, 2, 8, 8)
    assert limits_of(x.reshape(2, 3, 2, 8, 8), (2, 8, 8), FLOW, UNNAMED)[0] == x[:, 0].min()


def test_of_several_nameless_channels_the_drawn_one_is_stated():
    x, _ = samples(4, 2, 8, 8)
    assert limits_of(x, (2, 8, 8), FLOW, UNNAMED).label == "channel 1"
    assert limits_of(x[:, :1], (1, 8, 8), FLOW, UNNAMED).label == ""


def test_volumes_have_the_limits_of_their_first_channel():
    x, _ = samples(2, 2, 4, 4, 4)
    assert limits_of(x, (2, 4, 4, 4), FLOW, UNNAMED) == (x[:, 0].min(), x[:, 0].max())


def test_every_channel_of_a_curve_is_seen():
    x, plain = samples(3, 2, 40)
    shown = drawn(x, FLOW)
    np.testing.assert_allclose(shown, plain, atol=1e-4)
    figure = figures.reconstructions(shown, shown, limits_of(shown, (2, 40), FLOW, UNNAMED))
    low, high = figure.axes[0].get_ylim()
    for line in figure.axes[0].lines:
        assert np.ptp(line.get_ydata()) > 0.05 * (high - low)
    assert figure.get_supylabel() == "standard deviations from the mean"


@pytest.mark.parametrize("units", [
    Preprocessing(3.0, 2.0),
    Preprocessing((1.0, -1.0), (2.0, 0.5)),
    Preprocessing((0.0, 1.0), (0.0, 2.0)),  # the first is constant
    Preprocessing((5.0, 1e5), (0.0, 0.0)),
])  # fmt: skip
def test_curves_that_fit_on_one_axis_keep_their_units(units):
    x = np.random.default_rng(0).normal(size=(5, 2, 30))
    shown = drawn(x, units)
    np.testing.assert_array_equal(shown, x)
    figure = figures.reconstructions(shown, shown, limits_of(shown, (2, 30), units, UNNAMED))
    assert figure.get_supylabel() == ""


@pytest.mark.parametrize(("apart", "expected"), [(75.5, False), (-75.5, False), (76.5, True)])
def test_channels_are_on_one_axis_while_each_takes_a_twentieth_of_it(apart, expected):
    # four deviations of `apart` and four more
    assert in_deviations((2, 30), Preprocessing((0.0, apart), (1.0, 1.0))) == expected


@pytest.mark.parametrize("bounds", [{}, {"low": 0.0, "high": 1.0}])
def test_photographs_are_in_colour(bounds):
    units = Preprocessing((0.4, 0.5, 0.3), (0.2, 0.25, 0.2), **bounds)
    assert in_colour((3, 8, 8), units, UNNAMED)
    assert not in_colour((2, 8, 8), units, UNNAMED)
    assert not in_colour((3, 8), units, UNNAMED)


def test_three_variables_of_a_field_are_no_colours():
    flow = Preprocessing((1e5, 0.0, 0.0), (300.0, 1.0, 1.0))
    assert not in_colour((3, 8, 8), flow, UNNAMED)
    named = Axes(tuple(map(Axis, "uvw")))
    assert not in_colour((3, 8, 8), Preprocessing((0.0,) * 3, (1.0,) * 3), named)
    x = np.linspace(99_000, 101_000, 4 * 3 * 64).reshape(4, 3, 8, 8)
    found = pixels(figures.samples(drawn(x, flow), limits_of(x, (3, 8, 8), flow, UNNAMED)))
    wheel = CONTINUOUS(np.arange(256), bytes=True)
    assert {tuple(colour) for colour in found} <= {tuple(colour) for colour in wheel}
