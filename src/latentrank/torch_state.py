"""Torch's state that the process shares, random and otherwise: used in turn, and then put back."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

import torch

_turn = threading.RLock()
#: The devices on which torch may compute with fewer bits.
_AUTOCAST: Final = ("cpu", "cuda", "mps", "xpu")


@contextmanager
def isolated(seed: int | None = None, cards: Sequence[int] = ()) -> Iterator[None]:
    """A context after which torch's generators continue as if nothing in it had drawn from them.

    Other threads that need such a context wait until this one ends: their draws, and their seeds,
    would otherwise mix. It includes `own_defaults`: draws on another device ignore the seed.

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
    with _turn, torch.random.fork_rng(devices=cards), own_defaults():
        if seed is not None:
            # Not torch.manual_seed, which would also reseed every accelerator.
            torch.default_generator.manual_seed(seed)
        yield


@contextmanager
def own_defaults() -> Iterator[None]:
    """A context, or a decorator, in which torch's modes are the usual ones, not the user's own.

    Tensors are made on the CPU and in float32 unless their device or type is given
    (`torch.set_default_device`, `torch.set_default_dtype`), they can be learned from
    (`torch.inference_mode`), and are not rounded (`torch.autocast`). The last is more than a matter
    of precision: autocast computes with the copies of the weights that it made first until its
    outermost context ends, so training within one would never see a weight change.

    Example:
        >>> with torch.inference_mode(), own_defaults():
        ...     torch.ones(1).is_inference()
        False
    """
    with ExitStack() as modes:
        if torch.get_default_device().type != "cpu":  # a context for it slows torch's calls down
            modes.enter_context(torch.device("cpu"))
        if (dtype := torch.get_default_dtype()) != torch.float32:
            torch.set_default_dtype(torch.float32)
            modes.callback(torch.set_default_dtype, dtype)
        if torch.is_inference_mode_enabled():
            modes.enter_context(torch.inference_mode(False))
        for kind in _AUTOCAST:
            if torch.is_autocast_enabled(kind):
                modes.enter_context(torch.autocast(kind, enabled=False, cache_enabled=False))
        yield
