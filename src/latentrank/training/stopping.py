"""Early stopping, and which weights are kept."""

from __future__ import annotations

import math
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim.lr_scheduler import MultiStepLR

from latentrank.distributed import is_first_process
from latentrank.errors import NotFiniteError
from latentrank.serialization import save
from latentrank.training.context import model_of, total_steps
from latentrank.training.module import TrainingModule
from latentrank.training.optimizers import advance
from latentrank.training.state import KeptCallback
from latentrank.training.terms import DivergenceError


def _error(trainer: Trainer) -> float:
    """The latest validation error; NaN if there is none."""
    return float(trainer.callback_metrics.get("validation_error", math.nan))


class Patience(KeptCallback):
    """Stops training when the validation error no longer falls.

    With the schedule `multistep`, patience applies to each learning rate: when the error stagnates,
    the next rate begins, and at the last one training stops. Each rate lasts at most a third of the
    run's steps.

    Args:
        patience: number of validations to wait for a lower error.
        length: unit and number of the run's length; a run that patience ended does not continue if
            it is resumed, unless it is made longer.
    """

    kept = ("best", "waited", "ended")

    def __init__(self, patience: int, length: tuple[str, int]) -> None:
        self.patience = patience
        self.length = length
        self.best = math.inf
        self.waited = 0
        self.ended: tuple[int, str, int] | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop a resumed run that patience had already ended."""
        if self.ended == (self.patience, *self.length):
            trainer.should_stop = True

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare the error with the best, and continue or stop."""
        error = _error(trainer)
        if error < self.best:
            self.best, self.waited = error, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.waited = 0
            if not self._next_rate(trainer):
                self._end(trainer)

    def _end(self, trainer: Trainer) -> None:
        trainer.should_stop = True
        self.ended = (self.patience, *self.length)

    def _next_rate(self, trainer: Trainer) -> bool:
        schedules = [config.scheduler for config in trainer.lr_scheduler_configs]
        moved = [advance(one) for one in schedules if isinstance(one, MultiStepLR)]
        return any(moved)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop when the schedule ends before the steps of the run do."""
        done = [config.scheduler.last_epoch for config in trainer.lr_scheduler_configs]
        if done and min(done) >= total_steps(trainer):
            self._end(trainer)


class BestWeights(KeptCallback):
    """Keeps the weights with the lowest validation error, and restores them at the end.

    They are stored in the checkpoint along with the latest weights.

    Attributes:
        error: lowest validation error so far.
        epoch: the epoch after which it was measured, at least 1.
        weights: the weights after that epoch.
    """

    kept = ("error", "epoch", "weights")

    def __init__(self) -> None:
        self.error = math.inf
        self.epoch = 0
        self.weights: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the weights if they are the best so far."""
        error = _error(trainer)
        if error < self.error:
            self.error, self.epoch = error, trainer.current_epoch + 1
            self.weights = weights_of(pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the best weights into the model, even if nothing was left to train."""
        if self.weights:
            model_of(pl_module).load_state_dict(self.weights)


class FiniteWeights(Callback):
    """Keeps the weights of the last validation, to restore them if training diverges.

    Attributes:
        epoch: the epoch after which they were kept, from 1; 0 is the start.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self._weights: dict[str, Tensor] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the initial weights."""
        self.epoch, self._weights = trainer.current_epoch, weights_of(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the validated weights."""
        self.epoch, self._weights = trainer.current_epoch + 1, weights_of(pl_module)

    def explain(self, module: TrainingModule, folder: Path | None, error: Exception) -> None:
        """If training diverged, restore the weights, write them to the run's folder, and raise.

        Args:
            module: the training module.
            folder: the run's folder, if it has one.
            error: the error that ended training.

        Raises:
            DivergenceError: the loss, the weights or the codes are not finite; otherwise nothing
                happens.
        """
        found = error if isinstance(error, DivergenceError) else _divergence(module, error)
        if found is None or not self._weights:
            return
        model = module.model.float()
        model.load_state_dict(self._weights)
        where = ""
        if folder is not None and self.epoch and is_first_process():
            where = f" in {save(model, folder)}"
        kept = f"the weights of epoch {self.epoch} are kept{where}"
        raise DivergenceError(
            f"{str(found).rstrip('.')}: training diverged at the learning rate "
            f"{module.learning_rate:g}; give a lower one"
            f" ({kept if self.epoch else 'no epoch was finished before'})."
        ) from error


def _divergence(module: TrainingModule, error: Exception) -> DivergenceError | None:
    """The divergence that caused another error, if any."""
    try:
        module.check_finite()
    except DivergenceError as diverged:
        return diverged
    if isinstance(error, NotFiniteError):  # large weights, and codes that overflow
        return DivergenceError(f"The codes were no longer finite after step {module.global_step}.")
    return None


def weights_of(pl_module: LightningModule) -> dict[str, Tensor]:
    """A copy of a model's weights and buffers, on their device."""
    return {name: tensor.clone() for name, tensor in model_of(pl_module).state_dict().items()}
