"""Errors by number of coefficients: a linear autoencoder that is PCA has PCA's errors."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import latentrank
from latentrank.config import TrainConfig
from latentrank.data import Dataset, Split
from latentrank.data.views import spread_evenly
from latentrank.errors import InputError
from latentrank.evaluation import coefficients
from latentrank.evaluation.coefficients import error_by_coefficients, pca_error_by_coefficients
from latentrank.models.statistics import CodeStatistics
from latentrank.runs.measured import measured, share_of_variance
from latentrank.training import fit

SIZE, WIDTH = 12, 5


@pytest.fixture(scope="module")
def dataset():
    """Correlated noise with a mean, 300 training and 200 test vectors."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(SIZE, SIZE)) * 0.7 ** np.arange(SIZE)
    x = (rng.normal(size=(500, SIZE)) @ mixing.T + rng.normal(size=SIZE)).astype(np.float32)
    return Dataset("linear", Split(x[:300]), Split(x[300:]), bounded=False)


def linear_autoencoder(dataset, width):
    """The closed form: encode to principal coordinates in a rotated basis, decode back."""
    x = torch.from_numpy(dataset.train.x).double()
    mean = x.mean(0)
    basis = torch.linalg.svd(x - mean, full_matrices=False).Vh[:width].mT
    rotation = torch.linalg.qr(torch.randn(width, width, generator=torch.manual_seed(1)).double())
    basis = basis @ rotation.Q
    model = SimpleNamespace(
        reconstructs=True,
        spec=SimpleNamespace(preprocessing=None),
        encode=lambda x: (x.double() - mean) @ basis + 3,
        decode=lambda z: (z - 3) @ basis.mT + mean,
        statistics=CodeStatistics(width).double(),
    )
    model.statistics.update([model.encode(x)])
    return model


def residuals(dataset, k):
    """Share of the test variance, about the training mean, outside `k` leading directions."""
    train, test = (split.x.astype(np.float64) for split in (dataset.train, dataset.test))
    values, vectors = np.linalg.eigh(np.cov(train.T))
    kept = vectors[:, np.argsort(values)[::-1][:k]]
    centred = test - train.mean(0)
    left = centred - centred @ kept @ kept.T
    return np.square(left).sum() / np.square(centred).sum()


def test_linear_autoencoder_has_the_errors_of_pca(dataset):
    ks, errors = error_by_coefficients(linear_autoencoder(dataset, WIDTH), dataset)
    assert ks.tolist() == [1, 2, 3, 4, 5]
    wanted = [residuals(dataset, k) for k in ks]
    # float64 throughout but for the float32 components that scikit-learn keeps
    np.testing.assert_allclose(errors, wanted, rtol=1e-9)
    pca = pca_error_by_coefficients(dataset, WIDTH)
    np.testing.assert_allclose(pca.errors, wanted, rtol=1e-4)


def test_pca_with_every_direction_has_no_error(dataset):
    errors = pca_error_by_coefficients(dataset).errors
    assert len(errors) == SIZE
    assert errors[-1] < 1e-6
    assert (np.diff(errors) <= 0).all()


def test_few_samples_have_fewer_directions_and_no_error_is_negative(dataset):
    """`N` centred samples span `N - 1` dimensions; rounding leaves errors of either sign there."""
    for n in range(3, SIZE + 3):
        few = Dataset("few", Split(dataset.train.x[:n]), Split(dataset.train.x[1:n]), bounded=False)
        ks, errors = pca_error_by_coefficients(few)
        assert ks[-1] == min(n - 1, SIZE)
        assert (errors >= 0).all()
        assert errors[-1] < 1e-6  # float32 components


def test_errors_of_many_test_samples_are_those_of_an_even_part_of_them(dataset, monkeypatch):
    monkeypatch.setattr(coefficients, "MOST_SAMPLES", 20)
    model = linear_autoencoder(dataset, WIDTH)
    part = Split(dataset.test.x[spread_evenly(len(dataset.test), 20)])
    expected = error_by_coefficients(model, Dataset("x", dataset.train, part, bounded=False))
    np.testing.assert_array_equal(error_by_coefficients(model, dataset).errors, expected.errors)


