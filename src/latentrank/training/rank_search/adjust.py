"""The base of the two searches that adjust the rank of a bottleneck, down or up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from lightning.pytorch import LightningModule, Trainer

from latentrank.config import TrainConfig
from latentrank.linalg import truncate_rank
from latentrank.methods.rank_target import RankTarget
from latentrank.models.base import LatentModel
from latentrank.training.context import data_of, model_of
from latentrank.training.rank_search.base import (
    SETTLE,
    PeriodicSearch,
    agreed_error,
    directions,
)
from latentrank.training.rank_search.subset import Subset
from latentrank.training.rank_search.trend import ErrorAt, restore, state


class RankTracker(Protocol):
    """Chooses a rank after each measurement."""

    rank: int
    closed: bool
    settled: bool

    def update(self, error_at: ErrorAt, slack: float) -> int:
        """The rank for the next interval."""

    def stop(self, error_at: ErrorAt, slack: float) -> int:
        """The final rank."""


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
    way: str
    tracker: RankTracker

    def __init__(self, model: LatentModel, config: TrainConfig, target: RankTarget) -> None:
        super().__init__(model, config, target)
        self.slack = 0.0

    @classmethod
    def suits(cls, model: LatentModel) -> bool:
        """Whether the bottleneck's rank can be changed."""
        return model.bottleneck.adjustable_rank

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the samples to measure on; set the initial, or restored, rank."""
        data = data_of(trainer)
        self._subset = Subset(data.dataset.train, data.preprocessing)
        variance = self._subset.variance()
        # Constant data would lead to a division by zero.
        self.slack = max(self.target.tolerance * variance, 1e-12)
        self.begin(variance)
        self._set(model_of(pl_module), self.tracker.rank)

    def begin(self, variance: float) -> None:
        """Set what else depends on the data's variance."""

    def ready(self, trainer: Trainer, model: LatentModel, share: float) -> bool:
        """Whether the rank may be changed yet."""
        return True

    def read(self, trainer: Trainer, model: LatentModel, share: float) -> None:
        """Let the tracker choose the rank."""
        if not self.tracker.closed and self.ready(trainer, model, share):
            tracker = self.tracker
            self._decide(trainer, model, tracker.update if share < SETTLE else tracker.stop)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close an open trial when training ends early, as patience allows."""
        if not self.tracker.closed:
            self._decide(trainer, model_of(pl_module), self.tracker.stop)

    def _decide(
        self, trainer: Trainer, model: LatentModel, decision: Callable[[ErrorAt, float], int]
    ) -> None:
        encodings = self._subset.encodings(model)

        def error_at(k: int) -> float:
            return agreed_error(trainer, self._subset.error(model, truncate_rank(encodings, k)))

        self._set(model, decision(error_at, self.slack))

    def error(self, trainer: Trainer, model: LatentModel) -> float:
        """Error of the present networks at the present rank."""
        codes = truncate_rank(self._subset.encodings(model), self.tracker.rank)
        return agreed_error(trainer, self._subset.error(model, codes))

    @staticmethod
    def _set(model: LatentModel, rank: int) -> None:
        model.bottleneck.rank = rank

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
            "message": f"The rank was adapted {self.way}: {directions(rank)}{ending}",
        }

    def state_dict(self) -> dict[str, Any]:
        """The tracker's state, for checkpoints."""
        return state(self.tracker)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore from a checkpoint."""
        restore(self.tracker, state_dict)
