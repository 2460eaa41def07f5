"""What rank searches share: when they measure, what they need of a model, what they report.

What `rank=auto` looks for is the same in every search that acts: the fewest directions that leave
at most `tolerance` of the data's variance more unexplained than many directions do.
"""

from __future__ import annotations

from typing import Any, ClassVar

from lightning.pytorch import Callback, LightningModule, Trainer

from latentrank.config import TrainConfig
from latentrank.methods.rank_target import RankTarget
from latentrank.models.base import LatentModel
from latentrank.training.context import model_of

#: How often a run is measured.
READINGS = 100

#: Share of a run before which nothing is decided: the codes of untrained networks mean nothing,
#: and `auto` needs to know which error many directions reach.
BEGIN = 0.1
BEGIN_AUTO = 0.3

#: Share of a run up to which `auto` waits for networks that still learn.
WAIT = 0.5

#: Share of a run after which no direction is dropped any more: what is kept needs its time.
SETTLE = 0.8

#: Errors are logarithms in the trackers; one of zero counts as this.
_LEAST_ERROR = 1e-30


class RankSearch(Callback):
    """Finds a rank while a model is trained, and reports it.

    Subclasses say what they need of a model, and are refused one without it before training.

    Args:
        model: which is trained.
        config: how.
        target: what is asked of its rank.

    Attributes:
        needs: what `suits` looks for, in words that complete "which needs ...".
    """

    needs: ClassVar[str] = "nothing"

    def __init__(self, model: LatentModel, config: TrainConfig, target: RankTarget) -> None:
        self.config = config
        self.target = target

    @classmethod
    def wanted(cls, target: RankTarget) -> bool:
        """Whether there is anything to find: by default, where the rank is `auto`."""
        return target.auto

    @classmethod
    def suits(cls, model: LatentModel) -> bool:
        """Whether the model has what the search needs."""
        return True

    def report(self, model: LatentModel) -> dict[str, Any]:
        """The result, as plain values for the metrics.

        `rank` is always among them, with `reliable`, whether the search came to its proper end,
        and `message`, a sentence on both.

        Args:
            model: after training.
        """
        raise NotImplementedError


class PeriodicSearch(RankSearch):
    """Measures the model a hundred times over the length of a run, and acts on it."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Every hundredth part of the run, measure and act."""
        horizon = self.horizon(trainer)
        every = max(horizon // READINGS, 1)
        if trainer.global_step % every == 0 and trainer.global_step <= horizon:
            self.read(trainer, model_of(pl_module), trainer.global_step / horizon)

    def horizon(self, trainer: Trainer) -> int:
        """Steps of the run, without those of a second stage."""
        return self.config.steps or self.config.epochs * int(trainer.num_training_batches)

    def read(self, trainer: Trainer, model: LatentModel, share: float) -> None:
        """Measure and act.

        Args:
            trainer: which runs the training.
            model: which is trained.
            share: of the run that is over, 0 to 1.
        """
        raise NotImplementedError


def agreed(trainer: Trainer, value: float) -> float:
    """The first process's value: rounding must not lead processes to different ranks."""
    return float(trainer.strategy.broadcast(value))


def agreed_error(trainer: Trainer, value: float) -> float:
    """The first process's error, above 0 so that it has a logarithm."""
    return max(agreed(trainer, value), _LEAST_ERROR)


def directions(count: int) -> str:
    """A number of directions in words.

    Example:
        >>> directions(1), directions(3)
        ('1 direction', '3 directions')
    """
    return f"{count} direction" + ("" if count == 1 else "s")
