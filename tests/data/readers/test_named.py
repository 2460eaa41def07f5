import h5py
import numpy as np
import pandas
import pytest
import scipy.io
import scipy.sparse
import xarray

from latentrank.data import load, load_samples
from latentrank.errors import InputError
from latentrank.preprocessing import Preprocessing

X = np.random.default_rng(0).poisson(0.5, size=(20, 6))
SPARSE = scipy.sparse.csr_matrix(X)
OTHER = np.random.default_rng(1).normal(size=(20, 3))


def _grouped(path, group, names):
    parts = dict(zip(names, (SPARSE.data, SPARSE.indices, SPARSE.indptr), strict=True))
    with h5py.File(path, "w") as file:
        for name, part in parts.items():
            file[f"{group}/{name}"] = part
        file["obsm/X_pca"] = OTHER


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia"])
def test_a_sparse_matrix_in_an_archive_is_refused(tmp_path, kind):
    scipy.sparse.save_npz(tmp_path / "a.npz", SPARSE.asformat(kind))
    with pytest.raises(InputError, match=r"a\.npz holds a sparse matrix .* save toarray\(\)"):
        load(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("X", ("data", "indices", "indptr")),
        ("matrix", ("data", "indices", "indptr")),
        ("X", ("data", "ir", "jc")),
    ],
    ids=["AnnData", "10x", "MATLAB"],
)
def test_other_arrays_do_not_stand_in_for_a_sparse_matrix(tmp_path, group, names):
    path = tmp_path / "a.h5"
    _grouped(path, group, names)
    for place in (path, f"{path}:/{group}"):
        with pytest.raises(InputError, match="holds a sparse matrix"):
            load(place)
    assert load(f"{path}:/obsm/X_pca").shape == load(path, columns="obsm/X_pca").shape == (3,)


def test_a_sparse_matrix_of_matlab_is_refused(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"x": SPARSE, "y": np.arange(20) % 2})
    with pytest.raises(InputError, match=r"holds a sparse matrix \(x\)"):
        load(tmp_path / "a.mat")


def test_arrays_of_the_names_of_a_sparse_matrix_are_no_such_matrix(tmp_path):
    np.savez(tmp_path / "a.npz", data=OTHER, indices=np.arange(20), format=np.array("csv"))
    assert load(tmp_path / "a.npz").shape == (3,)


def test_parameters_of_different_lengths_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 3)), a=np.zeros(4), b=np.zeros(3))
    with pytest.raises(
        InputError, match=r"parameters a, b have shapes \(4,\), \(3,\); give one row"
    ):
        load(tmp_path / "x.npz", parameters="a,b")


@pytest.mark.parametrize("shape", [(0, 3), (0,), (20, 0)])
def test_parameters_without_rows_or_columns_are_refused(shape):
    arrays = {"x": np.zeros((20, 4)), "parameters": np.zeros(shape)}
    with pytest.raises(InputError, match=r"0 parameters for 20 samples|of shape \(20, 0\)"):
        load(arrays)


def test_one_of_several_arrays_has_its_own_labels_and_parameters(tmp_path):
    """Not those of the training samples, of which there may be as many."""
    x = np.random.default_rng(0).normal(size=(10, 3))
    arrays = {"x_train": x, "x_test": -x, "codes": x[:7], "y": np.full(10, 5)}
    splits = {f"{name}_{split}": np.full(10, i + 2) for name in ("z", "parameters")
              for i, split in enumerate(("train", "test"))}  # fmt: skip
    np.savez(tmp_path / "a.npz", **arrays, **splits)
    for source, columns in (
        (f"{tmp_path / 'a.npz'}:/x_test", None),
        (tmp_path / "a.npz", "x_test"),
    ):
        data = load(source, columns=columns, labels="z")
        assert (data.train.labels == 3).all()
        assert (data.train.parameters == 3).all()
    data = load(f"{tmp_path / 'a.npz'}:/x_train", labels="z")
    assert (data.train.labels == 2).all()
    assert (load(f"{tmp_path / 'a.npz'}:/x_train").train.labels == 5).all()
    data = load(f"{tmp_path / 'a.npz'}:/codes", labels="z")
    assert data.train.labels is data.train.parameters is None
    assert "also holds unused arrays: x_train, x_test, y, z_train" in data.notes[0]


@pytest.mark.parametrize("name", ["y", "label", "target_speed"])
@pytest.mark.parametrize("suffix", [".npz", ".csv", ".nc"])
def test_real_numbers_of_a_labels_name_can_be_chosen_as_parameters(tmp_path, name, suffix):
    path, values = tmp_path / f"a{suffix}", np.linspace(0, 1, 20)
    if suffix == ".npz":
        np.savez(path, x=OTHER, **{name: values})
    elif suffix == ".csv":
        pandas.DataFrame(OTHER, columns=list("abc")).assign(**{name: values}).to_csv(path, index=0)
    else:
        along = {"x": (("time", "place"), OTHER), name: (("time",), values)}
        xarray.Dataset(along).to_netcdf(path)
    data = load(path, parameters=name)
    assert data.train.labels is None
    np.testing.assert_allclose(data.train.parameters[:, 0], values[data.train.rows])


def test_what_is_chosen_as_the_sample_is_no_label(tmp_path):
    np.savez(tmp_path / "a.npz", x=OTHER, targets=X)
    assert load(tmp_path / "a.npz", columns="targets").train.labels is None
    assert load(f"{tmp_path}/a.npz:/targets").shape == (6,)
    frame = pandas.DataFrame(OTHER, columns=["a", "b", "label"])
    assert load(frame, columns="a,b,label").train.labels is None


@pytest.mark.parametrize("name", ["mach", "/mach"])
def test_arrays_of_a_name_in_each_split_are_found_again_for_a_trained_model(tmp_path, name):
    path, values = tmp_path / "a.npz", np.linspace(0, 1, 20)
    parts = {"mach_train": values[:15], "mach_test": values[15:]}
    parts = parts if name == "mach" else {"mach": values}
    x = {"x_train": OTHER[:15], "x_test": OTHER[15:]} if name == "mach" else {"x": OTHER}
    np.savez(path, **x, **parts)
    assert load(path, parameters=name).train.parameters is not None
    found, _ = load_samples(path, Preprocessing(dtype="float64"), (3,), parameters=name)
    np.testing.assert_array_equal(found.parameters[:, 0], values)
