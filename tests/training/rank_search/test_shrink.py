"""Decisions to drop directions, against networks that are formulas."""

import numpy as np
import pytest

from latentrank.training.rank_search.shrink import Shrinking
from tests.training.rank_search.networks import SLACK, Networks


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
