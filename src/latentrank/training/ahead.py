"""Several training steps within one of Lightning's, whose own work around each takes longer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, cast

from lightning.pytorch import Callback, Trainer

from latentrank.data import Batch

#: Seconds of steps until Lightning's hooks are called again.
_SECONDS = 0.05

_HOOKS = ("on_train_batch_start", "on_train_batch_end")


class SomeBatches(Callback):
    """A callback whose hooks for batches are needed a few times a second, not for every batch."""


def ahead(trainer: Trainer) -> Iterator[Batch]:
    """The epoch's next batches, on the device, for a twentieth of a second.

    They count as batches of the trainer's loop, which continues behind them: validation,
    checkpoints and the number of steps are as if it had fetched them itself.

    Args:
        trainer: in the middle of a training step.
    """
    fetcher, loop = cast(Any, trainer.fit_loop._data_fetcher), trainer.fit_loop.epoch_loop
    until = time.monotonic() + _SECONDS
    while not (fetcher.done or trainer.should_stop) and time.monotonic() < until:
        batch, _, _ = next(fetcher)
        batch = trainer.precision_plugin.convert_input(batch)
        batch = trainer.lightning_module._on_before_batch_transfer(batch, dataloader_idx=0)
        yield cast(Batch, trainer.strategy.batch_to_device(batch, dataloader_idx=0))
        loop.batch_progress.increment_by(1, is_last_batch=fetcher.done)
        loop._batches_that_stepped += 1


def may_go_ahead(trainer: Trainer) -> bool:
    """Whether neither the trainer nor a callback acts on a batch inside an epoch."""
    whole = trainer.max_steps == -1 and trainer.val_check_batch == trainer.num_training_batches
    return whole and not any(
        hook in vars(callback) or getattr(type(callback), hook) is not getattr(Callback, hook)
        for callback in trainer.callbacks  # type: ignore[attr-defined]
        if not isinstance(callback, SomeBatches)
        for hook in _HOOKS
    )
