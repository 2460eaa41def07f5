"""The VAE's posterior: moments of what is drawn, and the divergence by integration."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import trapezoid

from latentrank.bottlenecks import Gaussian
from latentrank.bottlenecks.gaussian import gaussian_kl

MEAN = torch.tensor([1.5, -2.0, 0.0], dtype=torch.float64)
LOG_VARIANCE = torch.tensor([-3.0, 0.0, 1.5], dtype=torch.float64)


def encodings(samples):
    """The same posterior for all samples, as an encoder gives it: means, then log-variances."""
    return torch.cat([MEAN, LOG_VARIANCE]).expand(samples, 6)


def drawn(samples=20_000):
    return Gaussian(3).train()(encodings(samples)).z


def test_draws_have_the_posteriors_mean_and_the_exponential_of_its_log_variance():
    """And coordinates are independent."""
    z = drawn()
    variance = LOG_VARIANCE.exp()
    error = (variance / len(z)).sqrt()
    assert ((z.mean(0) - MEAN).abs() < 4 * error).all()
    covariance = torch.cov(z.T)
    # Of a normal sample, the covariance's entry (i, j) varies by v_i v_j (1 + [i = j]) / n.
    error = (torch.outer(variance, variance) * (1 + torch.eye(3)) / len(z)).sqrt()
    assert ((covariance - variance.diag()).abs() < 4 * error).all()


def test_draws_are_normal_and_independent_from_sample_to_sample():
    z = drawn(4000)
    standard = ((z - MEAN) / LOG_VARIANCE.exp().sqrt()).numpy()
    assert stats.kstest(standard.ravel(), "norm").pvalue > 0.01
    following = np.mean(standard[1:] * standard[:-1])
    assert abs(following) < 4 / math.sqrt(standard[1:].size)


def test_a_draw_moves_with_the_mean_and_spreads_with_the_log_variance():
    """`z = m + eps exp(l / 2)`, so `dz/dm = 1` and `dz/dl = (z - m) / 2`."""
    h = encodings(50).clone().requires_grad_()
    z = Gaussian(3).train()(h).z
    z.sum().backward()
    torch.testing.assert_close(h.grad[:, :3], torch.ones_like(z))
    torch.testing.assert_close(h.grad[:, 3:], (z - MEAN).detach() / 2)


def test_evaluation_takes_the_mean_and_reports_the_same_divergence():
    gaussian, h = Gaussian(3), torch.randn(8, 6)
    trained = gaussian.train()(h)
    latent = gaussian.eval()(h)
    assert torch.equal(latent.z, h[:, :3])
    assert torch.equal(gaussian.encode(h), h[:, :3])
    assert torch.equal(h @ gaussian.linear_map().T, h[:, :3])
    assert torch.equal(latent.terms["kl"], trained.terms["kl"])


def divergence_on_a_grid(mean, log_variance):
    """`integral of q log(q / p)` over the line."""
    posterior = stats.norm(mean, math.exp(log_variance / 2))
    z = np.linspace(
        posterior.mean() - 10 * posterior.std(), posterior.mean() + 10 * posterior.std(), 20_001
    )
    return trapezoid(posterior.pdf(z) * (posterior.logpdf(z) - stats.norm.logpdf(z)), z)


def test_the_divergence_is_that_of_the_densities_summed_over_a_code():
    expected = sum(
        divergence_on_a_grid(float(mean), float(log_variance))
        for mean, log_variance in zip(MEAN, LOG_VARIANCE, strict=True)
    )
    latent = Gaussian(3)(encodings(4))
    assert float(latent.terms["kl"]) == pytest.approx(expected, rel=1e-9)


def test_the_divergence_is_averaged_over_the_batch_and_zero_at_the_prior_alone():
    mean, log_variance = torch.randn(2, 6, 4).double()
    each = [float(gaussian_kl(mean[i : i + 1], log_variance[i : i + 1])) for i in range(6)]
    assert min(each) > 0
    assert float(gaussian_kl(mean, log_variance)) == pytest.approx(np.mean(each))
    assert float(gaussian_kl(torch.zeros(2, 4), torch.zeros(2, 4))) == 0.0
