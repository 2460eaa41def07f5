"""The base of rank searches: when they measure, what they need of a model, what they report.

Every search that acts during training has the same goal for `rank=auto`: the fewest directions
whose error exceeds that of a wide code by at most `tolerance` of the data's variance.
"""

from __future__ import annotations

from typing import Any, ClassVar

from lightning.pytorch import LightningModule, Trainer

from latentrank.config import TrainConfig
from latentrank.methods.rank_target import RankTarget
from latentrank.models.base import LatentModel
from latentrank.training.context import model_of
from latentrank.training.state import KeptCallback

#: Number of measurements per run.
READINGS = 100

#: Share of a run before the first decision: the codes of untrained networks mean nothing, and
#: `auto` needs the error that many directions reach.
BEGIN = 0.1
BEGIN_AUTO = 0.3

#: Share of a run up to which `auto` waits for networks that are still learning.
WAIT = 0.5

#: Share of a run after which no direction is dropped: the rest needs time to converge.
SETTLE = 0.8

#: Trackers take logarithms of errors; an error of zero counts as this.
_LEAST_ERROR = 1e-30


class RankSearch(KeptCallback):
    """Finds a rank during training, and reports it.

    Subclasses declare what they need of a model; one without it is rejected before training.

    Attributes:
        needs: what `suits` checks, worded to complete "which needs ...".
    """

    needs: ClassVar[str] = "nothing"

    def __init__(self, model: LatentModel, config: TrainConfig, target: RankTarget) -> None:
        self.config = config
        self.target = target

    @classmethod
    def applies(cls, target: RankTarget) -> bool:
        """Whether there is anything to search for: by default, if the rank is `auto`."""
        return target.auto

    @classmethod
    def suits(cls, model: LatentModel) -> bool:
        """Whether the model has what the search needs."""
        return True

    def report(self, model: LatentModel) -> dict[str, Any]:
        """The result, as plain values for the metrics.

        It always contains `rank`, `reliable` (whether the search was completed) and `message`, a
        sentence on both.
        """
        raise NotImplementedError


class PeriodicSearch(RankSearch):
    """Measures the model a hundred times per run, and acts on the result."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure and act every hundredth of the run."""
        horizon = self.horizon(trainer)
        every = max(horizon // READINGS, 1)
        if trainer.global_step % every == 0 and trainer.global_step <= horizon:
            self.read(trainer, model_of(pl_module), trainer.global_step / horizon)

    def horizon(self, trainer: Trainer) -> int:
        """Steps of the run, excluding a second stage."""
        return self.config.steps or self.config.epochs * int(trainer.num_training_batches)

    def read(self, trainer: Trainer, model: LatentModel, share: float) -> None:
        """Measure and act.

        Args:
            trainer: the trainer.
            model: the model being trained.
            share: completed share of the run, 0 to 1.
        """
        raise NotImplementedError


def agreed(trainer: Trainer, value: float) -> float:
    """The first process's value, so that rounding cannot lead processes to different ranks."""
    return float(trainer.strategy.broadcast(value))


def agreed_error(trainer: Trainer, value: float) -> float:
    """The first process's error, above 0 so that it has a logarithm."""
    return max(agreed(trainer, value), _LEAST_ERROR)
