import numpy as np
import pytest

from latentrank.data import load


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
