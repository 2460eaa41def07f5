import math
from itertools import combinations

import numpy as np
import pytest
import torch

from latentrank.errors import InputError
from latentrank.evaluation.theory import (
    adam_gradient_norms,
    fit_power,
    relative_contrasts,
    theorem_step_size,
)


def test_a_power_law_is_recovered_from_noisy_values(rng):
    x = np.geomspace(1e-5, 1e-1, 200)
    found = fit_power(x, 3 * x**-0.5 * np.exp(0.05 * rng.normal(size=200)))
    assert found.exponent == pytest.approx(-0.5, abs=0.01)
    assert found.factor == pytest.approx(3, rel=0.05)
    assert 0.99 < found.r_squared < 1


def test_a_power_law_agrees_with_numpy_s_line(rng):
    x, y = rng.uniform(1, 5, 20), rng.uniform(1, 5, 20)
    slope, offset = np.polyfit(np.log(x), np.log(y), 1)
    found = fit_power(x, y)
    assert (found.exponent, math.log(found.factor)) == pytest.approx((slope, offset))
    assert found.r_squared == pytest.approx(np.corrcoef(np.log(x), np.log(y))[0, 1] ** 2)


def test_a_constant_is_a_power_law_of_exponent_zero():
    assert fit_power([1, 2, 4], [5, 5, 5]) == pytest.approx((5, 0, 1))


@pytest.mark.parametrize(
    ("x", "y"),
    [([1, 0], [1, 1]), ([1, 2], [1, -1]), ([1, 2], [1, 0]), ([1, 1], [1, 2]), ([1, 2], [1, 2, 3])],
)
def test_what_has_no_power_law_is_refused(x, y):
    with pytest.raises(InputError, match="pairs of positive numbers"):
        fit_power(x, y)


def test_the_step_size_falls_with_the_root_of_the_horizon():
    sizes = [theorem_step_size(0.3, 2.0, 1.5, horizon, 0.1) for horizon in (10, 40)]
    assert sizes[0] == pytest.approx(2 * sizes[1])
    delta_squared = (1.5 / 0.1) ** 2
    assert sizes[0] == pytest.approx(math.sqrt(2 * 0.3 / (2.0 * delta_squared * 10)))


def test_a_loss_at_its_minimum_takes_no_step():
    assert theorem_step_size(0.0, 2.0, 1.5, 10, 0.1) == 0
    with pytest.raises(InputError, match=r"gap -0\.1"):
        theorem_step_size(-0.1, 2.0, 1.5, 10, 0.1)


def test_a_step_size_without_a_gradient_bound_is_refused():
    with pytest.raises(InputError, match="gradient bound 0"):
        theorem_step_size(1.0, 1.0, 0.0, 10, 1e-8)


def quadratic(curvature, start, **settings):
    theta = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    weights = torch.tensor(curvature, dtype=torch.float64)
    norms = adam_gradient_norms(lambda: (weights * theta**2).sum() / 2, [theta], **settings)
    return norms, theta.detach().numpy()


def test_adam_without_memory_and_with_a_large_epsilon_is_gradient_descent():
    """theta_t = (1 - alpha / epsilon * h)^t theta_0 in the limit, so the norms are geometric."""
    epsilon, step = 1e6, 1e5
    norms, _ = quadratic(
        [1.0, 1.0], [3.0, 4.0], step_size=step, steps=6, epsilon=epsilon, betas=(0.0, 0.0)
    )
    np.testing.assert_allclose(norms, 5 * (1 - step / epsilon) ** np.arange(6), rtol=1e-5)


def test_adam_agrees_with_its_formulas_in_numpy():
    curvature, theta, m, v = np.array([1.0, 5.0]), np.array([1.0, -2.0]), 0.0, 0.0
    expected = []
    for _ in range(7):
        g = curvature * theta
        expected.append(np.linalg.norm(g))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        theta = theta - 0.01 * m / (np.sqrt(v) + 0.1)
    norms, end = quadratic(curvature.tolist(), [1.0, -2.0], step_size=0.01, steps=7, epsilon=0.1)
    np.testing.assert_allclose(norms, expected)
    np.testing.assert_allclose(end, theta)


def test_the_norm_is_that_of_all_gradients_together():
    several = [torch.full((n,), 2.0, requires_grad=True) for n in (1, 2, 3)]
    (norm,) = adam_gradient_norms(lambda: sum(p.sum() * p.numel() for p in several),
                                  several, 0.1, steps=1)  # fmt: skip
    assert norm == pytest.approx(math.sqrt(1 + 2 * 2**2 + 3 * 3**2))


def test_parameters_that_the_loss_does_not_use_stay():
    used, unused = (torch.ones(2, requires_grad=True) for _ in range(2))
    adam_gradient_norms(lambda: used.square().sum(), [used, unused], 0.1, steps=1)
    assert (unused == 1).all()
    assert (used != 1).all()


def test_no_steps_are_refused():
    with pytest.raises(InputError, match="steps is 0"):
        adam_gradient_norms(lambda: torch.zeros(()), [], 0.1, 0)


def test_contrasts_of_three_points_on_a_line():
    """From 0, 1 and 3 the distances are (1, 3), (1, 2) and (3, 2)."""
    found = relative_contrasts([[0.0], [1.0], [3.0]], draws=200)
    assert set(found.round(12)) == {2.0, 1.0, 0.5}
    pairs = relative_contrasts([[0.0], [1.0], [3.0], [7.0]], draws=300, neighbours=2)
    assert set(pairs.round(12)) == {
        round(max(far) / min(far) - 1, 12)
        for x in (0, 1, 3, 7)
        for far in combinations([abs(x - y) for y in (0, 1, 3, 7) if y != x], 2)
    }


def test_contrast_fades_with_the_dimension(rng):
    lowest = [relative_contrasts(rng.normal(size=(300, width))).min() for width in (2, 20, 2000)]
    assert lowest[0] > lowest[1] > lowest[2] > 0


def test_contrast_does_not_depend_on_scale_and_equal_codes_are_infinitely_near(rng):
    codes = rng.normal(size=(50, 3))
    np.testing.assert_allclose(relative_contrasts(codes), relative_contrasts(7 * codes))
    assert np.isinf(relative_contrasts(np.repeat(codes, 2, axis=0))).all()


def test_contrast_needs_a_draw_and_two_others():
    assert relative_contrasts(np.eye(3), draws=1, neighbours=2).shape == (1,)
    for rows, draws, neighbours in ((2, 1, 2), (3, 0, 2), (3, 1, 1)):
        with pytest.raises(InputError, match=rf"codes of shape \({rows}, {rows}\)"):
            relative_contrasts(np.eye(rows), draws, neighbours)
