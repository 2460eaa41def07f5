"""The base of the two searches that adjust the rank of a bottleneck, down or up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from lightning.pytorch import LightningModule, Trainer

from latentrank.formatting import counted
from latentrank.linalg import truncate_rank
from latentrank.models.base import LatentModel
from latentrank.training.context import data_of, model_of
from latentrank.training.rank_search.base import SETTLE, PeriodicSearch, agreed_error
from latentrank.training.rank_search.subset import Subset
from latentrank.training.rank_search.trend import ErrorAt, Trend


@dataclass(kw_only=True)
class RankTracker(ABC):
    """Chooses a rank after each measurement.

    Attributes:
        rank: present rank.
        patience: minimum number of readings for a trial.
        closed: the search has ended.
        settled: it ended because the rank is known.
        waited: readings since the last change.
        trend: of the logarithm of the error since then.
    """

    rank: int = 1
    patience: int = 10
    closed: bool = False
    settled: bool = False
    waited: int = 0
    trend: Trend = field(default_factory=Trend)

    def update(self, error_at: ErrorAt, slack: float) -> int:
        """The rank for the next interval.

        Args:
            error_at: error of the present networks with codes truncated to a number of directions,
                at most `rank`.
            slack: amount by which a direction must lower the error, above 0.
        """
        if not self.closed:
            self.read(error_at, slack)
        return self.rank

    @abstractmethod
    def read(self, error_at: ErrorAt, slack: float) -> None:
        """Change the rank, unless more readings are needed; see `update`."""

    def stop(self, error_at: ErrorAt, slack: float) -> int:
        """The final rank: by default, the present one."""
        self.closed = True
        return self.rank

    def _begin_trial(self, rank: int) -> None:
        self.rank, self.waited, self.trend = rank, 0, Trend()

    def _settle(self, rank: int) -> None:
        self.rank, self.closed, self.settled = rank, True, True


class AdjustSearch(PeriodicSearch):
    """Adjusts the rank of a bottleneck as its tracker decides.

    Errors are measured on training samples, never on the test split.

    Attributes:
        way: the direction of the search, for the report.
        slack: decrease of the error that justifies a direction.
    """

    needs: ClassVar[str] = (
        "a bottleneck whose rank can be changed during training (adjustable_rank)"
    )
    kept: ClassVar[tuple[str, ...]] = ("tracker",)
    way: str
    slack: float = 0.0
    tracker: RankTracker

    @classmethod
    def suits(cls, model: LatentModel) -> bool:
        """Whether the bottleneck's rank can be changed."""
        return model.bottleneck.adjustable_rank

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the samples to measure on; set the initial, or restored, rank."""
        data = data_of(trainer)
        self._subset = Subset(data.dataset.train, data.preprocessing)
        variance = self._subset.variance()
        # Constant data would lead to a division by zero.
        self.slack = max(self.target.tolerance * variance, 1e-12)
        self.begin(variance)
        model_of(pl_module).bottleneck.rank = self.tracker.rank

    def begin(self, variance: float) -> None:
        """Set whatever else depends on the data's variance."""

    def ready(self, trainer: Trainer, model: LatentModel, share: float) -> bool:
        """Whether the rank may be changed yet."""
        return True

    def read(self, trainer: Trainer, model: LatentModel, share: float) -> None:
        """Let the tracker choose the rank."""
        if not self.tracker.closed and self.ready(trainer, model, share):
            tracker = self.tracker
            self._decide(trainer, model, tracker.update if share < SETTLE else tracker.stop)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close a trial that is open because patience ended training early."""
        if not self.tracker.closed:
            self._decide(trainer, model_of(pl_module), self.tracker.stop)

    def _decide(
        self, trainer: Trainer, model: LatentModel, decision: Callable[[ErrorAt, float], int]
    ) -> None:
        model.bottleneck.rank = decision(self.error_at(trainer, model), self.slack)

    def error_at(self, trainer: Trainer, model: LatentModel) -> ErrorAt:
        """The error of the present networks as a function of the rank."""
        encodings = self._subset.encodings(model)

        def error_at(k: int) -> float:
            return agreed_error(trainer, self._subset.error(model, truncate_rank(encodings, k)))

        return error_at

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the rank as `directions`."""
        pl_module.log("directions", float(self.tracker.rank))

    @property
    def doubt(self) -> str | None:
        """Why the result is unreliable, or None."""
        return None if self.tracker.settled else "the search was cut short, train for longer"

    def report(self, model: LatentModel) -> dict[str, Any]:
        """`rank`; `reliable` if the search was completed."""
        rank, doubt = self.tracker.rank, self.doubt
        ending = "." if doubt is None else f"; {doubt}."
        return {
            "rank": rank,
            "reliable": doubt is None,
            "message": f"The rank was adapted {self.way}: {counted(rank, 'direction')}{ending}",
        }
