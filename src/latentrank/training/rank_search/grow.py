"""Rank search that grows: adds directions until a new one gains too little."""

from __future__ import annotations

import math
from dataclasses import dataclass

from latentrank.config import TrainConfig
from latentrank.methods.rank_target import RankTarget
from latentrank.models.base import LatentModel
from latentrank.training.rank_search.adjust import AdjustSearch, RankTracker
from latentrank.training.rank_search.trend import ErrorAt


@dataclass(kw_only=True)
class Growing(RankTracker):
    """Adds directions, from one, until a new one gains less than `slack`.

    The other tracker of adaptive RRAE (Mounayer et al. 2024). A direction is judged when the error
    has stopped falling; one that gained too little is removed again. Growth also ends when the
    error itself is below `slack`.

    Attributes:
        most: maximum rank.
        slow: decrease of the logarithm of the error per reading below which it counts as constant.

    Example:
        >>> tracker = Growing(most=8)
        >>> for _ in range(60):
        ...     rank = tracker.update(lambda k: {1: 0.5, 2: 0.2}.get(k, 0.195), slack=0.01)
        >>> rank, tracker.settled
        (2, True)
    """

    most: int
    slow: float = 0.01
    before: float = math.inf
    lowest: float = math.inf

    def read(self, error_at: ErrorAt, slack: float) -> None:
        """Judge the last direction if the error has stopped falling."""
        error = error_at(self.rank)
        self.lowest = min(self.lowest, error)
        self.waited += 1
        self.trend.update(math.log(error))
        if self.lowest <= slack:
            self._settle(self.rank)
        elif self.waited >= self.patience and self.trend.pace > -self.slow:
            self._judge(slack)

    def _judge(self, slack: float) -> None:
        if self.before - self.lowest < slack:
            self._settle(self.rank - 1)
        elif self.rank == self.most:
            self.closed = True
        else:
            self._begin_trial(self.rank + 1)
            self.before, self.lowest = self.lowest, math.inf


class GrowSearch(AdjustSearch):
    """Adjusts the rank by `Growing`, from one direction up."""

    way = "up from 1"

    def __init__(self, model: LatentModel, config: TrainConfig, target: RankTarget) -> None:
        super().__init__(model, config, target)
        self.tracker: Growing = Growing(most=target.most)
