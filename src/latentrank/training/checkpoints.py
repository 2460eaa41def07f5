"""Checkpoints at the end of epochs, limited by their cost, and their files."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any, cast

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from latentrank.io import atomic_write
from latentrank.training.ahead import SomeBatches
from latentrank.training.context import is_last_epoch
from latentrank.training.module import TrainingModule

#: Minimum time between two checkpoints, as a multiple of the time to write one.
_SPACING = 30.0


class CheckpointFiles(TorchCheckpointIO):
    """Writes checkpoints atomically: an interrupted write leaves the previous one intact.

    Lightning writes to the system's temporary folder first; if that is on another disk, the file
    is copied, not renamed.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            InputError: it cannot be written.
        """
        buffer = io.BytesIO()  # torch's own writer hides why it failed
        torch.save(checkpoint, buffer)
        with atomic_write(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())


class Checkpoint(ModelCheckpoint, SomeBatches):
    """Writes `last.ckpt` at the end of epochs, and always at the end of the last.

    With only a few steps per epoch, writing a checkpoint after each would take longer than
    training, so the next one waits for thirty times as long as the previous one took to write.
    """

    def __init__(self, folder: Path) -> None:
        # By default Lightning writes it after a validation, before the history has its row.
        super().__init__(folder, "last", enable_version_counter=False, save_on_train_epoch_end=True)
        self._due = 0.0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write a checkpoint if it is due; the first process decides for all.

        Raises:
            DivergenceError: the weights are not finite; the last checkpoint stays.
        """
        start = time.monotonic()
        if trainer.strategy.broadcast(is_last_epoch(trainer) or start >= self._due):
            cast(TrainingModule, pl_module).check_finite()
            super().on_train_epoch_end(trainer, pl_module)
            end = time.monotonic()
            self._due = end + _SPACING * (end - start)
