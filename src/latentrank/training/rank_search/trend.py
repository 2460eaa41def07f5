"""How measured numbers change from reading to reading: arithmetic that trackers share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Error of the present networks with codes cut to so many directions.
ErrorAt = Callable[[int], float]


@dataclass
class Trend:
    """How fast a value changes from reading to reading, smoothed.

    Attributes:
        value: the last reading.
        pace: change per reading.
        smoothing: weight of the newest change.

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
        """Take the next reading."""
        if not math.isnan(self.value):
            self.pace += self.smoothing * (value - self.value - self.pace)
        self.value = value

    def arrives(self, within: float) -> bool:
        """Whether the value comes to zero in so many further readings at its present pace."""
        return abs(self.value) <= -within * self.pace * math.copysign(1.0, self.value)


@dataclass
class Learning:
    """Whether networks still learn so much that what they find now is no answer.

    Attributes:
        still: in the rest of the run the error would fall by more than twice the slack, if it
            went on as it does.
        trend: of the logarithm of the error.

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
        """Take the next reading.

        Args:
            error: measured, above 0.
            left: readings in the rest of the run.
            slack: loss of error that is accepted.
        """
        self.trend.update(math.log(error))
        fall = -math.exp(self.trend.value) * math.expm1(min(self.trend.pace, 0.0) * left)
        self.still = fall > 2 * slack


def state(tracker: Any) -> dict[str, Any]:
    """All that a tracker remembers, as plain values, for checkpoints."""
    return {**vars(tracker), "trend": dict(vars(tracker.trend))}


def restore(tracker: Any, state: Mapping[str, Any]) -> None:
    """Go on from what `state` gave.

    Example:
        >>> learning, other = Learning(), Learning()
        >>> learning.update(0.5, left=10.0, slack=0.01)
        >>> restore(other, state(learning))
        >>> other.trend.value == learning.trend.value
        True
    """
    for name, value in state.items():
        setattr(tracker, name, Trend(**value) if name == "trend" else value)
