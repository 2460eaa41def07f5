import h5py
import numpy as np
import pytest

from latentrank.data import load, views
from latentrank.errors import InputError

X = np.random.default_rng(0).integers(0, 1000, size=(20, 6)).astype(np.int16)


def _saved(path, x=X, **attributes):
    with h5py.File(path, "w") as file:
        file["x"] = x
        file["x"].attrs.update(attributes)
    return path


@pytest.mark.parametrize("given", [{"scale_factor": 0.01}, {"add_offset": np.array([280.0])}])
def test_packed_values_are_refused(tmp_path, given):
    with pytest.raises(InputError, match=rf"x holds packed values \({next(iter(given))} .*\.nc\."):
        load(_saved(tmp_path / "a.h5", **given))


@pytest.mark.parametrize("name", ["_FillValue", "missing_value"])
def test_values_that_stand_for_missing_ones_are_refused(tmp_path, name, monkeypatch):
    monkeypatch.setattr(views, "BLOCK_VALUES", 10)
    x = X.copy()
    x[13, 2] = -999
    with pytest.raises(InputError, match="holds the fill value -999"):
        load(_saved(tmp_path / "a.h5", x, **{name: np.int16(-999)}))
    with pytest.raises(InputError, match="holds the fill value -999"):
        load(_saved(tmp_path / "b.h5", x, _FillValue=np.int16(-1), missing_value=np.int16(-999)))


def test_values_that_stand_for_themselves_are_read(tmp_path):
    known = {"scale_factor": 1.0, "add_offset": 0, "_FillValue": np.int16(-999)}
    data = load(_saved(tmp_path / "a.h5", **known, missing_value=np.nan))
    np.testing.assert_array_equal(data.test.x, X[data.test.rows])


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("absolute", [True, False])
def test_values_in_other_files_are_read_or_missed(tmp_path, kept, absolute):
    """HDF5 itself returns zeros in place of a file that it does not find."""
    x = np.arange(40.0).reshape(10, 4)
    part, whole = tmp_path / "part.h5", tmp_path / "whole.h5"
    with h5py.File(part, "w") as file:
        file["values"] = x
    layout = h5py.VirtualLayout(x.shape, x.dtype)
    layout[:] = h5py.VirtualSource(str(part) if absolute else part.name, "values", x.shape)
    with h5py.File(whole, "w") as file:
        file.create_virtual_dataset("x", layout)
    if kept:
        data = load(whole)
        np.testing.assert_array_equal(data.train.x, x[data.train.rows])
    else:
        part.unlink()
        with pytest.raises(InputError, match=r"part.h5, which is not there; copy it beside"):
            load(whole)
