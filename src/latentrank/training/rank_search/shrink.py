"""Rank search that shrinks: drops directions while the error recovers."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

from lightning.pytorch import Trainer

from latentrank.config import TrainConfig
from latentrank.methods.rank_target import RankTarget
from latentrank.models.base import LatentModel
from latentrank.training.rank_search.adjust import AdjustSearch, RankTracker
from latentrank.training.rank_search.base import BEGIN, BEGIN_AUTO, READINGS, WAIT
from latentrank.training.rank_search.trend import ErrorAt, Learning

#: Share of the data's variance that must be explained before directions are dropped.
LEARNED = 0.1


@dataclass(kw_only=True)
class Shrinking(RankTracker):
    """Drops directions while the error recovers; restores the last one when it no longer does.

    The tracker of adaptive RRAE (Mounayer et al. 2024), with a different first step: directions
    whose removal does not increase the error at once are dropped together. After that, one is
    dropped at a time. The error has recovered when it is within `slack` of the best so far.

    Attributes:
        within: number of readings in which the error must be able to recover at its present pace.
        begin: error at which the search begins; before anything is learned, no direction is useful.
        best: lowest error so far.

    Example:
        >>> tracker = Shrinking(rank=5)
        >>> for _ in range(30):  # two directions suffice, and training does not change that
        ...     rank = tracker.update(lambda k: 0.5 if k < 2 else 0.01, slack=0.1)
        >>> rank, tracker.settled
        (2, True)
    """

    within: float = 20.0
    begin: float = math.inf
    best: float = math.inf

    def read(self, error_at: ErrorAt, slack: float) -> None:
        """Drop directions, wait, or restore the last one."""
        error = error_at(self.rank)
        if error > self.begin and math.isinf(self.best):
            return
        self.best = min(self.best, error)
        if error <= self.best + slack:
            self._give_up(error_at, self.best + slack / 2)
        else:
            self.waited += 1
            self.trend.update(math.log(error / (self.best + slack)))
            if self.waited >= self.patience and not self.trend.arrives(self.within):
                self._settle(self.rank + 1)

    def _give_up(self, error_at: ErrorAt, limit: float) -> None:
        """Drop all directions that contribute almost nothing, or else one."""
        if self.rank == 1:
            self._settle(1)
            return
        enough = 1 + bisect_left(range(1, self.rank), True, key=lambda k: error_at(k) <= limit)
        self._begin_trial(min(enough, self.rank - 1))

    def stop(self, error_at: ErrorAt, slack: float) -> int:
        """The final rank: one more if the error has not recovered since the last step."""
        if not self.closed and error_at(self.rank) > self.best + slack:
            self.rank += 1
        return super().stop(error_at, slack)


class ShrinkSearch(AdjustSearch):
    """Adjusts the rank by `Shrinking`, from the maximum down.

    Networks learn one direction after another, and before they have, one is as good as many.
    Shrinking therefore waits until the improvement expected at the present pace is at most twice
    the tolerance, or half of the run is over. In the second case the report marks the rank as
    unreliable.
    """

    kept = ("tracker", "learning")

    def __init__(self, model: LatentModel, config: TrainConfig, target: RankTarget) -> None:
        super().__init__(model, config, target)
        self.tracker: Shrinking = Shrinking(rank=target.most)
        self.learning = Learning()
        self.way = f"down from {target.most}"

    def begin(self, variance: float) -> None:
        """Set the error at which the search begins."""
        self.tracker.begin = (1 - LEARNED) * variance

    def ready(self, trainer: Trainer, model: LatentModel, share: float) -> bool:
        """Whether directions may be dropped: not while networks are still learning to use them."""
        if not math.isinf(self.tracker.best):
            return True  # the search has begun
        if share < BEGIN:
            return False
        error = self.error_at(trainer, model)(self.tracker.rank)
        self.learning.update(error, READINGS * (1 - share), self.slack)
        return share >= (WAIT if self.learning.still else BEGIN_AUTO)

    @property
    def doubt(self) -> str | None:
        """Also unreliable if directions were dropped too early, or the search never began."""
        if math.isinf(self.tracker.best):
            return "training ended before any could be dropped, train for longer"
        if self.learning.still:
            return "directions were dropped too early, train for longer"
        return super().doubt
