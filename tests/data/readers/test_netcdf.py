from functools import partial

import numpy as np
import pytest
import xarray as xr

from latentrank import LowRankAutoencoder
from latentrank.data import load, load_samples, views
from latentrank.data.arrays import Meaning
from latentrank.data.readers.netcdf import from_xarray, places, read
from latentrank.errors import InputError

GENERATOR = np.random.default_rng(0)
P, U = GENERATOR.normal(1e5, 1e3, (12, 5, 7)), GENERATOR.normal(size=(12, 5, 7))
MACH = GENERATOR.random(12)


def fields(**more):
    dims = ("case", "y", "x")
    coords = {"mach": ("case", MACH), "case": np.arange(12), "x": np.arange(7.0)}
    return xr.Dataset({"p": (dims, P), "u": (dims, U), **more}, coords=coords)


def saved(folder, dataset):
    dataset.to_netcdf(folder / "f.nc", engine="h5netcdf")
    return folder / "f.nc"


def test_variables_over_the_same_dimensions_are_channels(tmp_path):
    data = load(saved(tmp_path, fields()))
    assert data.shape == (2, 5, 7)
    np.testing.assert_array_equal(data.train.x[:, 1], U[data.train.rows])
    np.testing.assert_array_equal(data.train.parameters[:, 0], MACH[data.train.rows])
    assert data.parameter_names == ("mach",)
    assert data.notes[:3] == (
        "Channels: p, u.",
        "Parameters are read from coordinates: mach.",
        "Samples are along case.",
    )


def test_parameters_keep_their_units(tmp_path):
    """Beside their names, by which `predict` finds them; an index of samples has none."""
    angle = ("case", np.linspace(0, 5, 12), {"units": "deg", "long_name": "angle of attack"})
    data = load(saved(tmp_path, fields().assign_coords(alpha=angle)))
    assert data.parameter_names == ("mach", "alpha")
    assert [axis.label for axis in data.axes.parameters] == ["alpha (deg)"]
    assert "Parameters are read from coordinates: mach, alpha (deg)." in data.notes


def test_variables_are_chosen_by_name(tmp_path):
    path = saved(tmp_path, fields(label=("case", np.arange(12) % 3)))
    data = load(f"{path}:/u", layout="NHW")
    np.testing.assert_array_equal(data.train.x[:, 0], U[data.train.rows])
    np.testing.assert_array_equal(data.train.labels, data.train.rows % 3)
    assert not any(note.startswith("Channels") for note in data.notes)
    assert f"{path} also holds unused variables: p." in data.notes
    both = load(path, columns="u,p")
    assert both.notes[0] == "Channels: u, p."
    assert not any("unused" in note for note in both.notes)
    with pytest.raises(InputError, match=r"no variable in .*f\.nc called 'v'"):
        load(f"{path}:/v")


def test_a_note_says_how_variables_along_the_samples_become_parameters(tmp_path):
    path = saved(tmp_path, fields(speed=("case", np.arange(12.0)), where=("case", ["a"] * 12)))
    said = f"{path} also holds unused variables: speed, where"
    advice = "to use parameters of the samples, set parameters=speed."
    assert f"{said}; {advice}" in load(path).notes


def test_other_dimensions_are_refused_with_the_remedy(tmp_path):
    path = saved(tmp_path, fields(grid=(("y", "x"), P[0])))
    with pytest.raises(
        InputError,
        match=r"over different dimensions \(p, u, grid\); select one as \S+:/p, or .* columns=",
    ):
        load(path)
    assert load(path, columns="u,p").shape[0] == 2


@pytest.mark.parametrize("asked", [None, "parameters"])
def test_a_variable_of_parameters_may_have_columns(tmp_path, asked):
    both = np.stack([MACH, MACH**2], axis=1)
    path = saved(tmp_path, fields(parameters=(("case", "parameter"), both)))
    data = load(path, parameters=asked)
    assert data.shape == (2, 5, 7)
    np.testing.assert_array_equal(data.train.parameters, both[data.train.rows])
    assert data.parameter_names == ("parameters[0]", "parameters[1]")
    assert not any("from coordinates" in note for note in data.notes)


