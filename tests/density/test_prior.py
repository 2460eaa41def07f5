"""The standard normal, over codes and over coefficients."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from latentrank.density import fit, standard_normal
from latentrank.errors import InputError


@pytest.mark.parametrize("prior", [standard_normal(5), fit("prior", np.full((2, 5), 7.0))])
def test_without_a_basis_it_is_the_standard_normal_whatever_the_codes(prior):
    points = np.random.default_rng(0).normal(size=(20, 5))
    np.testing.assert_allclose(
        prior.log_prob(points), multivariate_normal(np.zeros(5)).logpdf(points)
    )
    drawn = prior.sample(100_000, seed=0)
    assert prior.rank == 5
    assert np.abs(drawn.mean(axis=0)).max() < 5 / np.sqrt(len(drawn))
    assert np.abs(np.cov(drawn.T) - np.eye(5)).max() < 5 * np.sqrt(2 / len(drawn))


@pytest.mark.parametrize("orthonormal", [True, False])
def test_with_a_basis_samples_are_combinations_of_its_columns(orthonormal):
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(8, 3))
    if orthonormal:
        basis = np.linalg.qr(basis)[0]
    prior = standard_normal(8, basis)
    drawn = prior.sample(100_000, seed=0).astype(np.float64)
    coefficients = drawn @ np.linalg.pinv(basis).T
    np.testing.assert_allclose(coefficients @ basis.T, drawn, atol=1e-5)
    assert np.abs(coefficients.mean(axis=0)).max() < 5 / np.sqrt(len(drawn))
    assert np.abs(np.cov(coefficients.T) - np.eye(3)).max() < 5 * np.sqrt(2 / len(drawn))
    # change of variables: p(U a) = N(a; 0, I) / sqrt(det U^T U)
    volume = 0.5 * np.linalg.slogdet(basis.T @ basis)[1]
    a = rng.normal(size=(10, 3))
    expected = multivariate_normal(np.zeros(3)).logpdf(a) - volume
    np.testing.assert_allclose(prior.log_prob(a @ basis.T), expected, rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_dependent_columns_count_once(scale):
    # but for their rounding in float32
    basis = scale * np.array([[1.0, 1.0], [0.0, 1e-8], [0.0, 0.0]])
    prior = standard_normal(3, basis)
    assert prior.rank == 1
    drawn = prior.sample(100_000, seed=0)[:, 0].std()
    assert np.isclose(drawn, scale * np.sqrt(2), rtol=5 / np.sqrt(2 * 100_000))


@pytest.mark.parametrize(
    ("basis", "message"),
    [
        (np.eye(4), r"shape \(4, 4\), expected \(3, k\)"),
        (np.ones(3), r"shape \(3,\), expected \(3, k\)"),
        (np.full((3, 1), np.nan), "basis holds NaN"),
    ],
)
def test_bases_that_do_not_fit(basis, message):
    with pytest.raises(InputError, match=message):
        standard_normal(3, basis)


def test_a_code_has_a_width():
    with pytest.raises(InputError, match="latent_dim is 0, expected an integer of at least 1"):
        standard_normal(0)
