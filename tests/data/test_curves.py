import math

import numpy as np
import pytest

from latentrank.data import curves, load
from latentrank.errors import InputError


@pytest.mark.parametrize(
    ("family", "points", "train", "test", "ranges", "latent_dim"),
    [
        ("shifted-sine", 200, 17, 80, [(0, 1.7)], 4500),
        ("stairs", 501, 40, 300, [(1, 4.9)], 4500),
        ("two-sines", 1571, 225, 1000, [(0.3, 0.5), (0.8, 1)], 2800),
        ("two-gaussians", 1200, 100, 1000, [(1, 3), (4, 6)], 2800),
    ],
)
def test_family_is_sampled_as_in_the_paper(family, points, train, test, ranges, latent_dim):
    data = load(f"curves:{family}")
    assert data.train.x.shape == (train, 1, points)
    assert data.test.x.shape == (test, 1, points)
    assert data.true_dimension == data.train.parameters.shape[1] == len(ranges)
    assert (data.latent_dim, data.net, data.preprocessing.bounded) == (latent_dim, "curves", False)
    low, high = data.train.parameters.min(axis=0), data.train.parameters.max(axis=0)
    np.testing.assert_allclose([low, high], np.transpose(ranges))
    assert (data.test.parameters >= low).all()
    assert (data.test.parameters <= high).all()
    assert np.isfinite(data.train.x).all()


@pytest.mark.parametrize("family", curves.FAMILIES)
def test_curves_belong_to_their_parameters(family):
    data, t = curves.load(family, test_size=5), curves.FAMILIES[family].t
    for split in (data.train, data.test):
        for curve, parameters in zip(split.x[-3:], split.parameters[-3:], strict=True):
            expected = curves.FAMILIES[family].function(*parameters, t)
            rounding = np.finfo(curve.dtype).eps * np.abs(expected).max()
            np.testing.assert_allclose(curve[0], expected, rtol=0, atol=rounding)


def test_stairs_match_a_sum_taken_step_by_step():
    p, t = 4.2, curves.FAMILIES["stairs"].t
    phase = 0.875 + (p - 1) / 0.1 * (1.75 / 99)
    height, expected = 0.0, []
    for time in t:
        f = p * math.sqrt(time) * math.sin(2 * math.pi * (time - phase))
        height += ((abs(f - 2.3) + (f - 2.3)) / 2) ** 5
        expected.append(height)
    np.testing.assert_allclose(curves.stairs(p, t), expected, rtol=1e-9)


def test_stairs_are_trained_on_in_steps_of_a_tenth():
    parameters = curves.load("stairs").train.parameters[:, 0]
    np.testing.assert_allclose(parameters, 1 + 0.1 * np.arange(40))


def test_two_gaussians_peak_at_their_parameters_and_both_are_positive():
    t = curves.FAMILIES["two-gaussians"].t
    curve = curves.two_gaussians(2.0, 4.5, t)
    first, second = curve[t < 3.2], curve[t >= 3.2]
    np.testing.assert_allclose([t[t < 3.2][first.argmax()], t[t >= 3.2][second.argmax()]], [2, 4.5])
    np.testing.assert_allclose([first.max(), second.max()], 1.3)
    # a width of 0.08 = 2 sigma^2 means that sigma is 0.2: half a bump holds 1.3 sigma sqrt(pi / 2)
    np.testing.assert_allclose(first.sum() * 0.005, 1.3 * 0.2 * math.sqrt(2 * math.pi), rtol=1e-3)


def test_many_curves_at_once_equal_one_at_a_time():
    t, p = np.linspace(0, 3, 11), np.array([1.0, 2.0])
    for function in (curves.shifted_sine, curves.stairs):
        np.testing.assert_array_equal(function(p, t)[1], function(2.0, t))
    for function in (curves.two_sines, curves.two_gaussians):
        np.testing.assert_array_equal(function(p, p, t)[1], function(2.0, 2.0, t))


def test_shifted_sine_is_a_sine_moved():
    t = np.linspace(0, 6, 50)
    np.testing.assert_allclose(curves.shifted_sine(0.5, t), -np.cos(t), atol=1e-12)


def test_an_unknown_family_is_refused():
    with pytest.raises(InputError, match="did you mean 'stairs'"):
        curves.load("stair")
