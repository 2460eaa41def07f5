"""Mean and covariance of features, in one pass and in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentrank.data.plain import unwrapped
from latentrank.errors import InputError
from latentrank.formatting import counted

Array = NDArray[np.float64]

ROWS = 1024  # rows processed at a time


@dataclass(frozen=True)
class Statistics:
    """Mean and covariance of a set of features, as the Fréchet distance needs them.

    Attributes:
        mean: `(d,)` float64.
        covariance: `(d, d)` float64, divided by `count - 1`.
        count: number of samples from which they were computed.
    """

    mean: Array
    covariance: Array
    count: int


def check_matrix(values: NDArray[Any], name: str) -> None:
    """Reject anything but a set of features: `(n, d)` finite numbers, n at least 2."""
    if values.ndim != 2:
        raise InputError(
            f"{name} has shape {values.shape}, expected (samples, features); "
            "flatten it to two axes."
        )
    if len(values) < 2:
        raise InputError(
            f"{name} has {counted(len(values), 'sample')}, expected at least 2 to estimate a "
            "covariance; add more."
        )
    if not np.isfinite(values).all():
        raise InputError(
            f"{name} holds NaN or infinite values, expected finite numbers; "
            "look for a decoder that diverged."
        )


def statistics(features: ArrayLike) -> Statistics:
    """Mean and unbiased covariance of a set of features.

    Args:
        features: `(n, d)` finite numbers, n at least 2.

    Returns:
        The `Statistics`, in float64.

    Raises:
        InputError: not two axes, fewer than 2 samples, or values that are not finite.

    Example:
        >>> s = statistics([[0.0, 1.0], [2.0, 1.0]])
        >>> s.mean.tolist(), s.covariance.tolist(), s.count
        ([1.0, 1.0], [[2.0, 0.0], [0.0, 0.0]], 2)
    """
    x = np.asarray(unwrapped(features, "features"))
    check_matrix(x, "The features")
    running = RunningStatistics(x.shape[1])
    for start in range(0, len(x), ROWS):
        running.update(x[start : start + ROWS])
    return running.result()


class RunningStatistics:
    r"""Mean and covariance in one pass over batches of features, in float64.

    Batches of counts n and m combine exactly, with :math:`\delta` the difference of their means:
    :math:`M_2 = M_2^a + M_2^b + \delta\delta^\top nm/(n + m)` [Chan et al. 1983, Eq. 2.1].

    Example:
        >>> running = RunningStatistics(1)
        >>> for batch in ([[0.0], [1.0]], [[5.0]]):
        ...     running.update(batch)
        >>> running.result().mean.tolist(), running.result().covariance.tolist()
        ([2.0], [[7.0]])
    """

    def __init__(self, width: int) -> None:
        self.count = 0
        self.mean: Array = np.zeros(width)
        self.squares: Array = np.zeros((width, width))

    def update(self, features: ArrayLike) -> None:
        """Add a batch.

        Args:
            features: `(n, width)` numbers, n at least 0.
        """
        x = np.asarray(unwrapped(features, "features"), dtype=np.float64)
        if not len(x):
            return
        mean = x.mean(axis=0)
        shift, total = mean - self.mean, self.count + len(x)
        centred = x - mean
        self.squares += centred.T @ centred
        self.squares += np.outer(shift, shift * (self.count * len(x) / total))
        self.mean = self.mean + shift * (len(x) / total)
        self.count = total

    def result(self) -> Statistics:
        """The statistics of all batches, the covariance divided by `count - 1`.

        Raises:
            InputError: there are fewer than 2 samples.
        """
        if self.count < 2:
            raise InputError(
                f"The batches hold {counted(self.count, 'sample')}, expected at least 2 to "
                "estimate a covariance; add more."
            )
        return Statistics(self.mean, self.squares / (self.count - 1), self.count)
