"""Torch's state that the process shares, random and otherwise: used in turn, and then put back."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch

_turn = threading.RLock()


@contextmanager
def isolated(seed: int | None = None, cards: Sequence[int] = ()) -> Iterator[None]:
    """A context after which torch's generators continue as if nothing in it had drawn from them.

    Other threads that need such a context wait until this one ends: their draws, and their seeds,
    would otherwise mix. Tensors in it are made as in `on_cpu`: draws elsewhere ignore the seed.

    Args:
        seed: that of the generator on the CPU within the context; None leaves it as it is.
        cards: numbers of the GPUs whose generators are put back as well.

    Example:
        >>> with isolated(seed=0):
        ...     first = torch.rand(2)
        >>> with isolated(seed=0):
        ...     bool((torch.rand(2) == first).all())
        True
    """
    with _turn, torch.random.fork_rng(devices=cards), on_cpu():
        if seed is not None:
            # Not torch.manual_seed, which would also reseed every accelerator.
            torch.default_generator.manual_seed(seed)
        yield


@contextmanager
def on_cpu() -> Iterator[None]:
    """A context, or a decorator, in which tensors are made on the CPU unless their device is given.

    The user's default device (`torch.set_default_device`) is for the user's own tensors.
    """
    usual = torch.get_default_device().type == "cpu"
    with nullcontext() if usual else torch.device("cpu"):  # the latter slows torch's calls down
        yield
