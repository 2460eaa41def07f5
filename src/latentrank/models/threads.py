"""As many threads as help: small work on one, large work on all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

#: Floating point operations on a batch that make a further thread worth its while. Below, threads
#: wait for each other longer than they save, and much longer where another process has a core.
_OPERATIONS_A_THREAD = 2e9

#: Environment variables that set a number of threads.
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def threads(work: Callable[[], float], number: int | None = None) -> Iterator[int]:
    """Within this context torch computes on as many threads as help.

    An explicit number is never changed: one given here, by `torch.set_num_threads`, or in the
    environment. Otherwise the arithmetic of a batch decides, so that results repeat on the same
    machine, however busy it is.

    Args:
        work: counts the floating point operations on a batch; called only if they decide.
        number: of threads; None decides.

    Yields:
        The number of threads in use.
    """
    before = torch.get_num_threads()
    try:
        if number is None:
            number = before if before == 1 or _is_explicit(before) else 1
            torch.set_num_threads(number)  # counting is small work, too
            if number < before:
                number = min(before, 1 + int(work() / _OPERATIONS_A_THREAD))
        torch.set_num_threads(number)
        yield number
    finally:
        torch.set_num_threads(before)


def _is_explicit(number: int) -> bool:
    """Whether a number of threads is one that torch does not choose by itself."""
    if any(name in os.environ for name in _VARIABLES):
        return True
    cores = os.cpu_count() or 1
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    return number not in (cores, affinity, cores // 2, affinity // 2)
