"""Trends of measured numbers: arithmetic shared by trackers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

#: Error of the present networks with codes truncated to a given number of directions.
ErrorAt = Callable[[int], float]


@dataclass
class Trend:
    """The smoothed rate of change of a value per reading.

    Attributes:
        value: the last reading.
        pace: change per reading.
        smoothing: weight of the latest change.

    Example:
        >>> trend = Trend()
        >>> for distance in (8.0, 6.0, 4.0):
        ...     trend.update(distance)
        >>> trend.arrives(within=5), trend.arrives(within=2)
        (True, False)
    """

    value: float = math.nan
    pace: float = 0.0
    smoothing: float = 0.3

    def update(self, value: float) -> None:
        """Add a reading."""
        if not math.isnan(self.value):
            self.pace += self.smoothing * (value - self.value - self.pace)
        self.value = value

    def arrives(self, within: float) -> bool:
        """Whether the value would reach zero within a number of readings at its present pace."""
        return abs(self.value) <= -within * self.pace * math.copysign(1.0, self.value)


@dataclass
class Learning:
    """Whether the networks are still learning too fast for a result to be reliable.

    Attributes:
        still: at its present rate, the error would fall by more than twice the slack in the rest of
            the run.
        trend: trend of the logarithm of the error.

    Example:
        >>> learning = Learning()
        >>> for error in (0.4, 0.2, 0.1):
        ...     learning.update(error, left=50.0, slack=0.01)
        >>> learning.still
        True
    """

    still: bool = False
    trend: Trend = field(default_factory=Trend)

    def update(self, error: float, left: float, slack: float) -> None:
        """Add a reading.

        Args:
            error: measured error, above 0.
            left: number of readings left in the run.
            slack: accepted increase of the error.
        """
        self.trend.update(math.log(error))
        fall = -math.exp(self.trend.value) * math.expm1(min(self.trend.pace, 0.0) * left)
        self.still = fall > 2 * slack
