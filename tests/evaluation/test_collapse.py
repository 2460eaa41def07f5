import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from latentrank.errors import InputError
from latentrank.evaluation.collapse import active_units, kl_per_unit


def test_kl_is_torchs(rng):
    means, logvars = rng.normal(size=(20, 4)), rng.normal(size=(20, 4))
    posterior = Normal(torch.from_numpy(means), torch.from_numpy(np.exp(logvars / 2)))
    expected = kl_divergence(posterior, Normal(0.0, 1.0)).mean(0).numpy()
    np.testing.assert_allclose(kl_per_unit(means, logvars), expected, rtol=1e-6)


def test_kl_of_a_collapsed_unit_is_zero_and_of_any_other_positive():
    found = kl_per_unit(np.zeros((5, 2)), np.tile([0.0, 1e-5], (5, 1)))
    assert found[0] == 0.0
    assert found[1] == pytest.approx(0.25e-10, rel=1e-3)


def test_active_units_count_the_means_that_vary(rng):
    noise = rng.normal(size=(5000, 3)) * np.sqrt([0.015, 0.005, 4.0]) + [0.0, 3.0, 9.0]
    assert active_units(noise) == 2
    assert active_units(noise, threshold=1.0) == 1
    assert active_units(np.ones((5, 3)), threshold=0.0) == 0


def test_unusable_input_is_explained():
    with pytest.raises(InputError, match=r"posterior means have shape \(3,\), expected"):
        active_units(np.zeros(3))
    with pytest.raises(InputError, match=r"\(2, 3\) and the log-variances \(2, 4\)"):
        kl_per_unit(np.zeros((2, 3)), np.zeros((2, 4)))


def test_one_sample_is_enough_for_the_divergence():
    """`(exp(v) + m^2 - 1 - v) / 2` of a mean of 2 and a log-variance of 0 is 2."""
    assert kl_per_unit([[2.0]], [[0.0]]) == pytest.approx([2.0])
