"""What callbacks need of a training run: the model, the data, the training samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from latentrank import distributed
from latentrank.data import DataModule
from latentrank.models.base import LatentModel
from latentrank.nets import weight_of


def model_of(pl_module: LightningModule) -> LatentModel:
    """The model that a module trains."""
    return cast(LatentModel, pl_module.model)


def data_of(trainer: Trainer) -> DataModule:
    """The data being trained on."""
    return cast(DataModule, trainer.datamodule)  # type: ignore[attr-defined]


def training_samples(pl_module: LightningModule, limit: int | None = None) -> Iterator[Tensor]:
    """This process's share of the training set, or of `limit` samples evenly spaced over it.

    Args:
        pl_module: the training module.
        limit: total number of samples over all processes; None takes all.

    Yields:
        `(B, *input_shape)`, in the type and on the device of the model's parameters.
    """
    rank, size = distributed.world()
    like = weight_of(model_of(pl_module))
    for i, batch in enumerate(data_of(pl_module.trainer).train_batches(limit)):
        if i % size == rank:
            yield batch.x.to(like)


def is_last_epoch(trainer: Trainer) -> bool:
    """Whether the present epoch is the run's last; a callback may still end the run earlier."""
    return trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs


def total_steps(trainer: Trainer) -> int:
    """Steps of the whole run, unless it stops early."""
    steps: int | None = cast(Any, trainer.lightning_module).config.steps
    return steps or int(trainer.estimated_stepping_batches)
