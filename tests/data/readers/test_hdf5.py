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


def _of_file(data):
    """The samples in the order of the file; they are split at random."""
    x = np.empty((len(data.train.x) + len(data.test.x), *data.shape), X.dtype)
    x[data.train.rows], x[data.test.rows] = data.train.x, data.test.x
    return x


def _linked(tmp_path, padding=0):
    """A file whose group `run` and array `x` are in another one, behind some padding."""
    with h5py.File(tmp_path / "values.h5", "w") as file:
        file["padding"] = np.zeros(padding)
        file["run/x"] = X
    with h5py.File(tmp_path / "main.h5", "w") as file:
        file["x"] = h5py.ExternalLink("values.h5", "run/x")
        file["runs/first"] = h5py.ExternalLink("values.h5", "run")
        file["other"] = np.ones(10 * padding)  # long enough to map the wrong values
    return tmp_path / "main.h5"


@pytest.mark.parametrize("inner", ["", ":/x", ":/runs/first", ":/runs/first/x"])
def test_arrays_in_files_that_are_linked_to_are_read(tmp_path, inner):
    path = _linked(tmp_path, padding=1000)
    assert np.array_equal(_of_file(load(f"{path}{inner}")), X)
    (tmp_path / "values.h5").unlink()
    with pytest.raises(
        InputError, match=r"main\.h5 takes its values from values\.h5, which is not"
    ):
        load(f"{path}{inner}")


def test_a_link_within_a_file_can_be_named(tmp_path):
    with h5py.File(_saved(tmp_path / "a.h5"), "a") as file:
        file["z"] = X + 1
        file["link"] = h5py.SoftLink("/z")
    assert np.array_equal(_of_file(load(f"{tmp_path / 'a.h5'}:/link")), X + 1)


@pytest.mark.parametrize("kind", ["virtual", "external"])
def test_a_copy_of_values_in_other_files_is_made_again_once_they_change(
    tmp_path, monkeypatch, kind
):
    monkeypatch.setattr(views, "LARGE", 100)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        if kind == "virtual":
            layout = h5py.VirtualLayout(X.shape, X.dtype)
            layout[:] = h5py.VirtualSource("values.h5", "x", X.shape)
            file.create_virtual_dataset("x", layout)
        else:
            raw = [(tmp_path / "values.raw", 0, X.nbytes)]
            file.create_dataset("x", X.shape, X.dtype, external=raw)
    for x in (X, X + 1):
        if kind == "virtual":
            _saved(tmp_path / "values.h5", x)
        else:
            (tmp_path / "values.raw").write_bytes(x.tobytes())
        assert np.array_equal(_of_file(load(tmp_path / "a.h5")), x)
