import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
import xarray as xr
from torch.utils.data import DataLoader, IterableDataset, SubsetRandomSampler, TensorDataset

import latentrank
from latentrank import LowRankAutoencoder
from latentrank.data import Dataset, Split, load
from latentrank.data.in_memory import as_dataset
from latentrank.errors import InputError

X = np.random.default_rng(0).normal(size=(20, 4))
LABELS = np.arange(20) % 3


@pytest.mark.parametrize(
    "source",
    [
        X,
        torch.from_numpy(X),
        TensorDataset(torch.from_numpy(X), torch.from_numpy(LABELS)),
        DataLoader(TensorDataset(torch.from_numpy(X), torch.from_numpy(LABELS)), batch_size=4),
        [(row, label) for row, label in zip(X, LABELS, strict=True)],
    ],
    ids=["array", "tensor", "dataset", "loader", "list of pairs"],
)
def test_samples_are_the_same_however_they_are_given(source):
    data = as_dataset(source)
    rows = np.concatenate([data.train.rows, data.test.rows])
    np.testing.assert_array_equal(np.concatenate([data.train.x, data.test.x]), X[rows])
    if data.train.labels is not None:
        np.testing.assert_array_equal(data.train.labels, LABELS[data.train.rows])


def test_samples_of_different_shapes_and_streams_are_refused():
    with pytest.raises(InputError, match="expected one shape"):
        as_dataset([np.zeros(2), np.zeros(3)])
    with pytest.raises(InputError, match="a data set that has a length"):
        as_dataset(iter(X))


def test_a_run_of_data_in_memory_is_a_run_folder_like_any_other(tmp_path):
    config = latentrank.RunConfig(method="ae", data="mine", latent_dim=2, epochs=1)
    run = latentrank.train(config, tmp_path / "run", dataset=X, progress=False)
    again = latentrank.Run(run.folder)
    assert again.metrics["method"] == "ae"
    assert again.codes("train").shape == (16, 2)


class Pairs(torch.utils.data.Dataset):
    """Samples with targets of any kind."""

    def __init__(self, target):
        self.target = target

    def __len__(self):
        return len(X)

    def __getitem__(self, i):
        return torch.from_numpy(X[i]), self.target(i)


class Stream(IterableDataset):
    """As many samples as it says, one after another."""

    def __len__(self):
        return len(X)

    def __iter__(self):
        return iter(torch.from_numpy(X))


def test_real_targets_are_parameters_rather_than_truncated_labels():
    targets = np.random.default_rng(1).random((20, 2))
    for given in (targets[:, 0], targets):
        data = as_dataset(TensorDataset(torch.from_numpy(X), torch.from_numpy(given)))
        assert data.train.labels is None
        np.testing.assert_array_equal(data.train.parameters, given.reshape(20, -1)[data.train.rows])


def test_text_targets_are_classes_and_dictionaries_are_refused():
    data = as_dataset(Pairs(lambda i: "dog" if i % 2 else "cat"))
    assert data.class_names == ("cat", "dog")
    assert data.train.labels.tolist() == [row % 2 for row in data.train.rows]
    with pytest.raises(InputError, match="are dictionaries"):
        as_dataset([{"image": X[0]}])
    with pytest.raises(InputError, match="has no samples"):
        as_dataset([])


@pytest.mark.parametrize(
    "x", [X, np.random.default_rng(0).integers(0, 255, (20, 3, 8, 8), dtype=np.uint8)]
)
def test_a_sample_that_is_its_own_target_has_neither_labels_nor_parameters(x):
    """Data sets for autoencoders return what goes in and what has to come out."""
    given = torch.from_numpy(x)
    data, alone = as_dataset(TensorDataset(given, given)), as_dataset(given)
    assert (data.train.labels, data.train.parameters, data.true_dimension) == (None, None, None)
    assert data.fingerprint == alone.fingerprint


