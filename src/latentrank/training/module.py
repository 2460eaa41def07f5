"""The Lightning module that trains an autoencoder."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from latentrank import distributed
from latentrank.config import TrainConfig
from latentrank.data import Batch
from latentrank.errors import InputError
from latentrank.linalg import GramAccumulator, rank_of_spectrum
from latentrank.linalg.precision import to_float64
from latentrank.models.base import LatentModel
from latentrank.training.ahead import ahead, are_hooked, may_go_ahead
from latentrank.training.context import total_steps, training_samples
from latentrank.training.graph import Record, StepGraph, can_be_captured
from latentrank.training.optimizers import (
    can_be_fused,
    create,
    fit_length,
    gradient_step,
    schedule,
)
from latentrank.training.rank_search import search_for
from latentrank.training.second_stage import second_stage_of
from latentrank.training.terms import DivergenceError, TermLog, finite

# Training samples used to compute a basis before each validation; after training, all are used.
PROVISIONAL_SAMPLES = 4096


class TrainingModule(LightningModule):
    """Trains one autoencoder: loss, optimiser and validation metrics.

    Logs the mean of each loss term over an epoch as `train/NAME`, and at validation
    `validation_error` (mean squared error over all numbers of all samples, by the deterministic
    path) and `rank` (number of covariance singular values of the validation codes above 1e-4 of
    the largest).

    Attributes:
        terms: accumulates the loss terms.
        begun: whether training, or the rest of a resumed one, has begun; set before any callback.
        search: searches for the model's rank, if requested.
        second_stage: trains the decoder alone at the end, if requested.

    Raises:
        InputError: the model lacks what its rank search needs, or the options of a second stage
            conflict with the configuration.
    """

    def __init__(self, model: LatentModel, config: TrainConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config = config.resolved(model.spec.method)
        self.terms = TermLog()
        self.begun = False
        self.automatic_optimization = False
        self.search = search_for(model, config)
        self.second_stage = second_stage_of(model, config)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store which data the weights were trained on."""
        checkpoint["data_fingerprint"] = self.model.spec.data_fingerprint

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to resume with other data.

        Raises:
            InputError: the content of the data has changed.
        """
        if checkpoint.get("data_fingerprint") != self.model.spec.data_fingerprint:
            raise InputError(
                "The content of the data has changed since training began; restore the data, "
                "or train a new run."
            )

    def configure_callbacks(self) -> list[Callback]:
        """Callbacks of the method: its rank search and its second stage."""
        return [part for part in (self.search, self.second_stage) if part is not None]

    def on_train_start(self) -> None:
        """Check whether steps can bypass the trainer; adapt the schedules of a resumed run."""
        for config in self.trainer.lr_scheduler_configs:
            fit_length(config.scheduler, total_steps(self.trainer))
        self._lean = _may_be_lean(self.trainer)
        self.graph = self._graph()
        self._ahead = self._lean and may_go_ahead(self.trainer)
        self._stop_after_last(self.global_step)

    def on_train_epoch_start(self) -> None:
        """Count steps here as well: asking the trainer is slow relative to a small step."""
        self._steps_done = self.global_step

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Train on this batch and, unless a hook needs every batch, on those that follow.

        The optimiser is called here rather than by the trainer, whose overhead exceeds the step
        of a small network.
        """
        loss = self.take_step(batch)
        if self._ahead:
            for following in ahead(self.trainer):
                loss = self.take_step(following)
        # A captured step overwrites its loss, which a callback may keep.
        return None if loss is None else loss.clone()

    def take_step(self, batch: Batch) -> Tensor | None:
        """One step of the optimiser; the terms are accumulated and logged at the epoch's end.

        Returns:
            The loss, if there is only one.
        """
        self.seed_step()
        optimizer = cast(LightningOptimizer, self.optimizers())
        if self.graph is not None and len(batch.x) == self.config.batch_size:
            optimizer._on_before_step()
            losses = self.graph(batch.x, batch.index)
            optimizer._on_after_step()
            self.count_step(losses, batch)
        else:
            losses = self.model.losses(batch.x, batch.index)
            self.count_step(losses, batch)
            self.descend(losses["loss"], optimizer)
        self.step_schedules()
        return losses["loss"].detach()

    def _graph(self) -> StepGraph | None:
        """The graph of steps, on a GPU, if every step does the same to its tensors."""
        changes = self.search is not None or self.second_stage is not None
        if self.device.type != "cuda" or not self._lean or changes:
            return None
        optimizer = cast(LightningOptimizer, self.optimizers()).optimizer
        return self.graph_of_steps(optimizer) if can_be_captured(self.model, optimizer) else None

    def graph_of_steps(self, optimizer: Optimizer, record: Record | None = None) -> StepGraph:
        """Ordinary steps, to be captured.

        Args:
            optimizer: the run's.
            record: see `StepGraph`.
        """
        parameters, modules = list(self.model.parameters()), list(self.model.modules())

        def step(x: Tensor, index: Tensor) -> dict[str, Tensor]:
            losses = self.model.losses(x, index)
            gradient_step(losses["loss"], optimizer)
            return losses

        def settings() -> Hashable:
            return (
                *(
                    value
                    for group in optimizer.param_groups
                    for name, value in group.items()
                    if name != "params"
                ),
                *self.model.term_weights.values(),
                *(parameter.requires_grad for parameter in parameters),
                *(module.training for module in modules),
                # A callback may replace weights, or reset the optimiser.
                *(parameter.data_ptr() for parameter in parameters),
                *(id(state) for state in optimizer.state.values()),
            )

        return StepGraph(step, settings, optimizer, record)

    def count_step(self, terms: dict[str, Tensor], batch: Batch) -> None:
        """Add a step's loss terms to those of the epoch, and end the run after its last step."""
        self.terms.add(terms, distributed.batch_rows(batch.x), self._steps_done)
        self._steps_done += 1
        self._stop_after_last(self._steps_done)

    def _stop_after_last(self, done: int) -> None:
        if self.config.steps is not None and done >= self.config.steps:
            self.trainer.should_stop = True

    def descend(self, loss: Tensor, optimizer: LightningOptimizer) -> None:
        """Take one optimiser step on a loss, counted as a step of the run."""
        if self._lean:
            optimizer._on_before_step()
            gradient_step(loss, optimizer.optimizer)
            optimizer._on_after_step()
        else:
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()

    def seed_step(self) -> None:
        """Noise depends on (seed, step) alone, so resuming a run does not change it."""
        seed_step(self.config.seed, self._steps_done, self.device)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_current_fx_name":
            # Lightning sets an attribute for each hook it calls, about twenty per step, and setting
            # an attribute on a module is slow.
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def step_schedules(self) -> None:
        """Advance the learning rate schedules by one step."""
        for config in self.trainer.lr_scheduler_configs:
            scheduler: LRScheduler = config.scheduler
            scheduler.step()

    def log_terms(self) -> None:
        """Log the means of the terms over the epoch so far as `train/NAME`."""
        for name, value in self.terms.means().items():
            self.log(f"train/{name}", value)

    def on_validation_epoch_start(self) -> None:
        """Recompute the basis from part of the training set, unless the second stage keeps it."""
        self.check_finite()
        self._gram = GramAccumulator(self.model.latent_dim)
        self._squared_error = torch.zeros(2, dtype=torch.float64)
        kept = self.second_stage is not None and self.second_stage.begun
        if not (kept or self.trainer.sanity_checking):
            self.model.finalize_bottleneck(
                self.model.encoder(x) for x in training_samples(self, PROVISIONAL_SAMPLES)
            )

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Accumulate the squared error and the codes' covariance."""
        z = self.model.encode(batch.x)
        error = to_float64(self.model.decode(z) - batch.x).square()
        # Of float64 whatever the default, which is another inside a step in other precisions.
        found = [float(error.sum()), error.numel()]
        self._squared_error += torch.tensor(found, dtype=torch.float64)
        self._gram.update(z)

    def on_validation_epoch_end(self) -> None:
        """Log the error and the rank over all validation samples of all processes."""
        distributed.reduce_(self._squared_error)
        distributed.reduce_gram_(self._gram)
        error, count = self._squared_error.tolist()
        # The model keeps the statistics of its codes in float32.
        if not finite(part.float() for part in (self._squared_error, *self._gram.tensors)):
            raise DivergenceError(
                f"The validation error or the codes were too large for float32 after step "
                f"{self.global_step}."
            )
        self.log("validation_error", error / count)
        self.log("rank", float(rank_of_spectrum(self._gram.variances())))

    def check_finite(self) -> None:
        """Stop at a loss or weights that are not finite.

        Raises:
            DivergenceError: one of them is not.
        """
        self.terms.read()
        if not finite(self.model.parameters()):
            raise DivergenceError(
                f"The weights were no longer finite after step {self.global_step}."
            )

    def on_fit_end(self) -> None:
        """Finalize the model on the training set, in float32, as it is used from now on."""
        self.model.float()
        self.model.finalize(lambda: training_samples(self))

    def configure_optimizers(self) -> Any:
        """The optimiser of the run; some parameters use a multiple of the common learning rate."""
        factors = self.model.bottleneck.learning_rate_factors()
        common = [p for p in self.model.parameters() if p not in factors]
        groups: list[dict[str, Any]] = [{"params": common}]
        groups += [
            {"params": [p], "lr": self.learning_rate * factor} for p, factor in factors.items()
        ]
        return self.with_schedules([self.optimizer(groups)])

    def with_schedules(self, optimizers: list[Optimizer]) -> Any:
        """Optimisers with the schedule of the run, in Lightning's format."""
        name = self.config.schedule
        if name == "constant":
            return optimizers
        steps = total_steps(self.trainer)
        return optimizers, [schedule(name, optimizer, steps) for optimizer in optimizers]

    @property
    def learning_rate(self) -> float:
        """The initial learning rate."""
        assert self.config.learning_rate is not None, "resolved at the start of fit"
        return self.config.learning_rate

    def optimizer(
        self, groups: Iterable[Any], betas: tuple[float, float] | None = None
    ) -> Optimizer:
        """The optimiser of the run at its learning rate."""
        fused = can_be_fused(self.model.parameters())
        name, decay = self.config.optimizer, self.config.weight_decay or 0.0
        return create(name, groups, self.learning_rate, decay, betas, fused)


#: Hooks of Lightning's that run inside a step.
_INSIDE = ("on_before_backward", "on_after_backward", "on_before_optimizer_step")


def _may_be_lean(trainer: Trainer) -> bool:
    """Whether a step does not need the trainer: one device, no loss scaling, no hook inside it."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    hooked = are_hooked([trainer.lightning_module, *callbacks], _INSIDE)
    scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
    return type(trainer.strategy) is SingleDeviceStrategy and not (hooked or scaled)


def seed_step(seed: int, step: int, device: torch.device) -> None:
    """Seed the generators of a device and of the CPU from the run's seed and the step alone."""
    state = (seed * 1_000_003 + step) % 2**63
    if device.type not in ("cpu", "cuda"):
        torch.manual_seed(state)
        return
    # torch.manual_seed also seeds unused devices, which takes longer than a step of a small
    # network. The CPU's generator is seeded in any case, since a user's network may draw from it.
    torch.default_generator.manual_seed(state)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(state)
