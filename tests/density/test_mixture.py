"""Gaussian mixtures: recovery of known clusters, moments, choice by BIC."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from latentrank.density import fit
from latentrank.density.mixture import COVARIANCES
from latentrank.errors import InputError

DRAWN = 100_000


def clusters(samples=600, seed=0):
    """Weights 1/3 and 2/3, centres at -4 and 4 of the first axis, in 3 of 6 dimensions."""
    rng = np.random.default_rng(seed)
    second = np.arange(samples) >= samples // 3
    points = rng.normal(size=(samples, 3)) * [0.5, 1.0, 0.2]
    points[:, 0] += np.where(second, 4, -4)
    return points @ np.linalg.qr(rng.normal(size=(6, 3)))[0].T, second


def test_recovers_two_clusters():
    codes, second = clusters()
    fitted = fit("gmm", codes, components=2)
    order = np.argsort(fitted.model.weights_)
    np.testing.assert_allclose(fitted.model.weights_[order], [1 / 3, 2 / 3], atol=1e-3)
    means = fitted.subspace.points(fitted.model.means_)[order]
    np.testing.assert_allclose(means[0], codes[~second].mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(means[1], codes[second].mean(axis=0), atol=1e-3)


def test_log_prob_is_the_mixture_of_the_clusters_own_gaussians():
    codes, second = clusters()
    plane = codes @ np.linalg.svd(codes - codes.mean(axis=0))[2][:3].T
    parts = [
        np.log(len(part) / len(codes))
        + multivariate_normal(part.mean(axis=0), np.cov(part.T, bias=True)).logpdf(plane)
        for part in (plane[~second], plane[second])
    ]
    expected = logsumexp(parts, axis=0)
    np.testing.assert_allclose(fit("gmm", codes, components=2).log_prob(codes), expected, atol=1e-2)


def test_bic_chooses_two():
    assert fit("gmm", clusters()[0], components="bic", max_components=5).components == 2


def test_bic_tries_no_component_that_would_collapse():
    codes = np.random.default_rng(0).normal(size=(9, 4))
    assert fit("gmm", codes, components="bic").components == 1


def test_moments_of_samples_match_the_codes():
    codes = clusters()[0]
    drawn = fit("gmm", codes, components=3).sample(DRAWN, seed=0).astype(np.float64)
    # After a step of expectation maximisation the mixture has the codes' moments, whatever
    # its components; only the regularisation, 1e-6 of the variance, is added.
    centred = drawn - codes.mean(axis=0)
    covariance = np.cov(codes.T, bias=True)
    spread = centred.std(axis=0) / np.sqrt(DRAWN)
    np.testing.assert_array_less(np.abs(centred.mean(axis=0)), 5 * spread)
    products = centred[:, :, None] * centred[:, None, :]
    error = np.abs(products.mean(axis=0) - covariance)
    np.testing.assert_array_less(error, 5 * products.std(axis=0) / np.sqrt(DRAWN))


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_log_prob_is_the_mixture_of_its_own_parameters(covariance):
    codes = clusters()[0]
    fitted = fit("gmm", codes, components=2, covariance=covariance)
    model, u = fitted.model, fitted.subspace.coordinates(codes)
    matrices = {
        "full": lambda k: model.covariances_[k],
        "tied": lambda k: model.covariances_,
        "diag": lambda k: np.diag(model.covariances_[k]),
        "spherical": lambda k: model.covariances_[k] * np.eye(3),
    }
    parts = [
        np.log(weight) + multivariate_normal(mean, matrices[covariance](k)).logpdf(u)
        for k, (weight, mean) in enumerate(zip(model.weights_, model.means_, strict=True))
    ]
    expected = logsumexp(parts, axis=0) - fitted.subspace.log_volume
    np.testing.assert_allclose(fitted.log_prob(codes), expected, rtol=1e-9)


def test_the_seed_of_the_fit_decides_where_it_starts():
    codes = np.random.default_rng(0).normal(size=(60, 3))
    first, again, other = (fit("gmm", codes, seed=seed).model.means_ for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"components": 5}, "components is 5 for 3 codes"),
        ({"components": 2.5}, "components is 2.5, expected an integer of at least 1 or 'bic'"),
        ({"components": True}, "components is True, expected an integer of at least 1 or 'bic'"),
        ({"covariance": "diagonal"}, "covariance of a mixture 'diagonal'; did you mean 'diag'"),
        ({"components": 0}, "components is 0, expected an integer of at least 1 or 'bic'"),
        ({"components": "aic"}, "components is 'aic', expected"),
        ({"components": "bic", "max_components": 0}, "max_components is 0, expected"),
        ({"components": 1, "seed": -1}, "seed is -1"),
    ],
)
def test_options_that_cannot_be_used(options, message):
    with pytest.raises(InputError, match=message):
        fit("gmm", np.eye(3), **options)