def test_the_mean_of_a_part_of_the_training_samples_is_divided_by_its_size(dataset, monkeypatch):
    """A model that returns the mean of 50 samples has the error 1 about the mean of these."""
    monkeypatch.setattr(coefficients, "MOST_NUMBERS", 50 * SIZE)
    rows = spread_evenly(len(dataset.train), 50)
    mean = torch.from_numpy(dataset.train.x[rows]).double().mean(0)
    model = linear_autoencoder(dataset, WIDTH)
    model.decode = lambda z: mean.expand(len(z), -1)
    np.testing.assert_allclose(error_by_coefficients(model, dataset).errors, 1, rtol=1e-12)


def test_statistics_that_the_model_does_not_know_are_taken_from_the_training_split(dataset):
    model = linear_autoencoder(dataset, WIDTH)
    known = error_by_coefficients(model, dataset).errors
    model.statistics = CodeStatistics(WIDTH).double()
    np.testing.assert_allclose(error_by_coefficients(model, dataset).errors, known, rtol=1e-6)


def test_a_model_sees_samples_as_it_was_trained_on_them(dataset):
    """Also those of a data set that would be scaled otherwise by itself."""
    model = latentrank.build("pca", SIZE, WIDTH, bounded=False)
    fit(model, dataset, TrainConfig(), progress=False)
    other = Dataset("other", dataset.train, dataset.test)  # standardised
    np.testing.assert_array_equal(
        error_by_coefficients(model, other).errors, error_by_coefficients(model, dataset).errors
    )


def test_the_last_error_is_that_of_whole_codes():
    data = latentrank.data.load("blobs", train_size=64, test_size=40)
    model = latentrank.build("ae", data.shape, latent_dim=4).eval()
    train, x = (torch.from_numpy(split.x) / 255 for split in (data.train, data.test))
    with torch.no_grad():
        whole = float((model(x) - x).square().sum() / (x - train.mean(0)).square().sum())
    assert error_by_coefficients(model, data).errors[-1] == pytest.approx(whole, rel=1e-4)


def test_the_last_error_is_the_share_of_variance_that_training_measures():
    data = latentrank.data.load("blobs", train_size=64, test_size=40)
    model = latentrank.build("ae", data.shape, latent_dim=4).eval()
    model.preprocessing = data.preprocessing
    model.finalize(lambda: model.batches(data.train.x))
    found = measured(model, data, torch.from_numpy(model.encode_array(data.test.x)))
    last = error_by_coefficients(model, data).errors[-1]
    assert last == pytest.approx(share_of_variance(found), rel=1e-4)  # sums of float32


@pytest.mark.parametrize(("numbers", "rows"), [(30 * SIZE, 30), (SIZE, 2)])
def test_data_too_large_are_thinned_out(dataset, monkeypatch, numbers, rows):
    monkeypatch.setattr(coefficients, "MOST_NUMBERS", numbers)
    seen = []
    fit = coefficients.PCA.fit
    monkeypatch.setattr(coefficients.PCA, "fit", lambda self, x: seen.append(x) or fit(self, x))
    pca_error_by_coefficients(dataset, 3)
    assert seen[0].shape == (rows, SIZE)


def test_needed_is_none_where_no_count_is_enough(dataset):
    curve = pca_error_by_coefficients(dataset, 3)
    assert curve.needed(curve.errors[1]) == 2
    assert curve.needed(0.0) is None


def test_models_without_codes_and_data_without_variance_are_refused(dataset):
    gan = SimpleNamespace(reconstructs=False)
    with pytest.raises(InputError, match="no encoder"):
        error_by_coefficients(gan, dataset)
    split = Split(np.ones((5, SIZE), dtype=np.float32))
    with pytest.raises(InputError, match="All samples are equal"):
        pca_error_by_coefficients(Dataset("flat", split, split, bounded=False))
