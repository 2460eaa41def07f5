"""Rank search that shrinks: drops directions while the error recovers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from lightning.pytorch import Trainer

from latentrank.config import TrainConfig
from latentrank.methods.rank_target import RankTarget
from latentrank.models.base import LatentModel
from latentrank.training.rank_search.adjust import AdjustSearch
from latentrank.training.rank_search.base import BEGIN, BEGIN_AUTO, READINGS, WAIT
from latentrank.training.rank_search.trend import ErrorAt, Learning, Trend, restore, state

#: Share of the data's variance that must be explained before directions are dropped.
LEARNED = 0.1


@dataclass
class Shrinking:
    """Drops directions while the error recovers; restores the last one when it no longer does.

    The tracker of adaptive RRAE (Mounayer et al. 2024), with a different first step: directions
    whose removal does not increase the error at once are dropped together. After that, one is
    dropped at a time. The error has recovered when it is within `slack` of the best so far.

    Attributes:
        rank: present rank.
        patience: minimum number of readings for a trial.
        within: number of readings in which the error must be able to recover at its present pace.
        begin: error at which the search begins; before anything is learned, no direction is useful.
        closed: the search has ended.
        settled: it ended because one direction fewer was tried, and was too few.
        best: lowest error so far.

    Example:
        >>> tracker = Shrinking(rank=5)
        >>> for _ in range(30):  # two directions suffice, and training does not change that
        ...     rank = tracker.update(lambda k: 0.5 if k < 2 else 0.01, slack=0.1)
        >>> rank, tracker.settled
        (2, True)
    """

    rank: int
    patience: int = 10
    within: float = 20.0
    begin: float = math.inf
    closed: bool = False
    settled: bool = False
    best: float = math.inf
    waited: int = 0
    trend: Trend = field(default_factory=Trend)

    def update(self, error_at: ErrorAt, slack: float) -> int:
        """The rank for the next interval.

        Args:
            error_at: error of the present networks with codes truncated to a number of directions,
                at most `rank`.
            slack: accepted increase of the error, above 0.
        """
        if self.closed:
            return self.rank
        error = error_at(self.rank)
        if error > self.begin and math.isinf(self.best):
            return self.rank
        self.best = min(self.best, error)
        if error <= self.best + slack:
            self._give_up(error_at, self.best + slack / 2)
        else:
            self.waited += 1
            self.trend.update(math.log(error / (self.best + slack)))
            if self.waited >= self.patience and not self.trend.arrives(self.within):
                self._go_back()
        return self.rank

    def _give_up(self, error_at: ErrorAt, limit: float) -> None:
        """All directions that contribute almost nothing, or else one."""
        self.waited, self.trend = 0, Trend()
        if self.rank == 1:
            self.closed = self.settled = True
            return
        low, high = 1, self.rank
        while low < high:
            middle = (low + high) // 2
            if error_at(middle) <= limit:
                high = middle
            else:
                low = middle + 1
        self.rank = min(high, self.rank - 1)

    def _go_back(self) -> None:
        self.rank += 1
        self.closed = self.settled = True

    def stop(self, error_at: ErrorAt, slack: float) -> int:
        """The final rank: one more if the error has not recovered since the last step."""
        if not self.closed:
            if error_at(self.rank) > self.best + slack:
                self.rank += 1
            self.closed = True
        return self.rank


class ShrinkSearch(AdjustSearch):
    """Adjusts the rank by `Shrinking`, from the maximum down.

    Networks learn one direction after another, and until then one is as good as many: shrinking
    waits until the improvement expected at the present pace is at most twice the tolerance, or half
    of the run is over. In the second case the report marks the rank as unreliable.
    """

    def __init__(self, model: LatentModel, config: TrainConfig, target: RankTarget) -> None:
        super().__init__(model, config, target)
        self.tracker: Shrinking = Shrinking(target.most)
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
        self.learning.update(self.error(trainer, model), READINGS * (1 - share), self.slack)
        return share >= (WAIT if self.learning.still else BEGIN_AUTO)

    @property
    def doubt(self) -> str | None:
        """Also unreliable if directions were dropped too early."""
        if self.learning.still:
            return "directions were dropped too early, train for longer"
        return super().doubt

    def state_dict(self) -> dict[str, Any]:
        """The state of the tracker and of the learning trend."""
        return {**super().state_dict(), "learning": state(self.learning)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore from a checkpoint."""
        kept = dict(state_dict)
        restore(self.learning, kept.pop("learning"))
        super().load_state_dict(kept)