def test_frames_and_labelled_arrays_are_read_as_their_files_are(tmp_path):
    pandas, xarray = pytest.importorskip("pandas"), pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    frame = pandas.DataFrame(X, columns=list("abcd")).assign(kind=["u", "v"] * 10)
    frame.to_csv(tmp_path / "frame.csv", index=False)
    fields = xarray.DataArray(
        np.random.default_rng(0).normal(size=(20, 5, 6)),
        {"time": pandas.date_range("2001-01-01", periods=20), "lat": np.linspace(-60, 60, 5)},
        ("time", "lat", "lon"),
        "wind",
    )
    fields.to_netcdf(tmp_path / "wind.nc")
    for source, file, how in (
        (frame, "frame.csv", {"labels": "kind", "parameters": "a"}),
        (fields, "wind.nc", {}),
        (fields.to_dataset(), "wind.nc", {}),
    ):
        here, there = load(source, **how), load(tmp_path / file, **how)
        assert here.fingerprint == there.fingerprint
        assert (here.parameter_names, here.class_names) == (
            there.parameter_names,
            there.class_names,
        )
        assert [axis.name for axis in here.axes.channels] == [
            axis.name for axis in there.axes.channels
        ]


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_tables_of_other_libraries_are_read_as_those_of_pandas(library):
    pandas, other = pytest.importorskip("pandas"), pytest.importorskip(library)
    columns = {name: X[:, i] for i, name in enumerate("abcd")} | {"kind": ["u", "v"] * 10}
    table = (other.DataFrame if library == "polars" else other.table)(columns)
    for how in ({"labels": "kind", "parameters": "a"}, {}):
        here, there = load(table, **how), load(pandas.DataFrame(columns), **how)
        assert here.shape == there.shape
        assert here.fingerprint == there.fingerprint
        assert here.notes == there.notes
        assert here.reading == there.reading


def test_the_settings_of_a_run_describe_its_data_in_memory(tmp_path):
    fields = np.random.default_rng(0).normal(size=(20, 6, 7))
    settings = {"method": "pca", "data": "mine", "latent_dim": 2, "layout": "NHW", "train_size": 9}
    run = latentrank.train(
        latentrank.RunConfig(**settings), tmp_path / "run", dataset=fields, progress=False
    )
    assert run.model().preprocessing.layout == "NHW"
    assert len(run.codes("train")) == 9
    with pytest.raises(InputError, match="labels does not apply"):
        load(fields, layout="NHW", labels="grade")


def test_a_dictionary_of_arrays_is_read_as_its_file_is(tmp_path):
    arrays = {"x": X, "y": LABELS, "parameters": X[:, :2]}
    np.savez(tmp_path / "arrays.npz", **arrays)
    assert load(arrays).fingerprint == load(tmp_path / "arrays.npz").fingerprint


def test_bfloat16_is_read_exactly():
    given = torch.from_numpy(X).bfloat16()
    data = load(given)
    np.testing.assert_array_equal(data.train.x, given.double().numpy()[data.train.rows])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.ma.masked_greater(X, 0), "masked values"),
        ([np.ma.masked_greater(row, 0) for row in X], "masked values"),
        (scipy.sparse.csr_matrix(X), "expected a dense array"),
        ({"x": scipy.sparse.csr_matrix(X)}, "x holds a csr_matrix, expected a dense array"),
        ({"x_train": Pairs(int), "x_test": X}, r"x_train is a Pairs, .* torch\.stack"),
        (TensorDataset(*map(torch.from_numpy, (X, X[:, 0], LABELS))), "have 3 parts"),
        ([[torch.zeros(3), 0]] * 4, "parts of different shapes"),
        (DataLoader(Pairs(int), sampler=SubsetRandomSampler(range(5))), "torch.utils.data.Subset"),
        (Stream(), "a length and an index"),
        (DataLoader(Stream()), "a length and an index"),
        (np.zeros(9, dtype=[("t", "f4"), ("p", "f8")]), r"pandas\.DataFrame\(x\)"),
        ((X, LABELS), r"tuple of 2 parts, .* such as \{'x': x, 'y': y\}"),
        ("", "name of the data is empty"),
    ],
    ids=[
        "masked",
        "masked items",
        "sparse",
        "sparse by name",
        "data set by name",
        "three parts",
        "lists",
        "sampler",
        "stream",
        "loader of a stream",
        "fields",
        "tuple",
        "no name",
    ],
)
def test_data_that_would_be_read_only_in_part_or_wrongly_are_refused(source, message):
    with pytest.raises(InputError, match=message):
        load(source)


def test_columns_are_told_apart():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(InputError, match="several columns called a;"):
        load(pandas.DataFrame(X, columns=list("aabc")))
    nested = pandas.MultiIndex.from_product([list("ab"), [1, 2]])
    assert load(pandas.DataFrame(X, columns=nested)).shape == (4,)


def test_parameters_in_data_frames_are_matched_by_name():
    frame = pd.DataFrame(X[:, :2], columns=["dose", "time"])
    whole = load({"x": X, "parameters": frame})
    assert whole.parameter_names == ("dose", "time")
    for name, asked in (("parameters", None), ("conditions", "conditions")):
        arrays = {f"{name}_train": frame, f"{name}_test": frame[["time", "dose"]]}
        data = load({"x_train": X, "x_test": X, **arrays}, parameters=asked)
        assert data.parameter_names == ("dose", "time")
        np.testing.assert_array_equal(data.test.parameters, X[:, :2])
    other = {"parameters_train": frame, "parameters_test": frame.rename(columns={"time": "t"})}
    with pytest.raises(InputError, match="different quantities"):
        load({"x_train": X, "x_test": X, **other})


