"""Threads of the factorisations that scipy's LAPACK does."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager

import scipy.linalg
import torch
from threadpoolctl import ThreadpoolController

#: Up to this size a factorisation runs on one thread: a second one gains little, and waits for as
#: long as another process has its core.
LARGEST_ON_ONE_THREAD = 512


@functools.cache
def _blas() -> ThreadpoolController:
    scipy.linalg.get_lapack_funcs("gesdd")  # a library is found only once it is loaded
    return ThreadpoolController().select(user_api="blas")


def threads(size: int) -> AbstractContextManager[object]:
    """A block in which a factorisation of a matrix of this size takes no more threads than help.

    Args:
        size: the smaller side of the matrix.

    Example:
        >>> with threads(100):
        ...     float(scipy.linalg.cholesky([[4.0]])[0, 0])
        2.0
    """
    count = 1 if size <= LARGEST_ON_ONE_THREAD else torch.get_num_threads()
    block: AbstractContextManager[object] = _blas().limit(limits=count)
    return block
