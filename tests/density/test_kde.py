"""The kernel density, against scipy's and by quadrature."""

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.special import logsumexp
from scipy.stats import gaussian_kde

from latentrank.density import fit
from latentrank.errors import InputError
from tests.density.conftest import low_rank

DRAWN = 100_000


@pytest.mark.parametrize("bandwidth", ["scott", "silverman", 0.3])
def test_log_prob_is_scipys(bandwidth):
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(80, 3)) @ rng.normal(size=(3, 3))
    points = rng.normal(size=(20, 3))
    expected = gaussian_kde(codes.T, bw_method=bandwidth).logpdf(points.T)
    fitted = fit("kde", codes, bandwidth=bandwidth)
    np.testing.assert_allclose(fitted.log_prob(points), expected, rtol=1e-8)


def test_log_prob_is_the_sum_of_kernels():
    """`p(u) = 1/N sum_i (2 pi h^2)^(-r/2) exp(-|u - u_i|^2 / 2 h^2)`, in float64."""
    codes = np.random.default_rng(0).normal(size=(80, 5))
    fitted, h = fit("kde", codes, bandwidth=0.4), 0.4
    u = fitted.subspace.coordinates(codes)
    squares = ((u[:, None] - u) ** 2).sum(axis=2)
    expected = logsumexp(-squares / (2 * h**2), axis=1) - np.log(80 * (2 * np.pi * h**2) ** 2.5)
    expected -= fitted.subspace.log_volume
    np.testing.assert_allclose(fitted.log_prob(codes), expected, rtol=1e-12, atol=1e-12)


def test_integrates_to_one():
    codes = np.random.default_rng(0).gamma(2.0, size=(30, 1)) * [3.0, 4.0]  # a line, 5 long a unit
    t = np.linspace(-50, 80, 4001)
    density = np.exp(fit("kde", codes).log_prob(t[:, None] * [0.6, 0.8]))
    assert trapezoid(density, t) == pytest.approx(1, abs=1e-8)


def test_moments_of_samples_are_the_blurred_ones():
    codes = low_rank(150, 6, 3, mean=1.0).astype(np.float64)
    fitted = fit("kde", codes)
    drawn = fitted.sample(DRAWN, seed=0).astype(np.float64)
    width = 150 ** (-1 / 7)
    covariance = np.cov(codes.T, bias=True) + width**2 * np.cov(codes.T)
    centred = drawn - codes.mean(axis=0)
    products = centred[:, :, None] * centred[:, None, :]
    spread = centred.std(axis=0) / np.sqrt(DRAWN)
    np.testing.assert_array_less(np.abs(centred.mean(axis=0)), 5 * spread)
    error = np.abs(products.mean(axis=0) - covariance)
    np.testing.assert_array_less(error, 5 * products.std(axis=0) / np.sqrt(DRAWN))


@pytest.mark.parametrize("bandwidth", ["scot", 0, -1.0, np.inf, np.nan, True, None])
def test_bandwidths_that_cannot_be_used(bandwidth):
    with pytest.raises(InputError, match=r"bandwidth is .*, expected 'scott', 'silverman' or"):
        fit("kde", np.eye(3), bandwidth=bandwidth)
