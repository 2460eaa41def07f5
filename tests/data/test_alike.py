import unicodedata

import numpy as np
import pandas as pd
import pytest

from latentrank.data import load, load_like
from latentrank.errors import InputError

xarray = pytest.importorskip("xarray")
GENERATOR = np.random.default_rng(0)
FRAME = pd.DataFrame({"T": GENERATOR.normal(300, 1, 20), "p": GENERATOR.normal(0, 1, 20)})


def _written(folder, **frames):
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


def _field(variables=("T",), lat=(-1.0, 0.0, 1.0), unit="K", since="2000"):
    values = {
        name: (("time", "lat", "lon"), GENERATOR.normal(size=(6, 3, 4)), {"units": unit})
        for name in variables
    }
    time = ("time", np.arange(6.0) + 1, {"units": f"days since {since}-01-01"})
    return xarray.Dataset(values, {"time": time, "lat": list(lat), "lon": np.arange(4.0)})


@pytest.mark.parametrize(
    "names", [("a", "b"), ("train", "test"), ("x_train", "x_test"), ("train-0", "train-1", "test")]
)
def test_columns_of_files_are_matched_by_name(tmp_path, names):
    frames = dict.fromkeys(names, FRAME) | {names[1]: FRAME[["p", "T"]]}
    data = load(_written(tmp_path, **frames))
    kept = [axis.name for axis in data.axes.channels]
    for split in (data.train, data.test):
        assert (split.x[:, kept.index("T")] > 200).all()
    assert any("are in the order of those of" in note for note in data.notes)


def test_columns_of_data_frames_are_matched_by_name():
    data = load({"x_train": FRAME, "x_test": FRAME[["p", "T"]]})
    np.testing.assert_array_equal(data.test.x, FRAME)
    assert [axis.name for axis in data.axes.channels] == ["T", "p"]
    with pytest.raises(InputError, match="x_test and x_train hold different quantities"):
        load({"x_train": FRAME, "x_test": FRAME.rename(columns={"p": "q"})})


@pytest.mark.parametrize("names", [("a", "b"), ("train", "test"), ("x_train", "x_test")])
def test_files_of_different_columns_are_refused(tmp_path, names):
    first, second = names
    _written(tmp_path, **{first: FRAME, second: FRAME.rename(columns={"p": "q"})})
    with pytest.raises(InputError, match=r"hold different quantities \([pq], [pq] in one of them"):
        load(tmp_path)


def test_a_file_without_column_names_follows_one_with_them(tmp_path):
    FRAME.to_csv(tmp_path / "part-0.csv", index=False)
    FRAME.to_csv(tmp_path / "part-1.csv", index=False, header=False)
    assert len(load(tmp_path).train) == 32


def test_labels_in_one_of_several_files_are_refused(tmp_path):
    _written(tmp_path, a=FRAME.assign(label="u"), b=FRAME)
    with pytest.raises(InputError, match=r"Only one of .*b\.csv and .*a\.csv has labels"):
        load(tmp_path)


def test_variables_of_files_are_matched_by_name(tmp_path):
    _field(("T", "q")).to_netcdf(tmp_path / "train.nc")
    later = _field(("q", "T"))
    later.to_netcdf(tmp_path / "test.nc")
    data = load(tmp_path)
    np.testing.assert_array_equal(data.test.x[:, 0], later["T"])


@pytest.mark.parametrize("names", [("a", "b"), ("train", "test"), ("x_train", "x_test")])
@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"variables": ("q",)}, "hold different quantities"),
        ({"lat": (1.0, 0.0, -1.0)}, "has lat (falling|rising), and in .* it was"),
        ({"since": "2004"}, "expected one unit; join the files with xarray"),
    ],
)
def test_files_of_other_fields_are_refused(tmp_path, names, other, message):
    for name, field in zip(names, (_field(), _field(**other)), strict=True):
        field.to_netcdf(tmp_path / f"{name}.nc")
    with pytest.raises(InputError, match=message):
        load(tmp_path)


def test_files_of_other_units_cause_a_warning(tmp_path):
    _field().to_netcdf(tmp_path / "a.nc")
    _field(unit="degC").to_netcdf(tmp_path / "b.nc")
    with pytest.warns(UserWarning, match=r"b\.nc has T in degC, and in .*a\.nc it was in K"):
        load(tmp_path)


def test_times_may_count_from_midnight_in_two_ways(tmp_path, recwarn):
    _field().to_netcdf(tmp_path / "a.nc")
    later = _field()
    later["time"].attrs["units"] += " 00:00:00"
    later.to_netcdf(tmp_path / "b.nc")
    assert load(tmp_path).parameter_names == ("time",)
    assert not recwarn.list


@pytest.mark.parametrize(("scale", "start"), [(1.0, 0.0), (1e-9, 0.0), (1.0, 1.7e9)])
@pytest.mark.parametrize("stretch", [1.0, 1.5])
def test_files_of_other_places_are_noted(tmp_path, scale, start, stretch):
    """Of whatever unit: nanometres, or seconds since 1970."""
    places = np.array([0.0, 10.0, 20.0])
    for name, factor in (("a", 1.0), ("b", stretch)):
        _field(lat=start + scale * factor * places).to_netcdf(tmp_path / f"{name}.nc")
    noted = any("other coordinates along lat" in note for note in load(tmp_path).notes)
    assert noted == (stretch != 1)


def test_parameters_of_files_in_another_order_are_refused(tmp_path):
    field = _field().assign_coords(mach=("time", np.arange(6.0) + 3))
    field.to_netcdf(tmp_path / "a.nc")
    _field().rename(time="case").to_netcdf(tmp_path / "b.nc")
    with pytest.raises(InputError, match="expected the same in the same order"):
        load(tmp_path)


@pytest.mark.parametrize("names", [("a", "b"), ("train", "valid", "test")])
def test_files_with_more_parameters_are_refused(tmp_path, names):
    for count, name in enumerate(names, start=1):
        np.savez(tmp_path / f"{name}.npz", x=FRAME, parameters=np.ones((20, count)))
    with pytest.raises(InputError, match=r"have parameters of the shapes \(20, 1\), \(20, 2\)"):
        load(tmp_path)


def test_files_of_labels_have_columns_of_their_own(tmp_path):
    labels = pd.DataFrame({"y": np.arange(20) % 2})
    _written(tmp_path, x_train=FRAME, x_test=FRAME, y_train=labels, y_test=labels)
    data = load(tmp_path)
    assert data.axes.channel_names == ("T", "p")
    again = load_like(tmp_path, data.preprocessing, data.shape, **data.reading)
    np.testing.assert_array_equal(again.train.x, data.train.x)
    np.testing.assert_array_equal(again.train.labels, labels["y"])
    assert load(tmp_path, columns="p").shape == (1,)


def test_a_class_has_one_name_however_its_letters_are_composed(tmp_path):
    for split, form in (("train", "NFC"), ("test", "NFD")):
        for name in ("Käfer", "Hund"):
            folder = tmp_path / split / unicodedata.normalize(form, name)
            folder.mkdir(parents=True)
            for i in range(2):
                np.save(folder / f"{i}.npy", np.zeros((4, 4)))
    data = load(tmp_path)
    assert data.class_names == ("Hund", "Käfer")
    assert data.train.labels.tolist() == data.test.labels.tolist() == [0, 0, 1, 1]
    frame = FRAME.assign(label=["Käfer", unicodedata.normalize("NFD", "Käfer")] * 10)
    assert load(frame).class_names == ("Käfer",)
