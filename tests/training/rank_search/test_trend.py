"""Trends, and the state of trackers."""

import json
import math
from dataclasses import asdict

import pytest

from latentrank.training.rank_search.grow import Growing
from latentrank.training.rank_search.penalty import Steering
from latentrank.training.rank_search.shrink import Shrinking
from latentrank.training.rank_search.trend import Learning, Trend
from latentrank.training.state import restore
from tests.training.rank_search.networks import SLACK


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


class TestLearning:
    @pytest.mark.parametrize("left", [3, 40])
    @pytest.mark.parametrize(("share", "still"), [(0.95, True), (1.05, False)])
    def test_lasts_while_a_steady_fall_would_gain_twice_the_slack(self, left, share, still):
        """An error that falls by 2 % per reading is its 0.98 to the power of `left` in the end."""
        learning = Learning()
        slack = share * (0.98**100 - 0.98 ** (100 + left)) / 2
        for reading in range(101):
            learning.update(0.98**reading, left, slack)
        assert learning.still == still

    def test_is_over_where_the_error_rises_or_was_never_measured(self):
        learning = Learning()
        assert not learning.still
        for reading in range(10):
            learning.update(math.exp(2 * reading), 1000, 1e-12)
        assert not learning.still


@pytest.mark.parametrize(
    ("tracker", "fresh"),
    [
        (Shrinking(rank=3), Shrinking(rank=9)),
        (Growing(most=3), Growing(most=9)),
        (Steering(0.1), Steering(1.0)),
    ],
    ids=str,
)
def test_a_tracker_is_restored_from_plain_numbers(tracker, fresh):
    def decide(one):
        return one.update(-0.3) if isinstance(one, Steering) else one.update(lambda k: 0.5, SLACK)

    for _ in range(5):
        decide(tracker)
    restore(fresh, json.loads(json.dumps(asdict(tracker))))
    assert repr(fresh) == repr(tracker)  # a pace that is not known yet is no number
    assert decide(fresh) == decide(tracker)