@pytest.mark.parametrize("dims", [("x", "sample"), ("x", "time"), ("station", "sample")])
def test_named_samples_are_never_along_another_axis(dims):
    xarray = pytest.importorskip("xarray")
    array = xarray.DataArray(X, dims=dims)
    with pytest.raises(InputError, match=r"that of the samples.*layout=NT"):
        load(array)
    with pytest.raises(InputError, match="first is read as that of the samples"):
        LowRankAutoencoder("pca", latent_dim=2).fit(array)
    assert load(array, layout="NT").shape == (1, 4)
    assert load(array.transpose()).shape == (1, 20)


def test_arrays_and_tables_of_other_libraries_are_read_whole(tmp_path):
    zarr, dask = pytest.importorskip("zarr"), pytest.importorskip("dask.array")
    pandas = pytest.importorskip("pandas")
    for x in (zarr.array(X), dask.from_array(X, chunks=(5, 4))):
        assert load(x).fingerprint == load(X).fingerprint
    frames = pytest.importorskip("dask.dataframe")
    table = pandas.DataFrame(X, columns=list("abcd"))
    assert load(frames.from_pandas(table, npartitions=3)).fingerprint == load(table).fingerprint


@pytest.mark.parametrize(
    "grouped",
    [
        pd.DataFrame({"a": [1.0, 2.0], "b": [0, 1]}).groupby("b"),
        xr.DataArray(np.zeros((4, 3)), dims=("n", "t"), coords={"n": [0, 0, 1, 1]}).groupby("n"),
        xr.Dataset({"u": ("n", np.zeros(4))}, coords={"n": [0, 0, 1, 1]}).groupby("n"),
    ],
)
def test_groups_are_not_samples(grouped):
    with pytest.raises(InputError, match=r"data are a \w+GroupBy, whose groups are not samples"):
        load(grouped)


def test_places_stacked_from_several_dimensions_are_columns_of_a_table():
    rng = np.random.default_rng(0)
    fields = {
        "T": (("time", "lat", "lon"), rng.normal(288, 1, (20, 3, 4))),
        "p": (("time", "lat", "lon"), rng.normal(1e5, 500, (20, 3, 4))),
    }
    sea = xr.Dataset(fields).where(xr.DataArray([[1, 1, 0, 1]] * 3, dims=("lat", "lon")))
    stacked = sea.to_dataarray("quantity").stack(place=("quantity", "lat", "lon")).dropna("place")
    data = load(stacked)
    assert data.shape == (18,)
    whole = np.concatenate([data.train.x, data.test.x])
    assert np.sort(whole, axis=None).tolist() == np.sort(stacked.to_numpy(), axis=None).tolist()
    np.testing.assert_allclose(data.preprocessing.scale, data.train.x.std(0))
    ae = LowRankAutoencoder("pca", latent_dim=2).fit(stacked)
    np.testing.assert_allclose(ae.model_.preprocessing.scale, stacked.to_numpy().std(0))
    assert ae.inverse_transform(ae.transform(stacked)).shape == stacked.shape
    assert load(stacked, kind="curves").shape == (1, 18)
    assert load(sea.stack(place=("lat", "lon")).dropna("place")).shape == (2, 9)
    assert load(stacked.drop_vars(["place", "quantity", "lat", "lon"])).shape == (1, 18)


def test_an_array_that_divides_the_samples_is_refused():
    where = np.array(["train", "test"] * 10)
    array = xr.DataArray(X, dims=("time", "place"), coords={"subset": ("time", where)})
    for source in ({"x": X, "Split": where}, {"x": X, "split": where.astype("S")}, array):
        with pytest.raises(
            InputError, match=r"(plit|subset), which divides .*test, train.* x_train"
        ):
            load(source)
    assert len(load({"x": X, "split": LABELS}).train) == 16  # no names of splits
    assert load({"x": X, "split": where}, labels="split").class_names == ("test", "train")


def test_settings_do_not_apply_to_a_data_set():
    data = Dataset("mine", Split(np.eye(4)), Split(np.eye(4)))
    assert load(data) is data
    with pytest.raises(InputError, match="labels does not apply to the data set mine"):
        load(data, labels="y")
