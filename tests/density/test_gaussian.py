"""One Gaussian, against scipy and against its own moments."""

import numpy as np
from scipy.stats import multivariate_normal

from latentrank.density import fit
from tests.density.conftest import low_rank

DRAWN = 100_000


def test_moments_of_samples_match_the_codes():
    codes = low_rank(400, 12, 5, mean=1.0)
    drawn = fit("gaussian", codes).sample(DRAWN, seed=0).astype(np.float64)
    mean, covariance = codes.mean(axis=0, dtype=np.float64), np.cov(codes.T.astype(np.float64))
    variances = np.diag(covariance)
    np.testing.assert_array_less(
        np.abs(drawn.mean(axis=0) - mean), 5 * np.sqrt(variances / DRAWN) + 1e-6
    )
    # Wishart: Var S_ij = (C_ii C_jj + C_ij^2) / n
    spread = np.sqrt((np.outer(variances, variances) + covariance**2) / DRAWN)
    np.testing.assert_array_less(np.abs(np.cov(drawn.T) - covariance), 5 * spread + 1e-6)


def test_log_prob_of_full_rank_codes_is_scipys():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)) + 3
    expected = multivariate_normal(codes.mean(axis=0), np.cov(codes.T)).logpdf(codes)
    np.testing.assert_allclose(fit("gaussian", codes).log_prob(codes), expected, rtol=1e-9)


def test_log_prob_of_low_rank_codes_is_the_pseudo_inverse_one():
    codes = low_rank(60, 10, 3, dtype=np.float64)
    covariance = np.cov(codes.T)
    values = np.linalg.eigvalsh(covariance)[-3:]
    centred = codes - codes.mean(axis=0)
    squares = np.einsum("ni,ij,nj->n", centred, np.linalg.pinv(covariance, rcond=1e-9), centred)
    expected = -0.5 * (squares + np.log(values).sum() + 3 * np.log(2 * np.pi))
    np.testing.assert_allclose(fit("gaussian", codes).log_prob(codes), expected, rtol=1e-8)
