"""The estimator: scikit-learn's own checks, and what its users expect beyond them."""

import re

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from latentrank import Autoencoder, LowRankAutoencoder, methods
from latentrank.errors import InputError
from latentrank.inference import squared_errors

SMALL = {"latent_dim": 2, "epochs": 1, "random_state": 0}


@pytest.mark.slow
@parametrize_with_checks(
    [
        LowRankAutoencoder("lorae", **SMALL),
        LowRankAutoencoder("rrae", rank=2, options={"tolerance": 0.02}, **SMALL),
        LowRankAutoencoder("pca", latent_dim=2, random_state=0),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("method", methods.names())
def test_every_method_fits_transforms_and_samples(method, plane):
    estimator = LowRankAutoencoder(method, latent_dim=3, epochs=2, random_state=0).fit(plane)
    codes = estimator.transform(plane)
    assert codes.shape == (200, 3)
    np.testing.assert_allclose(codes, estimator.embedding_, rtol=1e-4, atol=1e-5)
    assert estimator.inverse_transform(codes).shape == plane.shape
    assert np.isfinite(estimator.sample(5, random_state=0)).all()
    assert 0 <= estimator.rank_ <= 3


def test_it_finds_the_rank_and_variance_of_a_plane(plane):
    estimator = LowRankAutoencoder("irmae-wd", latent_dim=6, epochs=240, random_state=0)
    estimator.fit(plane)
    assert estimator.rank_ == 2
    explained = PCA(2).fit(plane).explained_variance_ratio_.sum()  # all of it: it is a plane
    assert 0.95 < estimator.score(plane) <= explained + 1e-6


def test_the_spectrum_is_that_of_the_training_codes(plane):
    estimator = LowRankAutoencoder("ae", latent_dim=3, epochs=2, random_state=0).fit(plane)
    expected = np.linalg.eigvalsh(np.cov(estimator.embedding_.T.astype(np.float64)))[::-1]
    np.testing.assert_allclose(estimator.explained_variance_, expected, rtol=1e-6)
    np.testing.assert_allclose(estimator.singular_values_, expected / expected[0], rtol=1e-6)
    assert estimator.explained_variance_ratio_.sum() == pytest.approx(1)


def rebuild(estimator, function):
    """Have the estimator reconstruct normalised samples by a function."""
    estimator.model_.forward = function


def test_the_score_is_that_of_r2_with_columns_alike(plane):
    x = plane * [1, 2, 3, 4, 5, 6, 7, 1000] + 40
    estimator = LowRankAutoencoder("ae", latent_dim=3, epochs=3, random_state=0).fit(x)
    back = estimator.inverse_transform(estimator.transform(x))
    assert estimator.score(x) == pytest.approx(r2_score(x, back), abs=1e-5)
    errors = np.square((x - back) / x.std(axis=0)).mean(axis=1)
    np.testing.assert_allclose(estimator.score_samples(x), -errors, rtol=1e-3, atol=1e-6)
    mean = torch.from_numpy(estimator._mean_sample).float()
    rebuild(estimator, lambda batch: mean.expand_as(batch))
    assert estimator.score(x) == pytest.approx(0, abs=1e-6)


def test_anomalies_score_low(plane):
    estimator = LowRankAutoencoder("rrae", latent_dim=6, rank=2, epochs=30, random_state=0)
    estimator.fit(plane)
    away = plane[:20] + 5 * np.random.default_rng(1).normal(size=(20, 8))
    assert np.median(estimator.score_samples(away)) < estimator.score_samples(plane).min()


def test_constant_data_have_the_score_of_r2():
    x = np.full((20, 4), 3.0)
    estimator = LowRankAutoencoder("rrae", latent_dim=3, epochs=1, random_state=0).fit(x)
    assert estimator.score(x) == r2_score(x, x + 1e-3) == 0
    rebuild(estimator, lambda batch: batch)
    assert estimator.score(x) == r2_score(x, x) == 1


def test_samples_of_the_prior_lie_where_the_codes_do(plane):
    estimator = LowRankAutoencoder("vrrae", latent_dim=6, rank=2, epochs=2, random_state=0)
    estimator.fit(plane)
    basis = estimator.model_.bottleneck.basis().numpy()
    seen = []
    estimator.model_.decode_array = lambda z: seen.append(z) or np.zeros((len(z), 8))
    estimator.sample(50, density="prior", random_state=0)
    np.testing.assert_allclose(seen[0] @ basis @ basis.T, seen[0], atol=1e-5)


@pytest.mark.parametrize("kind", [int, np.random.RandomState, np.random.default_rng])
def test_samples_of_any_density_repeat_with_any_random_state(plane, kind):
    estimator = LowRankAutoencoder("ae", latent_dim=3, epochs=1, random_state=0).fit(plane)
    first, again = (
        estimator.sample(4, density="gmm:components=2", random_state=kind(3)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)


def test_a_gan_draws_from_its_prior_and_has_no_score(plane):
    estimator = LowRankAutoencoder("nsgan", latent_dim=3, epochs=1, random_state=0).fit(plane)
    seen = []
    estimator.model_.decode_array = lambda z: seen.append(z) or np.zeros((len(z), 8))
    estimator.sample(4000, random_state=0)
    np.testing.assert_allclose(seen[0].std(axis=0), 1, atol=0.1)
    for call in (estimator.score, estimator.score_samples):
        with pytest.raises(InputError, match="reconstructs nothing"):
            call(plane)
    with pytest.raises(InputError, match="use the density prior"):
        estimator.sample(3, density="gaussian")
    with pytest.raises(InputError, match="nsgan reconstructs nothing"):
        estimator.set_params(method="ae").score(plane)


def test_compression_gives_codes_as_narrow_as_the_rank(plane):
    estimator = LowRankAutoencoder(
        "rrae", latent_dim=6, rank=2, epochs=20, compress=True, random_state=0
    ).fit(plane)
    assert estimator.transform(plane).shape[1] <= 2
    assert estimator.get_feature_names_out().tolist()[0] == "lowrankautoencoder0"
    assert clone(estimator).set_params(compress=1e-9).fit(plane).transform(plane).shape[1] == 2
    with pytest.raises(InputError, match="expected a boolean or a number above 0"):
        clone(estimator).set_params(compress=-0.1).fit(plane)
    with pytest.raises(InputError, match=r"compress is 3, expected .* above 0 and below 1"):
        clone(estimator).set_params(compress=3).fit(plane)


def test_it_works_in_pipelines_and_searches(plane):
    pipeline = make_pipeline(StandardScaler(), LowRankAutoencoder("ae", **SMALL))
    assert pipeline.fit_transform(plane).shape == (200, 2)
    search = GridSearchCV(LowRankAutoencoder("ae", **SMALL), {"latent_dim": [1, 2]}, cv=2)
    assert search.fit(plane).best_params_["latent_dim"] in (1, 2)


def test_codes_go_back_under_the_name_that_scikit_learn_gives_them(plane):
    """By another name, metadata routing would take the codes for metadata."""
    estimator = LowRankAutoencoder("ae", **SMALL).fit(plane)
    codes = estimator.transform(plane)
    np.testing.assert_array_equal(
        estimator.inverse_transform(X=codes), estimator.inverse_transform(codes)
    )
    assert not [name for name in dir(estimator) if re.fullmatch("set_.*_request", name)]


def test_the_same_seed_gives_the_same_codes_and_leaves_torchs_state_alone(plane):
    estimator = LowRankAutoencoder("vae", latent_dim=2, epochs=1, random_state=3)
    before = torch.get_rng_state()
    first = estimator.fit(plane).transform(plane)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(clone(estimator).fit(plane).transform(plane), first)


def test_unfitted_estimators_are_refused(plane):
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


def test_an_unreliable_rank_search_is_warned_of(plane):
    estimator = LowRankAutoencoder("rrae", latent_dim=6, rank="auto", epochs=2, random_state=0)
    with pytest.warns(ConvergenceWarning, match="The rank was adapted"):
        estimator.fit(plane)
    assert not estimator.rank_search_["reliable"]
    assert LowRankAutoencoder("ae", **SMALL).fit(plane).rank_search_ is None


def test_a_setting_out_of_range_is_one_sentence(plane):
    with pytest.raises(InputError, match="epochs is 0, expected an integer"):
        LowRankAutoencoder("ae", epochs=0).fit(plane)
    for name in ("latent_dim", "epochs", "batch_size", "n_iter_no_change", "n_init",
                 "learning_rate", "validation_fraction", "compress", "net", "device", "kind",
                 "layout"):  # fmt: skip
        wrong = 3.5 if name in ("net", "device", "kind", "layout") else "3"
        with pytest.raises(InputError, match=f"^{name} is '?3.*, expected .*; "):
            LowRankAutoencoder("ae", **{**SMALL, name: wrong}).fit(plane)
    with pytest.raises(InputError, match=r"options is 3\.5, expected names and values"):
        LowRankAutoencoder("ae", options=3.5).fit(plane)
    with pytest.raises(InputError, match=r"options is \{3: 5\}, expected names and values"):
        LowRankAutoencoder("ae", options={3: 5}).fit(plane)


# --- what goes beyond one fit ---------------------------------------------------------------------


def test_an_option_of_the_method_is_a_parameter_of_a_search(plane):
    estimator = LowRankAutoencoder("lorae", options={"solver": "svd"}, **SMALL)
    estimator.set_params(options__penalty=0.5)
    assert estimator.options == {"solver": "svd", "penalty": 0.5}
    assert estimator.get_params()["options__penalty"] == 0.5
    assert clone(estimator).get_params() == estimator.get_params()
    search = GridSearchCV(estimator, {"options__penalty": [0.0, 0.1]}, cv=2).fit(plane)
    best = search.best_estimator_.model_.spec.options
    assert best["penalty"] == search.best_params_["options__penalty"]
    with pytest.raises(InputError, match="did you mean 'penalty'"):
        estimator.set_params(options__penlty=1.0).fit(plane)


@pytest.mark.parametrize("method", ["ae", "rrae-weak", "nsgan"])
def test_calls_of_partial_fit_train_on(method, plane):
    estimator = LowRankAutoencoder(method, latent_dim=3, random_state=0)
    estimator.partial_fit(plane[:100])
    units, weights = estimator.model_.preprocessing, weights_of(estimator)
    estimator.partial_fit(plane[100:])
    assert estimator.model_.preprocessing == units
    assert not torch.equal(weights_of(estimator), weights)
    assert (estimator.n_iter_, len(estimator.history_)) == (2, 2)
    assert not estimator.model_.training
    np.testing.assert_allclose(estimator.transform(plane[100:]), estimator.embedding_, atol=1e-5)


def weights_of(estimator):
    parameters = estimator.model_.encoder.parameters()
    return torch.cat([parameter.detach().flatten() for parameter in parameters])


def test_continued_training_is_in_training_mode(plane, monkeypatch):
    """Noise, and the truncation of a batch, are there in training alone."""
    seen = []
    losses = Autoencoder.losses
    monkeypatch.setattr(
        Autoencoder, "losses", lambda self, *args: seen.append(self.training) or losses(self, *args)
    )
    estimator = LowRankAutoencoder("vae", latent_dim=3, random_state=0).partial_fit(plane)
    estimator.partial_fit(plane)
    estimator.set_params(warm_start=True, epochs=1).fit(plane)
    assert len(seen) == 3 * 4
    assert all(seen)


def test_partial_fit_reaches_what_fit_does(plane):
    estimator = LowRankAutoencoder("ae", latent_dim=3, random_state=0)
    first = estimator.partial_fit(plane).score(plane)
    for _ in range(30):
        estimator.partial_fit(plane)
    assert first < 0.5 < 0.9 < estimator.score(plane)


def test_a_warm_start_continues_and_a_cold_one_does_not(plane):
    estimator = LowRankAutoencoder("ae", latent_dim=3, epochs=3, random_state=0, warm_start=True)
    score = estimator.fit(plane).score(plane)
    assert estimator.fit(plane).score(plane) > score
    assert estimator.n_iter_ == 6
    with pytest.raises(InputError, match=r"latent_dim 3 .* set warm_start to False"):
        estimator.set_params(latent_dim=2).fit(plane)
    assert estimator.set_params(warm_start=False).fit(plane).n_iter_ == 3


def test_nothing_is_held_out_where_training_cannot_stop_early(plane):
    plain, patient = (
        LowRankAutoencoder("pca", latent_dim=2, n_iter_no_change=wait).fit(plane)
        for wait in (None, 3)
    )
    np.testing.assert_array_equal(patient.embedding_, plain.embedding_)


def test_compression_is_measured_on_samples_from_all_of_the_data():
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(4096, 1)), 6, axis=1)
    x[:, 5] = np.where(np.arange(4096) < 2048, 0.0, rng.normal(size=4096))
    estimator = LowRankAutoencoder("pca", latent_dim=4, compress=0.1).fit(x)
    assert estimator.embedding_.shape == (4096, 2)
    assert estimator.score(x) > 0.99


def test_a_compressed_estimator_trains_on_uncompressed(plane):
    estimator = LowRankAutoencoder("rrae", latent_dim=6, rank=2, compress=True, random_state=0)
    for _ in range(2):
        estimator.partial_fit(plane)
    assert estimator.transform(plane).shape[1] <= 2
    assert estimator._trained.latent_dim == 6


def test_pca_is_solved_at_once(plane):
    estimator = LowRankAutoencoder("pca", latent_dim=2).fit(plane)
    assert estimator.score(plane) == pytest.approx(1, abs=1e-5)
    assert not hasattr(estimator, "partial_fit")


def test_training_stops_when_held_out_samples_no_longer_gain():
    noise = np.random.default_rng(0).normal(size=(60, 8))
    estimator = LowRankAutoencoder(
        "ae", latent_dim=6, epochs=400, learning_rate=1e-2, n_iter_no_change=3, random_state=0
    ).fit(noise)
    assert estimator.n_iter_ < 400
    errors = [row["validation_error"] for row in estimator.history_]
    assert len(errors) == estimator.n_iter_
    assert int(np.argmin(errors)) == len(errors) - 1 - 3
    np.testing.assert_allclose(estimator.embedding_, estimator.transform(noise), atol=1e-5)
    for settings, told in (
        ({"validation_fraction": 1.5}, "validation_fraction is 1.5"),
        ({"method": "nsgan"}, "leave n_iter_no_change out"),
    ):
        with pytest.raises(InputError, match=told):
            clone(estimator).set_params(**settings).fit(noise)
    with pytest.raises(InputError, match="too few to hold out"):
        estimator.fit(noise[:3])


@pytest.mark.parametrize("kind", [int, np.random.RandomState, np.random.default_rng])
def test_any_random_state_repeats(plane, kind):
    codes = [
        LowRankAutoencoder("vae", latent_dim=2, epochs=1, random_state=kind(3)).fit_transform(plane)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*codes)


def test_without_a_random_state_the_seed_of_numpy_repeats(plane):
    made = []
    for _ in range(2):
        np.random.seed(3)  # noqa: NPY002
        estimator = LowRankAutoencoder("vae", latent_dim=2, epochs=1).fit(plane)
        made.append([estimator.embedding_, estimator.sample(4), estimator.sample(4)])
    for first, again in zip(*made, strict=True):
        np.testing.assert_array_equal(first, again)
    assert not np.array_equal(*made[0][1:])


def test_a_geodesic_start_unfolds_curves_along_a_circle():
    """Their one coefficient follows the parameter, which most random starts fold."""
    places, times = np.linspace(0, 1.6, 24), np.linspace(0, 2 * np.pi, 16, endpoint=False)
    curves = np.sin(times - np.pi * places[:, None])
    estimator = LowRankAutoencoder(
        "rrae", 12, rank=1, init="geodesic", init_steps=200, epochs=1, learning_rate=1e-7,
        random_state=0,
    ).fit(curves)  # fmt: skip
    codes = estimator.embedding_
    along = np.diff(codes @ (codes[-1] - codes[0]))  # all codes lie on one line
    assert (along > 0).all()


def test_a_geodesic_start_of_what_has_no_chart_is_warned_of():
    times = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = np.stack([np.cos(times), np.sin(times)], axis=1)
    estimator = LowRankAutoencoder("rrae", 4, rank=1, init="geodesic", init_steps=1, epochs=1)
    with pytest.warns(ConvergenceWarning, match="no chart"):
        estimator.fit(circle)


def test_the_training_with_the_lowest_error_on_held_out_samples_is_kept(plane, monkeypatch):
    judged = []

    def watched(model, x):
        errors = squared_errors(model, x)
        judged.append((float(errors.mean()), len(x), model))
        return errors

    monkeypatch.setattr("latentrank.estimator.lowrank.squared_errors", watched)
    estimator = LowRankAutoencoder("ae", n_init=4, validation_fraction=0.2, **SMALL).fit(plane)
    errors, samples, models = zip(*judged, strict=True)
    assert samples == (40,) * 4
    assert len(set(errors)) == 4
    assert estimator.model_ is models[int(np.argmin(errors))]
    np.testing.assert_allclose(estimator.embedding_, estimator.transform(plane), atol=1e-5)
    again = LowRankAutoencoder("ae", n_init=4, validation_fraction=0.2, **SMALL).fit(plane)
    np.testing.assert_array_equal(again.embedding_, estimator.embedding_)


def test_several_trainings_are_refused_where_none_is_best(plane):
    for given, reason in (
        ({"method": "nsgan"}, "no validation error"),
        ({"method": "rrae", "rank": "auto"}, "rank is searched for"),
        ({"n_init": 0}, "n_init is 0"),
    ):
        with pytest.raises(ValueError, match=reason):
            LowRankAutoencoder(**{"n_init": 2, **SMALL, **given}).fit(plane)
