"""Samples held out for testing, where data come in one part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentrank.errors import InputError
from latentrank.formatting import counted


def holdout(n: int, what: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hold out a random fifth of the samples for testing, the same whatever the seed of a run.

    Args:
        n: number of samples.
        what: description of their origin, for the error.

    Returns:
        Row numbers of the training part and of the test part, each in increasing order.

    Raises:
        InputError: when there are fewer than two samples.

    Example:
        >>> train, test = holdout(10, "ten")
        >>> len(train), len(test), sorted([*train.tolist(), *test.tolist()]) == list(range(10))
        (8, 2, True)
    """
    if n < 2:
        raise InputError(
            f"{what} holds {counted(n, 'sample')}; at least 2 are needed, "
            "one to train on and one to test on."
        )
    order = np.random.default_rng(0).permutation(n)
    tests = max(1, round(n / 5))
    return np.sort(order[tests:]), np.sort(order[:tests])


def said_of_holdout(tests: int, samples: int) -> str:
    """A note on samples that were held out."""
    return f"{tests} of {samples} samples, drawn at random, are held out for testing."
