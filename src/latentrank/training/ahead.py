"""Several training steps within one of Lightning's, whose overhead exceeds a small step."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, cast

from lightning.pytorch import Callback, LightningModule, Trainer

from latentrank.data import Batch

#: Seconds after which control returns to Lightning and its hooks.
_SECONDS = 0.05

_HOOKS = ("on_train_batch_start", "on_train_batch_end")


class SomeBatches(Callback):
    """A callback whose batch hooks need to run only a few times a second, not for every batch."""


def ahead(trainer: Trainer) -> Iterator[Batch]:
    """The epoch's next batches, on the device, until a twentieth of a second has passed.

    They count as batches of the trainer's loop, which continues after them: validation,
    checkpoints and the number of steps are as if the loop had fetched them itself.

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
    """Whether nothing has to act on each batch: no hook, step limit or mid-epoch validation."""
    whole = trainer.max_steps == -1 and trainer.val_check_batch == trainer.num_training_batches
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    each = [callback for callback in callbacks if not isinstance(callback, SomeBatches)]
    return whole and not are_hooked([trainer.lightning_module, *each], _HOOKS)


def are_hooked(parts: Iterable[LightningModule | Callback], hooks: Iterable[str]) -> bool:
    """Whether a module or a callback overrides one of these hooks.

    Args:
        parts: modules and callbacks.
        hooks: names of hooks that both have.

    Example:
        >>> from lightning.pytorch.callbacks import LambdaCallback
        >>> noisy = LambdaCallback(on_train_batch_end=print)
        >>> [are_hooked([part], ["on_train_batch_end"]) for part in (Callback(), noisy)]
        [False, True]
    """
    return any(
        hook in vars(part)
        or getattr(type(part), hook)
        is not getattr(Callback if isinstance(part, Callback) else LightningModule, hook)
        for part in parts
        for hook in hooks
    )