def test_parameters_along_another_dimension_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"dimensions \(x\), expected \(case,\) .* transpose"):
        load(saved(tmp_path, fields()), parameters="x")
    with pytest.raises(InputError, match=r"dimensions \(case, y, x\), expected \(case,\)"):
        load(saved(tmp_path, fields(q=(("case", "y", "x"), U))), parameters="q", columns="u")


@pytest.mark.parametrize("name", ["case", "n"])
@pytest.mark.parametrize("last", [11, 12])
def test_a_coordinate_of_samples_is_a_parameter_unless_it_is_their_index(tmp_path, name, last):
    """An index counts from 0, and is called after the dimension that it counts."""
    made = xr.Dataset({"u": (("case", "y", "x"), U)})
    numbers = np.array([*range(11), last])
    made.assign_coords({name: ("case", numbers)}).to_netcdf(tmp_path / "f.nc")
    found = load(tmp_path / "f.nc", layout="NHW").train
    if name == "case" and last == 11:
        assert found.parameters is None
    else:
        np.testing.assert_array_equal(found.parameters[:, 0], numbers[found.rows])


@pytest.mark.parametrize(
    ("x", "known"),
    [
        ([0, 0.5, 2], True),
        ([2, 0.5, 0], True),
        ([0, 2, 1], False),
        ([2, 0, 1], False),
        ([0, 0, 1], False),
        ([1, 0, 0], False),
    ],
)
def test_coordinates_are_kept_where_they_rise_or_fall(x, known):
    (axis,) = places(xr.Dataset(coords={"x": np.array(x, dtype=float)}), ["x"])
    assert axis.direction == (("rising" if x[0] < x[-1] else "falling") if known else "")
    assert (axis.values is not None and axis.values.tolist() == x) == known


def test_times_are_numbers_in_their_own_unit(tmp_path):
    days = xr.Variable("time", np.array([0.0, 1.0, 7.0]), {"units": "days since 2000-01-01"})
    made = xr.Dataset({"u": (("case", "time"), U[:, 0, :3])}, coords={"time": days})
    (axis,) = load(saved(tmp_path, made), kind="curves").axes.places
    assert axis.label == "time (days since 2000-01-01)"
    assert axis.values.tolist() == [0, 1, 7]


@pytest.mark.parametrize("sizes", [(2,), (5, 2), (2, 3, 2)])
def test_variables_are_channels_of_samples_of_any_shape(tmp_path, sizes):
    """Also where there are more channels than places, as in arrays with channels last."""
    values = np.random.default_rng(0).normal(size=(3, 12, *sizes))
    dims = ("case", *"abc"[: len(sizes)])
    made = xr.Dataset({name: (dims, one) for name, one in zip("uvw", values, strict=True)})
    data = load(saved(tmp_path, made))
    assert data.shape == (3, *sizes)
    np.testing.assert_array_equal(data.train.x, np.moveaxis(values, 0, 1)[data.train.rows])


def test_a_file_without_samples_is_refused_with_what_it_has(tmp_path):
    with pytest.raises(InputError, match=r"two or more dimensions; it has none\.$"):
        load(saved(tmp_path, xr.Dataset()))
    with pytest.raises(InputError, match=r"two or more dimensions; it has mach\.$"):
        load(saved(tmp_path, xr.Dataset({"mach": ("case", MACH)})))


def test_a_large_variable_is_mapped_from_a_file_and_used_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(views, "LARGE", 0)
    monkeypatch.setenv("LATENTRANK_CACHE", str(tmp_path))
    made = xr.Dataset({"u": (("case", "y", "x"), U)})
    (part,) = read(saved(tmp_path, made), None, Meaning()).parts
    assert isinstance(part.x, np.memmap)
    np.testing.assert_array_equal(part.x, U)
    (part,) = from_xarray(made, tmp_path / "none", None, Meaning()).parts
    np.testing.assert_array_equal(part.x, U)


