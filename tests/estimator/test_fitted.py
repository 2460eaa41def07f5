"""A fitted estimator stays consistent: codes in their order, and a failed fit undone."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from latentrank import LowRankAutoencoder, training
from latentrank.errors import InputError

COLUMNS = list("abcdef")
BAD = {
    "missing values": {"X": np.full((60, 6), np.nan)},
    "other columns, no such method": {"X": np.zeros((60, 9)), "method": "none"},
    "images, no such option": {"X": np.zeros((60, 3, 3)), "options": {"none": 1}},
    "too few to hold out": {"n_iter_no_change": 3, "validation_fraction": 0.99},
    "numbers beyond any training": {"learning_rate": 1e30},
}


@pytest.fixture(scope="module")
def frame(plane):
    return pd.DataFrame(plane[:60, :6], columns=COLUMNS)


def fitted_state(estimator):
    return {name: x for name, x in vars(estimator).items() if name[0] == "_" or name[-1] == "_"}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
@pytest.mark.parametrize("before", ["unfitted", "fitted", "warm"])
def test_a_fit_that_fails_changes_nothing(frame, change, before):
    estimator = LowRankAutoencoder("ae", latent_dim=3, epochs=1, random_state=0)
    if before != "unfitted":
        estimator.fit(frame)
    state, params = fitted_state(estimator), dict(change)
    X = params.pop("X", frame)
    estimator.set_params(**params, warm_start=before == "warm")
    if before != "unfitted":
        codes = estimator.transform(frame)
    with pytest.raises(ValueError, match=r"."):
        estimator.fit(X)
    now = fitted_state(estimator)
    assert now.keys() == state.keys()
    assert all(now[name] is state[name] for name in state)
    if before != "unfitted":
        assert list(estimator.feature_names_in_) == COLUMNS
        np.testing.assert_array_equal(estimator.transform(frame), codes)
        assert not any(part.requires_grad for part in estimator.model_.parameters())


def test_columns_of_codes_are_in_order(frame):
    estimator = LowRankAutoencoder("ae", latent_dim=3, epochs=1, random_state=0)
    estimator.set_output(transform="pandas").fit(frame)
    codes = estimator.transform(frame)
    decoded = estimator.inverse_transform(codes.to_numpy())
    np.testing.assert_array_equal(estimator.inverse_transform(codes), decoded)
    # other names may be anything
    renamed = codes.rename(columns=lambda name: f"{name}!")
    np.testing.assert_array_equal(estimator.inverse_transform(renamed), decoded)
    for prefix in ("", "step__"):
        mixed = codes.iloc[:, [1, 0, 2]].rename(columns=lambda name: prefix + name)  # noqa: B023
        with pytest.raises(InputError, match=r"encoder1, .*0, .*2, expected .*0, .*1, .*2; put"):
            estimator.inverse_transform(mixed)


def test_training_on_leaves_what_was_taken_from_the_estimator(frame):
    estimator = LowRankAutoencoder("ae", latent_dim=3, epochs=1, random_state=0).fit(frame)
    model, codes = estimator.model_, estimator.transform(frame)
    estimator.partial_fit(frame)
    assert not np.array_equal(estimator.transform(frame), codes)
    np.testing.assert_array_equal(model.encode_array(frame.to_numpy()), codes)
    assert clone(estimator).fit(frame).n_iter_ == 1


@pytest.mark.parametrize(("init", "rate"), [("random", 2e-3), ("geodesic", 3e-4)])
def test_training_on_has_the_learning_rate_that_it_began_with(frame, init, rate, monkeypatch):
    rates, fit = [], training.fit

    def noting(model, dataset, config, **settings):
        rates.append(config.resolved(model.spec.method).learning_rate)
        return fit(model, dataset, config, **settings)

    monkeypatch.setattr(training, "fit", noting)
    estimator = LowRankAutoencoder(
        "rrae", latent_dim=3, rank=2, init=init, init_steps=2, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of so short a start
        estimator.partial_fit(frame).partial_fit(frame)
    assert rates == [rate, rate]


def test_training_on_from_an_earlier_fit_holds_nothing_out_for_other_starts(plane):
    """There is nothing to choose from, so the error is that of all samples."""
    settings = {"latent_dim": 2, "epochs": 1, "n_init": 2, "warm_start": True, "random_state": 0}
    estimator = LowRankAutoencoder("ae", **settings).fit(plane).fit(plane)
    error = -estimator.score_samples(plane).mean()
    assert estimator.history_[-1]["validation_error"] == pytest.approx(error, rel=1e-5)
