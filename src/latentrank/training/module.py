"""The training of any autoencoder here, as Lightning runs it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from latentrank import distributed
from latentrank.config import TrainConfig
from latentrank.data import Batch, DataModule
from latentrank.linalg import GramAccumulator, rank_of_spectrum
from latentrank.linalg.precision import to_float64
from latentrank.models.base import LatentModel

# Training samples from which a basis is found before each validation; after training it is
# found from all of them.
PROVISIONAL_SAMPLES = 4096


class TrainingModule(LightningModule):
    """Trains one autoencoder: its loss, its optimiser, and what is measured at validation.

    Logged are each loss term as `train/NAME`, and at validation `validation_error` (mean
    squared error over all numbers of all samples, by the deterministic path) and `rank`
    (covariance singular values of the validation codes above 1e-4 of the largest).

    Args:
        model: the autoencoder.
        config: how it is trained.
    """

    def __init__(self, model: LatentModel, config: TrainConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Noise depends on (seed, step) alone, so a resumed run draws what it would have drawn."""
        seed_step(self.config.seed, self.global_step)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch; every term is logged."""
        losses = self.model.losses(batch.x, batch.index)
        self.log_dict(
            {f"train/{name}": value.detach() for name, value in losses.items()},
            on_step=False,
            on_epoch=True,
            batch_size=len(batch.x),
        )
        return losses["loss"]

    def on_validation_epoch_start(self) -> None:
        """Find the basis anew from part of the training set, where the codes have moved."""
        self._gram = GramAccumulator(self.model.latent_dim)
        self._squared_error = torch.zeros(2, dtype=torch.float64)
        moved = any(parameter.requires_grad for parameter in self.model.encoder.parameters())
        if moved and not self.trainer.sanity_checking:
            self.model.bottleneck.finalize(
                self.model.encoder(x) for x in self.training_samples(PROVISIONAL_SAMPLES)
            )

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add up the squared error and the codes' covariance."""
        z = self.model.encode(batch.x)
        error = to_float64(self.model.decode(z) - batch.x).square()
        self._squared_error += torch.tensor([float(error.sum()), float(error.numel())])
        self._gram.update(z)

    def on_validation_epoch_end(self) -> None:
        """Log the error and the rank over all validation samples of all processes."""
        distributed.reduce_(self._squared_error)
        distributed.reduce_gram_(self._gram)
        error, count = self._squared_error.tolist()
        variances, _ = self._gram.principal()
        self.log("validation_error", error / count, rank_zero_only=False, sync_dist=False)
        self.log("rank", float(rank_of_spectrum(variances)), sync_dist=False)

    def on_fit_end(self) -> None:
        """Find what needs the whole training set, in float32, as the model is used from now on."""
        self.model.float()
        self.model.finalize(self.training_samples)

    def training_samples(self, limit: int | None = None) -> Iterator[Tensor]:
        """This process's share of the training set, or of `limit` samples spread evenly over it."""
        data: DataModule = self.trainer.datamodule  # type: ignore[attr-defined]
        rank, size = distributed.world()
        like = next(self.model.parameters())
        for i, batch in enumerate(data.train_batches(limit)):
            if i % size == rank:
                yield batch.x.to(like)

    def configure_optimizers(self) -> Any:
        """Adam, or AdamW with weight decay; some parameters learn at a multiple of the rate."""
        factors = self.model.bottleneck.learning_rate_factors()
        common = [p for p in self.model.parameters() if p not in factors]
        groups: list[dict[str, Any]] = [{"params": common}]
        groups += [
            {"params": [p], "lr": self.learning_rate * factor} for p, factor in factors.items()
        ]
        optimizer = self.adam(groups)
        if self.config.schedule == "constant":
            return optimizer
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.scheduler(optimizer), "interval": "step"},
        }

    @property
    def learning_rate(self) -> float:
        """At the start, as configured."""
        assert self.config.learning_rate is not None, "resolved at the start of fit"
        return self.config.learning_rate

    def adam(
        self, groups: Iterable[Any], betas: tuple[float, float] = (0.9, 0.999)
    ) -> torch.optim.Optimizer:
        """Adam, or AdamW with weight decay, at the learning rate of the run."""
        return torch.optim.AdamW(  # without decay, this is Adam
            groups,
            lr=self.learning_rate,
            betas=betas,
            weight_decay=self.config.weight_decay or 0.0,
            # one pass over the parameters instead of one for each operation
            fused=self.device.type in ("cpu", "cuda"),
        )

    def scheduler(self, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LambdaLR:
        """The course of the learning rate over the steps of the run."""
        steps = int(self.trainer.estimated_stepping_batches)
        return torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_factor(self.config.schedule, step / steps)
        )


def rate_factor(schedule: str, progress: float) -> float:
    """The learning rate as a fraction of its start.

    Args:
        schedule: `"cosine"` (to 0), `"steps"` (a tenth at 1/3, a hundredth at 2/3) or
            `"constant"`.
        progress: share of the steps done, 0 to 1.

    Example:
        >>> [rate_factor("steps", t) for t in (0.0, 0.4, 0.7)], rate_factor("cosine", 0.5)
        ([1.0, 0.1, 0.01], 0.5)
    """
    if schedule == "cosine":
        return round(0.5 * (1 + math.cos(math.pi * min(progress, 1.0))), 12)
    if schedule == "steps":
        return 10.0 ** -int(3 * min(progress, 0.999))
    return 1.0


def seed_step(seed: int, step: int) -> None:
    """Set torch's random state to one that depends on the seed and the step alone."""
    torch.manual_seed((seed * 1_000_003 + step) % 2**63)