def test_dimensions_called_after_places_are_the_axes_of_a_field(tmp_path):
    x = np.random.default_rng(0).normal(size=(12, 6, 7, 5))
    for dims, shape in (
        (("time", "lat", "lon"), (1, 6, 7)),
        (("time", "z", "y", "x"), (1, 6, 7, 5)),
    ):
        values = x[..., 0] if len(dims) == 3 else x
        xr.Dataset({"t": (dims, values)}).to_netcdf(tmp_path / "f.nc")
        assert load(tmp_path / "f.nc").shape == shape
    xr.Dataset({"t": (("time", "station", "hour"), x[..., 0])}).to_netcdf(tmp_path / "f.nc")
    with pytest.raises(InputError, match="NCT or NHW"):
        load(tmp_path / "f.nc")


def ensemble(**coords):
    """Curves over time of an ensemble whose dimension is the second."""
    curves = xr.DataArray(U[:, 0], dims=("t", "ens"), coords=coords)
    return curves.to_dataset(name="u")


@pytest.mark.parametrize("parameter", ["kappa", "Quelle"])
def test_a_parameter_identifies_the_dimension_of_the_samples(parameter, tmp_path):
    known = (parameter, ("ens", np.linspace(0, 1, 7) ** 2))
    path = saved(tmp_path, ensemble(**dict([known]), t=np.arange(12.0)))
    with pytest.raises(
        InputError, match=r"\(t, ens\), and the first .* transpose, or if t is that"
    ):
        load(path)
    with pytest.raises(InputError, match="first is read as that of the samples"):
        LowRankAutoencoder("pca", latent_dim=2).fit(xr.open_dataset(path)["u"])
    assert "Samples are along t." in load(path, layout="NT").notes
    data = load(xr.open_dataset(path).transpose())
    assert data.parameter_names == (parameter,)
    assert data.shape == (1, 12)


def test_coordinates_and_other_metadata_do_not_identify_the_dimension_of_the_samples(tmp_path):
    """Stations at known places; times with their month and layers with a thickness."""
    places = {"lat": ("ens", np.arange(7.0)), "name": ("ens", list("abcdefg"))}
    assert load(saved(tmp_path, ensemble(**places))).shape == (1, 7)
    both = {"month": ("t", np.arange(12) % 12 + 1.0), "thickness": ("ens", np.arange(7.0) ** 2)}
    assert load(saved(tmp_path, ensemble(**both))).shape == (1, 7)


def test_new_samples_are_read_by_the_names_of_the_training(tmp_path):
    """Variables in another order are taken by name; dimensions in another order are refused."""
    rng = np.random.default_rng(0)
    variables = {name: (("case", "y", "x"), rng.normal(size=(6, 4, 4))) for name in ("u", "p")}
    variables["p"] = (*variables["p"], {"long_name": "pressure"})
    made = xr.Dataset(variables)
    made.to_netcdf(tmp_path / "trained.nc")
    made[["p", "u"]].assign(q=made.u).to_netcdf(tmp_path / "reordered.nc")
    made.transpose("case", "x", "y").to_netcdf(tmp_path / "transposed.nc")
    made.transpose("y", "x", "case").isel(case=slice(4)).to_netcdf(tmp_path / "last.nc")
    made.rename(y="lat", x="lon").to_netcdf(tmp_path / "renamed.nc")
    trained = load(tmp_path / "trained.nc")
    assert trained.reading == {"columns": "u,p"}
    assert trained.axes.conventions == {"dimensions": "y,x"}
    again = partial(read_again, trained, tmp_path)
    for name in ("trained.nc", "reordered.nc", "renamed.nc"):
        np.testing.assert_array_equal(again(name), np.stack([made.u, made.p], axis=1))
    for name, order in (("transposed.nc", "case, x, y"), ("last.nc", "y, x, case")):
        with pytest.raises(InputError, match=rf"dimensions \({order}\).*\(y, x\); transpose"):
            again(name)


