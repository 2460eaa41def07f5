"""Decisions on ranks and penalties, against networks that are formulas."""

import json
import math

import numpy as np
import pytest
import torch

from latentrank.training.rank_search.trackers import (
    Growing,
    Shrinking,
    Steering,
    Trend,
    miss_of_error,
    miss_of_rank,
    restore,
    state,
)

SLACK = 0.01


class Networks:
    """Stands in for networks in training: at rank k the error decays towards `floors[k]`.

    Giving up a direction raises the error by a jump; training takes it away again.
    """

    def __init__(self, floors, rank, start=1.0, pace=0.3, jump=0.3):
        self.floors, self.pace, self.jump = floors, pace, jump
        self.rank, self.now = rank, start

    def floor(self, k):
        return self.floors[min(k, len(self.floors)) - 1]

    def error_at(self, k):
        assert k <= self.rank
        return self.now if k == self.rank else max(self.now, self.floor(k)) + self.jump

    def train(self, rank):
        if rank < self.rank:
            self.now = max(self.now, self.floor(rank)) + self.jump
        self.rank = rank
        self.now += self.pace * (self.floor(rank) - self.now)

    def run(self, tracker, readings):
        ranks = []
        for _ in range(readings):
            self.train(tracker.rank)
            ranks.append(tracker.update(self.error_at, SLACK))
        return ranks


class TestTrend:
    def test_arrives_when_a_steady_pace_leads_to_zero_in_time(self):
        trend = Trend()
        for value in range(100, 50, -1):
            trend.update(float(value))
        assert trend.pace == pytest.approx(-1.0, abs=1e-6)
        assert trend.arrives(52)
        assert not trend.arrives(50)

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_moving_away_never_arrives(self, sign):
        trend = Trend()
        for value in (1.0, 2.0, 3.0):
            trend.update(sign * value)
        assert not trend.arrives(1e6)

    def test_one_reading_has_no_pace(self):
        trend = Trend()
        assert not trend.arrives(10)
        trend.update(1.0)
        assert not trend.arrives(10)


class TestShrinking:
    @pytest.mark.parametrize("needed", [1, 2, 3, 5])
    def test_lowers_while_the_error_comes_back_and_returns_one_step_when_not(self, needed):
        floors = [0.4] * (needed - 1) + [0.001] * 8
        tracker = Shrinking(rank=6)
        ranks = Networks(floors, 6, start=0.001).run(tracker, 150)
        assert tracker.settled
        assert ranks[-1] == needed
        assert min(ranks) == max(needed - 1, 1)
        steps = np.diff([6, *ranks])
        assert set(steps) <= {-1, 0, 1}
        assert (steps == 1).sum() == (needed > 1)

    def test_what_costs_nothing_is_given_up_at_once(self):
        networks = Networks([0.4, 0.001], 32, start=0.001, jump=0.0)
        ranks = networks.run(Shrinking(rank=32), 40)
        first = next(rank for rank in ranks if rank < 32)
        assert first == 2
        assert ranks[-1] == 2

    def test_nothing_is_given_up_before_something_is_learned(self):
        tracker = Shrinking(rank=8, begin=0.9)
        ranks = Networks([0.4, 0.001], 8, start=1.0, pace=0.02).run(tracker, 3)
        assert ranks == [8, 8, 8]
        assert tracker.stop(lambda k: 1.0, SLACK) == 8
        assert not tracker.settled

    def test_a_slow_return_is_waited_for(self):
        tracker = Shrinking(rank=2)
        networks = Networks([0.001, 0.001], 2, start=0.001, pace=0.12)
        waiting = networks.run(tracker, tracker.patience + 5)
        assert set(waiting) == {1}
        assert not tracker.closed
        networks.run(tracker, 30)
        assert (tracker.rank, tracker.settled) == (1, True)

    def test_an_error_that_falls_too_slowly_is_not_waited_for(self):
        networks = Networks([0.001, 0.001], 2, start=0.001, pace=0.005)
        ranks = networks.run(Shrinking(rank=2), 40)
        assert ranks[0] == 1
        assert ranks[-1] == 2

    def test_time_that_runs_out_in_a_trial_counts_as_failure(self):
        tracker = Shrinking(rank=3)
        networks = Networks([0.4, 0.001, 0.001], 3, start=0.001)
        while tracker.rank != 1:
            networks.run(tracker, 1)
        networks.train(tracker.rank)
        assert tracker.stop(networks.error_at, SLACK) == 2
        assert tracker.closed
        assert not tracker.settled
        assert tracker.update(lambda k: 0.0, SLACK) == 2

    def test_time_that_runs_out_with_the_error_back_changes_nothing(self):
        tracker = Shrinking(rank=3)
        assert tracker.stop(lambda k: 0.1, SLACK) == 3


class TestGrowing:
    @pytest.mark.parametrize("needed", [1, 2, 4])
    def test_stops_when_a_direction_gains_too_little_and_takes_it_away(self, needed):
        floors = [0.2 + 0.1 * (needed - k) for k in range(1, needed + 1)] + [0.195] * 4
        tracker = Growing(most=8)
        ranks = Networks(floors, 1).run(tracker, 200)
        assert tracker.settled
        assert ranks[-1] == needed
        assert max(ranks) == needed + 1

    def test_a_direction_that_gains_just_enough_is_kept(self):
        tracker = Growing(most=3)
        ranks = Networks([0.5, 0.5 - 1.5 * SLACK, 0.5 - 1.6 * SLACK], 1).run(tracker, 200)
        assert ranks[-1] == 2

    def test_nothing_is_judged_while_the_error_still_falls(self):
        tracker = Growing(most=8)
        networks = Networks([0.02, 0.019, 0.019], 1, pace=0.05)
        ranks = networks.run(tracker, 40)
        assert set(ranks) == {1}
        assert not tracker.closed

    def test_ends_where_nothing_is_left_to_gain(self):
        tracker = Growing(most=8)
        ranks = Networks([0.4, SLACK / 2], 1).run(tracker, 100)
        assert max(ranks) == 2
        assert tracker.settled

    def test_says_so_when_it_may_not_grow_further(self):
        tracker = Growing(most=3)
        ranks = Networks([0.9, 0.7, 0.5, 0.3], 1).run(tracker, 200)
        assert ranks[-1] == 3
        assert tracker.closed
        assert not tracker.settled


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


@pytest.mark.parametrize(
    ("tracker", "fresh"),
    [
        (Shrinking(rank=3), Shrinking(rank=9)),
        (Growing(most=3), Growing(most=9)),
        (Steering(0.1), Steering(1.0)),
    ],
    ids=str,
)
def test_a_tracker_goes_on_from_plain_numbers(tracker, fresh):
    def decide(one):
        return one.update(-0.3) if isinstance(one, Steering) else one.update(lambda k: 0.5, SLACK)

    for _ in range(5):
        decide(tracker)
    restore(fresh, json.loads(json.dumps(state(tracker))))
    assert repr(fresh) == repr(tracker)  # a pace that is not known yet is no number
    assert decide(fresh) == decide(tracker)
