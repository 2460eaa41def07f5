import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import latentrank
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