@pytest.mark.parametrize("order", [("y", "x"), ("x", "y")])
def test_a_sample_without_a_dimension_of_samples_is_refused_with_the_remedy(tmp_path, order):
    values = np.random.default_rng(0).normal(size=(6, 4, 3))
    made = xr.Dataset({"T": (("case", "y", "x"), values)})
    made.to_netcdf(tmp_path / "trained.nc")
    one = made.isel(case=2).transpose(*order)
    one.to_netcdf(tmp_path / "one.nc")
    again = partial(read_again, load(tmp_path / "trained.nc"), tmp_path)
    with pytest.raises(InputError, match=r"a single sample.*in front with xarray: expand_dims"):
        again("one.nc")
    one.transpose("y", "x").expand_dims("sample").to_netcdf(tmp_path / "first.nc")
    np.testing.assert_array_equal(again("first.nc"), values[2:3, None])


def test_a_coordinate_that_runs_the_other_way_is_refused(tmp_path):
    """As latitudes do, from one archive to another."""
    lat = np.array([60.0, 40.0, 20.0])
    values = np.random.default_rng(0).normal(size=(6, 3, 4))
    coordinates = {"lat": lat, "lon": np.arange(4.0)}
    made = xr.Dataset({"T": (("time", "lat", "lon"), values)}, coords=coordinates)
    made.to_netcdf(tmp_path / "trained.nc")
    made.sortby("lat").to_netcdf(tmp_path / "flipped.nc")
    made.assign_coords(lat=lat - 5).to_netcdf(tmp_path / "elsewhere.nc")
    made.drop_vars("lat").to_netcdf(tmp_path / "unknown.nc")
    trained = load(tmp_path / "trained.nc")
    again = partial(read_again, trained, tmp_path)
    for name in ("trained.nc", "elsewhere.nc", "unknown.nc"):
        np.testing.assert_array_equal(again(name)[:, 0], values)
    with pytest.raises(
        InputError, match=r"lat rising.*falling; .*sortby\('lat', ascending=False\)"
    ):
        again("flipped.nc")


def test_another_unit_is_reported(tmp_path, recwarn):
    values = np.random.default_rng(0).normal(280, 5, size=(6, 1, 4))
    dims, units = ("time", "lat", "lon"), {"units": "K"}
    xr.Dataset({"T": (dims, values, units)}).to_netcdf(tmp_path / "kelvin.nc")
    xr.Dataset({"T": (dims, values)}).to_netcdf(tmp_path / "none.nc")
    xr.Dataset({"T": (dims, values - 273.15, {"units": "degC"})}).to_netcdf(tmp_path / "celsius.nc")
    again = partial(read_again, load(tmp_path / "kelvin.nc"), tmp_path)
    again("kelvin.nc")
    again("none.nc")
    assert not [one for one in recwarn if "convert" in str(one.message)]
    with pytest.warns(UserWarning, match="T in degC, and in training it was in K; convert it"):
        again("celsius.nc")


def test_a_table_in_a_file_is_read_again_by_the_name_of_its_variable(tmp_path):
    """Not by what the name stands for."""
    values = np.random.default_rng(0).normal(size=(8, 1))
    attributes = {"long_name": "air temperature"}
    made = xr.Dataset({"T": (("case", "sensor"), values, attributes)})
    made.to_netcdf(tmp_path / "a.nc")
    trained = load(tmp_path / "a.nc", kind="table")
    np.testing.assert_array_equal(read_again(trained, tmp_path, "a.nc"), values)


def read_again(trained, folder, name):
    """The samples of a file for a model of these data."""
    how = {**trained.reading, "conventions": trained.axes.conventions}
    return load_samples(folder / name, trained.preprocessing, trained.shape, **how)[0].x


