"""Rank search that grows: adds directions until a new one gains too little."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from latentrank.config import TrainConfig
from latentrank.methods.rank_target import RankTarget
from latentrank.models.base import LatentModel
from latentrank.training.rank_search.adjust import AdjustSearch
from latentrank.training.rank_search.trend import ErrorAt, Trend


@dataclass
class Growing:
    """Adds directions, from one, until a new one gains less than `slack`.

    The other tracker of adaptive RRAE (Mounayer et al. 2024). A direction is judged when the error
    has stopped falling; one that gained too little is removed again. Growth also ends when the
    error itself is below `slack`.

    Attributes:
        rank: present rank.
        most: maximum rank.
        patience: minimum number of readings for each rank.
        slow: decrease of the logarithm of the error per reading below which it counts as constant.
        closed: the search has ended.
        settled: it ended because a further direction gained, or could gain, too little.

    Example:
        >>> tracker = Growing(most=8)
        >>> for _ in range(60):
        ...     rank = tracker.update(lambda k: {1: 0.5, 2: 0.2}.get(k, 0.195), slack=0.01)
        >>> rank, tracker.settled
        (2, True)
    """

    most: int
    rank: int = 1
    patience: int = 10
    slow: float = 0.01
    closed: bool = False
    settled: bool = False
    before: float = math.inf
    lowest: float = math.inf
    waited: int = 0
    trend: Trend = field(default_factory=Trend)

    def update(self, error_at: ErrorAt, slack: float) -> int:
        """The rank for the next interval.

        Args:
            error_at: error of the present networks with codes truncated to a number of directions,
                at most `rank`.
            slack: decrease of the error that justifies a direction, above 0.
        """
        if self.closed:
            return self.rank
        error = error_at(self.rank)
        self.lowest = min(self.lowest, error)
        self.waited += 1
        self.trend.update(math.log(error))
        if self.lowest <= slack:
            self.closed = self.settled = True
        elif self.waited >= self.patience and self.trend.pace > -self.slow:
            self._judge(slack)
        return self.rank

    def _judge(self, slack: float) -> None:
        if self.before - self.lowest < slack:
            self.rank -= 1
            self.closed = self.settled = True
        elif self.rank == self.most:
            self.closed = True
        else:
            self.rank += 1
            self.before, self.lowest = self.lowest, math.inf
            self.waited, self.trend = 0, Trend()

    def stop(self, error_at: ErrorAt, slack: float) -> int:
        """The final rank: the present one."""
        self.closed = True
        return self.rank


class GrowSearch(AdjustSearch):
    """Adjusts the rank by `Growing`, from one direction up."""

    way = "up from 1"

    def __init__(self, model: LatentModel, config: TrainConfig, target: RankTarget) -> None:
        super().__init__(model, config, target)
        self.tracker: Growing = Growing(target.most)
