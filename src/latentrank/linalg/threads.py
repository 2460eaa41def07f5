"""Thread count of factorisations in SciPy's LAPACK."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager, nullcontext

import scipy.linalg
import torch
from threadpoolctl import ThreadpoolController

#: Up to this size a factorisation runs on one thread: a second gains little, and stalls while
#: another process is using its core.
LARGEST_ON_ONE_THREAD = 512


@functools.cache
def _blas() -> ThreadpoolController:
    scipy.linalg.get_lapack_funcs("gesdd")  # a library can be found only once it is loaded
    return ThreadpoolController().select(user_api="blas")


def threads(size: int) -> AbstractContextManager[object]:
    """Limit the threads of factorisations and products of this size to as many as help.

    Args:
        size: the smaller side of the matrices.

    Example:
        >>> with threads(100):
        ...     float(scipy.linalg.cholesky([[4.0]])[0, 0])
        2.0
    """
    count = 1 if size <= LARGEST_ON_ONE_THREAD else torch.get_num_threads()
    libraries = _blas()
    if all(one.num_threads <= count for one in libraries.lib_controllers):
        return nullcontext()  # setting them again takes a tenth of a millisecond
    block: AbstractContextManager[object] = libraries.limit(limits=count)
    return block