def test_coordinates_that_are_missing_for_some_samples_are_no_parameters():
    """A missing time would be the least integer, 9e18 units before the others."""
    days = np.arange("2000-01-01", "2000-01-13", dtype="M8[D]").astype("M8[ns]")
    days[3] = np.datetime64("NaT")
    for name, values in {"when": days, "re": np.where(MACH[0] == MACH, np.nan, MACH)}.items():
        data = load(fields().assign_coords({name: ("case", values)}))
        assert data.parameter_names == ("mach",)
        assert f"No parameters, since some are NaN or infinite: {name}." in data.notes
        with pytest.raises(InputError, match="parameters that are NaN"):
            load(fields().assign_coords({name: ("case", values)}), parameters=name)


def test_a_tree_of_data_sets_is_refused():
    tree = xr.DataTree.from_dict({"/": fields(), "/more": fields()})
    with pytest.raises(InputError, match="a DataTree of xarray"):
        load(tree)
    assert load(tree["more"].to_dataset()).shape == (2, 5, 7)


@pytest.mark.parametrize("stored", [False, True])
def test_texts_along_the_samples_are_their_names(tmp_path, stored):
    names = [f"Köln {i}" for i in range(8)]
    field = xr.DataArray(
        np.random.default_rng(0).normal(size=(8, 5)), {"station": names}, ("station", "t"), "u"
    )
    if stored:
        field.to_netcdf(tmp_path / "a.nc")
    data = load(tmp_path / "a.nc" if stored else field)
    assert data.train.names.tolist() == [names[row] for row in data.train.rows]


def test_large_variables_of_one_name_are_told_apart(tmp_path, monkeypatch):
    """In groups of a store, and in memory beside a folder called as the data are."""
    monkeypatch.setattr(views, "LARGE", 0)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for value in (1.0, 2.0):
        made = xr.Dataset({"u": (("case", "x"), np.full((6, 4), value))})
        made.to_zarr(tmp_path / "a.zarr", group=f"g{value:g}", zarr_format=2)
        for source in (f"{tmp_path / 'a.zarr'}:/g{value:g}", made):
            assert (np.asarray(load(source).train.x) == value).all()


@pytest.mark.parametrize("group", [None, "run"])
def test_a_variable_of_a_zarr_store_is_read_as_with_all_of_them(tmp_path, group):
    fields = xr.Dataset({"T": (("time", "place"), np.linspace(0, 9.9, 100).reshape(20, 5))})
    packed = {"T": {"dtype": "int16", "scale_factor": 0.1, "_FillValue": -1}}
    fields.to_zarr(tmp_path / "a.zarr", group=group, encoding=packed, zarr_format=2)
    inner = "/".join(filter(None, (group, "T")))
    one = load(f"{tmp_path / 'a.zarr'}:/{inner}")
    np.testing.assert_allclose(one.train.x[:, 0], fields["T"].values[one.train.rows], atol=0.051)
    other = load(f"{tmp_path / 'a.zarr'}:/{group}" if group else tmp_path / "a.zarr")
    assert (one.fingerprint, one.axes.to_dict()) == (other.fingerprint, other.axes.to_dict())


def test_a_store_without_consolidated_metadata_is_read_without_a_warning(tmp_path, recwarn):
    fields().to_zarr(tmp_path / "a.zarr", consolidated=False, zarr_format=2)
    recwarn.clear()
    assert load(tmp_path / "a.zarr").shape == (2, 5, 7)
    assert not [str(each.message) for each in recwarn if "onsolidated" in str(each.message)]


def test_a_single_number_is_no_variable_of_samples(tmp_path):
    fields = xr.Dataset({"T": (("time", "place"), np.ones((4, 5))), "start": 3.0})
    fields.to_netcdf(tmp_path / "a.nc")
    for source in (fields, tmp_path / "a.nc"):
        with pytest.raises(InputError, match=r"start in .* is a single number, expected"):
            load(source, columns="start")
