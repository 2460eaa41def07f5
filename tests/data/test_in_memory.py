import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import latentrank
from latentrank.data import load
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
    with pytest.raises(InputError, match="of none"):
        as_dataset([])


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
