"""Decisions to add directions, against networks that are formulas."""

import pytest

from latentrank.training.rank_search.grow import Growing
from tests.training.rank_search.networks import SLACK, Networks


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

    @pytest.mark.parametrize("patience", [2, 10])
    def test_a_direction_is_judged_after_as_many_readings_as_patience_says(self, patience):
        tracker = Growing(most=8, patience=patience)
        ranks = [tracker.update(lambda k: 1.0 / k, SLACK) for _ in range(2 * patience)]
        assert ranks == [1] * (patience - 1) + [2] * patience + [3]
