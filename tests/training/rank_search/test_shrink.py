"""Decisions to drop directions, against networks that are formulas."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from latentrank.training.rank_search.shrink import Shrinking, ShrinkSearch
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

    @pytest.mark.parametrize(("cost", "left"), [(0.2, 6), (0.4, 7), (0.6, 7)])
    def test_directions_worth_less_than_half_the_slack_together_go_at_once(self, cost, left):
        """Of 8; a single one is tried whatever it costs."""
        tracker = Shrinking(rank=8)
        assert tracker.update(lambda k: 0.1 + cost * SLACK * (8 - k), SLACK) == left

    @pytest.mark.parametrize("patience", [1, 10])
    def test_a_direction_is_returned_after_as_many_readings_as_patience_allows(self, patience):
        tracker = Shrinking(rank=3, patience=patience)
        ranks = [tracker.update(lambda k: 0.1 if k == 3 else 0.5, SLACK) for _ in range(12)]
        assert ranks[: patience + 1] == [2] * patience + [3]

    @pytest.mark.parametrize(("above", "rank"), [(0.0, 2), (0.9, 2), (1.1, 3)])
    def test_at_the_end_a_trial_has_succeeded_within_the_slack(self, above, rank):
        tracker = Shrinking(rank=3)
        tracker.update(lambda k: 0.1, slack=0.0)
        tracker._begin_trial(2)
        assert tracker.stop(lambda k: 0.1 + above * SLACK, SLACK) == rank


class TestShrinkSearch:
    @pytest.fixture
    def search(self):
        """A search that measures an error of 0.5, and records the readings for `learning`."""
        search = ShrinkSearch(None, None, SimpleNamespace(most=8))
        search.slack, search.readings = SLACK, []
        search.learning = SimpleNamespace(
            still=False, update=lambda *given: search.readings.append(given)
        )
        search.error_at = lambda trainer, model: lambda k: 0.5 if k == 8 else math.nan
        return search

    def test_begins_when_a_tenth_of_the_variance_is_explained(self, search):
        search.begin(2.0)
        assert search.tracker.begin == pytest.approx(1.8)

    @pytest.mark.parametrize(
        ("still", "share", "ready"),
        [
            (False, 0.09, False), (False, 0.29, False), (False, 0.3, True), (False, 0.6, True),
            (True, 0.3, False), (True, 0.49, False), (True, 0.5, True),
        ],
    )  # fmt: skip
    def test_waits_for_networks_that_learn_until_half_of_the_run(self, search, still, share, ready):
        search.learning.still = still
        assert search.ready(None, None, share) == ready

    def test_readings_count_from_a_tenth_of_the_run_on_with_those_that_are_left(self, search):
        for share in (0.05, 0.1, 0.25):
            search.ready(None, None, share)
        assert search.readings == [(0.5, pytest.approx(left), SLACK) for left in (90, 75)]

    def test_does_not_wait_again_once_it_has_begun(self, search):
        search.tracker.best = 0.4
        assert search.ready(None, None, 0.05)
        assert search.readings == []

    @pytest.mark.parametrize(
        ("best", "still", "settled", "doubt"),
        [
            (0.4, True, True, "too early"), (0.4, False, False, "cut short"),
            (0.4, False, True, None), (math.inf, True, False, "before any could be dropped"),
        ],
    )  # fmt: skip
    def test_its_doubts_are_reported(self, search, best, still, settled, doubt):
        search.learning.still = still
        search.tracker.best, search.tracker.settled = best, settled
        assert (search.doubt is None) if doubt is None else (doubt in search.doubt)
