import numpy as np
import pytest
from pydantic import ValidationError

from latentrank.data import Dataset, Split, load
from latentrank.data.axes import UNNAMED, Axes, Axis, listable
from latentrank.errors import InputError
from latentrank.models.spec import LONGEST_NAMES, Spec


def test_columns_of_a_table_keep_their_names(tmp_path):
    pytest.importorskip("pandas")
    np.savetxt(tmp_path / "a.csv", np.eye(6)[:, :2], delimiter=",", header="age,dose", comments="")
    np.savetxt(tmp_path / "b.csv", np.eye(6)[:, :2], delimiter=",")
    named, plain = load(tmp_path / "a.csv").axes, load(tmp_path / "b.csv").axes
    assert [axis.name for axis in named.channels] == ["age", "dose"]
    assert not plain.channels


def test_variables_keep_names_units_and_coordinates(tmp_path):
    xarray = pytest.importorskip("xarray")
    x, y = np.array([0.0, 1.0, 4.0]), np.array([2.0, 1.0])
    fields = np.random.default_rng(0).normal(size=(6, 2, 3))
    coordinates = {"x": ("x", x, {"units": "m"}), "y": y}
    variables = {
        "T": (("case", "y", "x"), fields, {"long_name": "temperature", "units": "K"}),
        "p": (("case", "y", "x"), fields),
    }
    xarray.Dataset(variables, coords=coordinates).to_netcdf(tmp_path / "a.nc")
    axes = load(tmp_path / "a.nc").axes
    assert [axis.label for axis in axes.channels] == ["temperature (K)", "p"]
    assert [axis.label for axis in axes.places] == ["y", "x (m)"]
    np.testing.assert_array_equal(axes.places[0].values, y)
    np.testing.assert_array_equal(axes.places[1].values, x)
    one = load(f"{tmp_path / 'a.nc'}:/T", layout="NHW").axes
    assert [axis.name for axis in one.channels] == ["temperature"]


def test_what_does_not_fit_the_samples_is_left_out(tmp_path):
    xarray = pytest.importorskip("xarray")
    fields = np.random.default_rng(0).normal(size=(6, 8, 3))
    xarray.Dataset({"T": (("case", "t", "c"), fields)}).to_netcdf(tmp_path / "a.nc")
    # channels last: the dimensions of the file are not those of a sample
    assert not load(tmp_path / "a.nc", layout="NTC").axes.places


def test_numbers_of_a_row_stay_named_when_the_row_becomes_a_curve():
    """As the columns of a table do that is read as curves; one name for each number."""
    row = Axes(channels=tuple(map(Axis, "abcdef")))
    assert row.fitting((6,)) == row
    curve = row.fitting((1, 6))
    assert (curve.channels, curve.columns) == ((), row.channels)
    assert curve.fitting((1, 6)) == curve  # what fits is kept when it is fitted again
    assert row.fitting((2, 3)).columns == row.channels
    assert row.fitting((1, 5)) == row.fitting((5,)) == UNNAMED


@pytest.mark.parametrize(
    ("x", "fits"), [(None, True), (np.arange(8.0), True), (np.arange(7.0), False)]
)
def test_places_fit_a_sample_as_long_as_their_coordinates(x, fits):
    places = (Axis("y"), Axis("x", values=x))
    assert bool(Axes(places=places).fitting((1, 4, 8)).places) == fits


def test_a_picture_turned_upside_down_has_its_heights_in_reverse():
    heights, across = Axis("y", values=np.array([0.0, 1.0, 4.0])), Axis("x", values=np.arange(2.0))
    turned = Axes(places=(Axis("z"), heights, across)).upside_down()
    assert turned.places[0].values is None
    assert turned.places[1].values.tolist() == [4, 1, 0]
    assert turned.places[2] is across
    assert turned.upside_down().places[1].values.tolist() == [0, 1, 4]
    unknown = Axes(places=(Axis("y"), Axis("x")))
    assert not unknown.upwards
    assert unknown.upside_down().places[0].values is None


def test_channels_have_names_where_they_are_known():
    assert UNNAMED.channel_names is None
    assert Axes((Axis("T", "K"), Axis("p"))).channel_names == ("T", "p")


def test_conventions_hold_what_is_known_of_every_dimension_and_unit():
    channels = (Axis("T", "K", key="T"), Axis("u", key="u"), Axis("p", "Pa"))
    assert Axes(channels).conventions == {"units": "T=K"}
    places = (Axis("z", values=np.arange(3.0), key="z"), Axis("y", values=-np.arange(3.0), key="y"))
    known = {"dimensions": "z,y", "rising": "z", "falling": "y"}
    assert Axes(places=places).conventions == known
    assert "dimensions" not in Axes(places=(*places, Axis("x"))).conventions


def test_a_unit_may_contain_an_equals_sign(recwarn):
    axes = Axes((Axis("q", "1e-3=g/kg", key="q"),))
    axes.check_like(axes.conventions, "case", "it")
    assert not recwarn.list
    with pytest.warns(UserWarning, match="q in kg/kg, and in training it was in 1e-3=g/kg"):
        Axes((Axis("q", "kg/kg", key="q"),)).check_like(axes.conventions, "case", "it")


def test_parameters_in_another_unit_cause_a_warning():
    axes = Axes(parameters=(Axis("time", "days since 2000-01-01", key="time"),))
    later = Axes(parameters=(Axis("time", "days since 2004-01-01", key="time"),))
    with pytest.warns(UserWarning, match="time in days since 2004-01-01, and in training it was"):
        later.check_like(axes.conventions, "case", "it")


@pytest.mark.parametrize("length", [LONGEST_NAMES, LONGEST_NAMES + 1])
def test_names_are_listed_where_the_description_of_a_model_has_room(length):
    names = "a" * length
    try:
        Spec(method="ae", input_shape=(2,), latent_dim=1, reading={"columns": names})
        room = True
    except ValidationError:
        room = False
    assert listable([names]) == room == (length == LONGEST_NAMES)


def test_parameters_have_the_names_of_their_axes():
    x, parameters = np.zeros((4, 3)), np.zeros((4, 2))
    split = Split(x, parameters=parameters)
    angle, mach, missing = Axis("angle", "deg"), Axis("mach"), Axis("mahc")
    data = Dataset("wings", split, split, axes=Axes(parameters=(angle, mach)))
    assert data.parameter_names == ("angle", "mach")
    names = ("mach", "angle")
    data = Dataset("wings", split, split, parameter_names=names, axes=Axes(parameters=(angle,)))
    assert data.parameter_names == names
    with pytest.raises(InputError, match="is called angle, and there are 2 parameters without"):
        Dataset("wings", split, split, axes=Axes(parameters=(angle,)))
    with pytest.raises(InputError, match=r"called mahc, .* called mach, angle; give"):
        Dataset("wings", split, split, parameter_names=names, axes=Axes(parameters=(missing,)))
    alone = Split(x)
    assert Dataset("wings", alone, alone, axes=Axes(parameters=(angle,))).parameter_names is None


def test_coordinates_may_be_a_list():
    axes = Axes(places=(Axis("t", "s", [0, 1, 3]),))
    assert Axes.from_dict(axes.to_dict()).places[0].values.tolist() == [0.0, 1.0, 3.0]
