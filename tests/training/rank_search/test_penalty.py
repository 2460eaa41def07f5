"""Where a penalty is moved, against codes that are formulas."""

import math

import numpy as np
import pytest
import torch

from latentrank.training.rank_search.penalty import Steering, miss_of_error, miss_of_rank


def spectra(usefulness, speed, noise, seed):
    """A code whose direction i dies out while the penalty exceeds usefulness[i], and comes back.

    Directions change by at most `speed` decades a reading: what is read lags behind.
    """
    rng = np.random.default_rng(seed)
    size = np.zeros(len(usefulness))
    penalty = yield
    while True:
        size += speed * np.clip(2 * np.log10(usefulness / penalty), -1, 1)
        size = np.clip(size, -11, np.log10(usefulness / usefulness[0]) / 2)
        values = 10 ** (size + noise * rng.normal(size=len(size)))
        values = np.sort(values)[::-1]
        penalty = yield torch.tensor(values / values[0])


def steer(target, speed, noise, seed, readings=100):
    usefulness = 10 ** np.linspace(0, -4, 12) * 10 ** (
        0.1 * np.random.default_rng(seed).normal(size=12)
    )
    usefulness[0] = 100.0  # no penalty kills everything
    code = spectra(np.sort(usefulness)[::-1], speed, noise, seed)
    next(code)
    steering, ranks, penalties = Steering(1e-3), [], []
    for _ in range(readings):
        values = code.send(steering.penalty)
        steering.update(miss_of_rank(values, target))
        ranks.append(int((values > 1e-4).sum()))
        penalties.append(steering.penalty)
    return np.array(ranks), np.array(penalties)


class TestSteering:
    @pytest.mark.parametrize("target", [1, 2, 4, 6, 8, 11])
    @pytest.mark.parametrize("speed", [2.0, 0.5, 0.2])
    @pytest.mark.parametrize("seed", range(3))
    def test_finds_the_penalty_of_a_rank_though_the_rank_follows_late(self, target, speed, seed):
        ranks, penalties = steer(target, speed, noise=0.0, seed=seed)
        assert (ranks[-10:] == target).all()
        assert np.ptp(np.log(penalties[-10:])) == 0

    @pytest.mark.parametrize("target", [1, 2, 4, 6, 8, 11])
    def test_noise_moves_it_by_little(self, target):
        for seed in range(5):
            ranks, penalties = steer(target, speed=0.3, noise=0.03, seed=seed)
            assert abs(ranks[-10:] - target).max() <= 1
            assert np.mean(ranks[-10:] == target) >= 0.5
            assert np.ptp(np.log(penalties[-10:])) < math.log(2)

    def test_moves_by_at_most_a_third_a_reading(self):
        _, penalties = steer(2, speed=0.2, noise=0.05, seed=0)
        assert abs(np.diff(np.log(penalties))).max() <= math.log(1.3) + 1e-12

    def test_never_again_goes_where_it_proved_too_high(self):
        steering = Steering(1.0)
        steering.update(1.0)
        too_high = steering.penalty
        steering.update(-1.0)
        for _ in range(20):
            steering.update(1.0)
        assert steering.penalty == too_high

    def test_waits_for_what_comes_by_itself(self):
        steering = Steering(1.0)
        miss = 4.0
        penalties = [steering.update(miss := miss - 0.3) for _ in range(10)]
        assert len(set(penalties[2:])) == 1

    def test_holds_on_target(self):
        steering = Steering(0.5)
        assert [steering.update(0.0) for _ in range(3)] == [0.5] * 3

    @pytest.mark.parametrize("values", [[1.0, 0.3, 2e-4, 5e-5, 0.0], [1.0, 1.0, 1.0, 1.0, 1.0]])
    def test_the_miss_of_a_rank_has_the_sign_of_what_is_too_many(self, values):
        values = torch.tensor(values, dtype=torch.float64)
        counted = int((values > 1e-4).sum())
        for target in range(1, 6):
            assert np.sign(miss_of_rank(values, target)) == np.sign(counted - target)

    def test_the_miss_of_a_rank_is_a_distance_of_deviations(self):
        values = torch.tensor([1.0, 0.09, 1e-8], dtype=torch.float64)
        assert miss_of_rank(values, 1) == pytest.approx(0.3 - 0.01)
        assert miss_of_rank(values, 3) == pytest.approx(1e-4 - 0.01)

    def test_the_miss_of_an_error_is_zero_just_below_its_target(self):
        assert miss_of_error(0.09, 0.1) == 0
        assert miss_of_error(0.11, 0.1) < 0 < miss_of_error(0.05, 0.1)
