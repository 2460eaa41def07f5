"""The flow: a density that integrates to one, learns shape, and repeats itself."""

import sys

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid

from latentrank.density import fit
from latentrank.errors import InputError

zuko = pytest.importorskip("zuko")


def banana(samples, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=samples)
    return np.stack([x, x**2 + 0.3 * rng.normal(size=samples)], axis=1)


@pytest.fixture(scope="module")
def fitted():
    return fit("flow", banana(1000, seed=0), steps=100)


def test_integrates_to_one_in_two_dimensions(fitted):
    x, y = np.linspace(-7, 7, 201), np.linspace(-8, 22, 401)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    total = np.exp(fitted.log_prob(grid)).sum() * (x[1] - x[0]) * (y[1] - y[0])
    assert total == pytest.approx(1, abs=0.01)


def test_integrates_to_one_in_one_dimension():
    codes = np.random.default_rng(0).gamma(2.0, size=(200, 1)) * [3.0, 4.0]
    t = np.linspace(-60, 120, 8001)
    density = np.exp(fit("flow", codes, steps=40).log_prob(t[:, None] * [0.6, 0.8]))
    assert trapezoid(density, t) == pytest.approx(1, abs=1e-3)


def test_beats_the_gaussian_on_new_codes_that_are_none(fitted):
    new = banana(1000, seed=1)
    gaussian = fit("gaussian", banana(1000, seed=0)).log_prob(new).mean()
    assert fitted.log_prob(new).mean() > gaussian + 0.5


def test_samples_follow_its_own_density(fitted):
    drawn = fitted.sample(4000, seed=0)
    x, y = np.linspace(-7, 7, 201), np.linspace(-8, 22, 401)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    weights = np.exp(fitted.log_prob(grid))
    mean = weights @ grid / weights.sum()
    second = weights @ grid**2 / weights.sum()
    for power, expected in ((drawn, mean), (drawn**2, second)):
        spread = power.std(axis=0) / np.sqrt(len(drawn))
        np.testing.assert_array_less(np.abs(power.mean(axis=0) - expected), 5 * spread + 0.02)


def test_the_seed_of_the_fit_is_all_that_counts():
    codes = banana(100, seed=0)
    log_probs = []
    with torch.random.fork_rng(devices=[]):
        for seed in (1, 1, 2):
            torch.rand(1)  # moves the global state, which must not matter
            log_probs.append(fit("flow", codes, steps=3, seed=seed).log_prob(codes))
    np.testing.assert_array_equal(log_probs[0], log_probs[1])
    assert not np.array_equal(log_probs[0], log_probs[2])


def test_steps_below_one():
    with pytest.raises(InputError, match="steps is 0, expected an integer of at least 1"):
        fit("flow", np.eye(2), steps=0)


def test_without_zuko_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "zuko.flows", None)
    with pytest.raises(
        InputError, match=r"needs zuko; install it with: pip install 'latentrank\[flow\]'"
    ):
        fit("flow", np.eye(3))
