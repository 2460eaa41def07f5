"""The estimator: scikit-learn's own checks, and what its users expect beyond them."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from latentrank import LowRankAutoencoder, methods
from latentrank.errors import InputError

SMALL = {"latent_dim": 2, "epochs": 1, "random_state": 0}


@pytest.mark.slow
@parametrize_with_checks(
    [LowRankAutoencoder("lorae", **SMALL), LowRankAutoencoder("rrae", rank=2, **SMALL)]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def plane():
    rng = np.random.default_rng(0)
    return rng.normal(size=(200, 2)) @ rng.normal(size=(2, 8)) + 5.0


@pytest.mark.parametrize("method", methods.names())
def test_every_method_fits_transforms_and_samples(method, plane):
    estimator = LowRankAutoencoder(method, latent_dim=3, epochs=2, random_state=0).fit(plane)
    codes = estimator.transform(plane)
    assert codes.shape == (200, 3)
    np.testing.assert_allclose(codes, estimator.embedding_, rtol=1e-4, atol=1e-5)
    assert estimator.inverse_transform(codes).shape == plane.shape
    assert np.isfinite(estimator.sample(5, random_state=0)).all()
    assert 0 <= estimator.rank_ <= 3


def test_what_it_finds_in_a_plane(plane):
    estimator = LowRankAutoencoder("irmae-wd", latent_dim=6, epochs=60, random_state=0).fit(plane)
    assert estimator.rank_ == 2
    explained = PCA(2).fit(plane).explained_variance_ratio_.sum()  # all of it: it is a plane
    assert 0.95 < estimator.score(plane) <= explained + 1e-6


def test_the_spectrum_is_that_of_the_training_codes(plane):
    estimator = LowRankAutoencoder("ae", latent_dim=3, epochs=2, random_state=0).fit(plane)
    expected = np.linalg.eigvalsh(np.cov(estimator.embedding_.T.astype(np.float64)))[::-1]
    np.testing.assert_allclose(estimator.explained_variance_, expected, rtol=1e-6)
    np.testing.assert_allclose(estimator.singular_values_, expected / expected[0], rtol=1e-6)
    assert estimator.explained_variance_ratio_.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    "shape", [(1, 20), (3, 9, 11), (1, 4, 5, 6)], ids=["curves", "images", "volumes"]
)
def test_shaped_arrays_keep_their_shape(shape):
    x = np.random.default_rng(0).normal(size=(12, *shape))
    estimator = LowRankAutoencoder("lorae", latent_dim=3, epochs=1, random_state=0)
    codes = estimator.fit_transform(x)
    assert codes.shape == (12, 3)
    assert estimator.inverse_transform(codes).shape == x.shape
    with pytest.raises(InputError, match=r"expected .* as in fit"):
        estimator.transform(x[..., :-1])


def test_bytes_come_back_as_values_from_0_to_255():
    x = np.random.default_rng(0).integers(0, 256, size=(20, 1, 8, 8), dtype=np.uint8)
    estimator = LowRankAutoencoder("ae", latent_dim=3, epochs=1, random_state=0).fit(x)
    back = estimator.inverse_transform(estimator.transform(x))
    assert 0 <= back.min() < back.max() <= 255
    assert 20 < back.mean() < 255


def test_what_fit_saw_decides_on_the_units_and_not_the_dtype_of_later_samples():
    x = np.random.default_rng(0).integers(0, 256, size=(20, 1, 8, 8), dtype=np.uint8)
    settings = {"latent_dim": 3, "epochs": 1, "random_state": 0}
    for fitted_on, given in ((np.uint8, np.float32), (np.float32, np.uint8)):
        estimator = LowRankAutoencoder("ae", **settings).fit(x.astype(fitted_on))
        np.testing.assert_allclose(
            estimator.transform(x.astype(given)), estimator.embedding_, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_the_score_of_the_mean_sample_is_zero(dtype):
    x = np.random.default_rng(0).integers(0, 256, size=(20, 1, 8, 8)).astype(dtype)
    estimator = LowRankAutoencoder("ae", latent_dim=3, epochs=1, random_state=0).fit(x)
    estimator._decode = lambda codes: np.repeat(
        (x.mean(axis=0, keepdims=True) - estimator.mean_) / estimator.scale_, len(codes), axis=0
    )
    assert estimator.score(x) == pytest.approx(0, abs=1e-6)


def test_samples_of_the_prior_lie_where_the_codes_do(plane):
    estimator = LowRankAutoencoder("vrrae", latent_dim=6, rank=2, epochs=2, random_state=0)
    estimator.fit(plane)
    basis = estimator.model_.bottleneck.basis().numpy()
    seen = []
    estimator._decode = lambda codes: seen.append(codes) or np.zeros((len(codes), 8))
    estimator.sample(50, density_name="prior", random_state=0)
    np.testing.assert_allclose(seen[0] @ basis @ basis.T, seen[0], atol=1e-5)


@pytest.mark.parametrize("kind", [int, np.random.RandomState, np.random.default_rng])
def test_samples_of_any_density_repeat_with_any_random_state(plane, kind):
    estimator = LowRankAutoencoder("ae", latent_dim=3, epochs=1, random_state=0).fit(plane)
    first, again = (
        estimator.sample(4, density_name="gmm:components=2", random_state=kind(3)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)


def test_a_gan_draws_from_its_prior_and_has_no_score(plane):
    estimator = LowRankAutoencoder("nsgan", latent_dim=3, epochs=1, random_state=0).fit(plane)
    seen = []
    estimator._decode = lambda codes: seen.append(codes) or np.zeros((len(codes), 8))
    estimator.sample(4000, random_state=0)
    np.testing.assert_allclose(seen[0].std(axis=0), 1, atol=0.1)
    with pytest.raises(InputError, match="reconstructs nothing"):
        estimator.score(plane)
    with pytest.raises(InputError, match="use the density prior"):
        estimator.sample(3, density_name="gaussian")


def test_compression_gives_codes_as_narrow_as_the_rank(plane):
    estimator = LowRankAutoencoder(
        "rrae", latent_dim=6, rank=2, epochs=20, compress=True, random_state=0
    ).fit(plane)
    assert estimator.transform(plane).shape[1] <= 2
    assert estimator.get_feature_names_out().tolist()[0] == "lowrankautoencoder0"


def test_it_stands_in_pipelines_and_searches(plane):
    pipeline = make_pipeline(StandardScaler(), LowRankAutoencoder("ae", **SMALL))
    assert pipeline.fit_transform(plane).shape == (200, 2)
    search = GridSearchCV(LowRankAutoencoder("ae", **SMALL), {"latent_dim": [1, 2]}, cv=2)
    assert search.fit(plane).best_params_["latent_dim"] in (1, 2)


def test_the_same_seed_gives_the_same_codes_and_leaves_torchs_state_alone(plane):
    import torch

    estimator = LowRankAutoencoder("vae", latent_dim=2, epochs=1, random_state=3)
    before = torch.get_rng_state()
    first = estimator.fit(plane).transform(plane)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(clone(estimator).fit(plane).transform(plane), first)


def test_before_fit_it_says_so(plane):
    estimator = LowRankAutoencoder()
    for call in (estimator.transform, estimator.inverse_transform, estimator.score):
        with pytest.raises(NotFittedError):
            call(plane)
    with pytest.raises(NotFittedError):
        estimator.sample(2)


def test_bad_input_is_named(plane):
    with pytest.raises(InputError, match="did you mean 'lorae'"):
        LowRankAutoencoder("lorea").fit(plane)
    with pytest.raises(InputError, match="no option of ae called 'rank'"):
        LowRankAutoencoder("ae", rank=2).fit(plane)
    fitted = LowRankAutoencoder("ae", **SMALL).fit(plane)
    with pytest.raises(InputError, match="The codes have 5 numbers"):
        fitted.inverse_transform(np.zeros((2, 5)))


def test_digits_are_reduced_in_seconds():
    digits, _ = load_digits(return_X_y=True)
    estimator = LowRankAutoencoder("lorae", epochs=5, random_state=0).fit(digits)
    assert estimator.score(digits) > 0.4


def test_a_search_for_the_rank_without_a_sure_end_is_warned_of(plane):
    estimator = LowRankAutoencoder("rrae", latent_dim=6, rank="auto", epochs=2, random_state=0)
    with pytest.warns(ConvergenceWarning, match="The rank was adapted"):
        estimator.fit(plane)
    assert not estimator.rank_search_["reliable"]
    assert LowRankAutoencoder("ae", **SMALL).fit(plane).rank_search_ is None


def test_a_setting_out_of_range_is_one_sentence(plane):
    with pytest.raises(InputError, match="epochs is 0 in the estimator: input should be"):
        LowRankAutoencoder("ae", epochs=0).fit(plane)
