"""Torch's random state, which the whole process shares: used in turn, and then put back."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

_turn = threading.RLock()


@contextmanager
def isolated(seed: int | None = None, cards: Sequence[int] = ()) -> Iterator[None]:
    """A context after which torch's generators continue as if nothing in it had drawn from them.

    Other threads that need such a context wait until this one ends: their draws, and their seeds,
    would otherwise mix.

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
    with _turn, torch.random.fork_rng(devices=cards):
        if seed is not None:
            # Not torch.manual_seed, which would also reseed every accelerator.
            torch.default_generator.manual_seed(seed)
        yield
