"""Checkpoints at the end of epochs, limited by their cost."""

from __future__ import annotations

import time
from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

#: Minimum time between two checkpoints, as a multiple of the time to write one.
_SPACING = 30.0


class Checkpoint(ModelCheckpoint):
    """Writes `last.ckpt` at the end of epochs, and always at the end of the last.

    With only a few steps per epoch, writing a checkpoint after each would take longer than
    training: one is written only after thirty times as long as the previous one took to write.

    Args:
        folder: where to write it.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "last", enable_version_counter=False)
        self._due = 0.0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it if it is due; the first process decides for all."""
        start = time.monotonic()
        if trainer.strategy.broadcast(_is_last_epoch(trainer) or start >= self._due):
            super().on_train_epoch_end(trainer, pl_module)
            end = time.monotonic()
            self._due = end + _SPACING * (end - start)


def _is_last_epoch(trainer: Trainer) -> bool:
    return (
        trainer.should_stop
        or trainer.current_epoch + 1 == trainer.max_epochs
        or trainer.global_step == trainer.max_steps
    )
