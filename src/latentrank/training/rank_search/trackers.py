"""What decides on a rank or a penalty, from one measured number to the next.

Nothing here knows of models or training: `latentrank.training.rank_search.callbacks` measures,
asks, and carries out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

#: Relative size below which a covariance singular value does not count as a direction.
COUNTED = 1e-4

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


@dataclass
class Shrinking:
    """Gives directions up while the error regains its best; goes back one when it no longer does.

    The tracker of adaptive RRAE (Mounayer et al. 2024), with a first step of its own: directions
    that cost nothing at once, as soon as codes are cut, are all given up together. After that, one
    is given up at a time and the error is waited for. It counts as regained when it is within
    `slack` of the best so far.

    Attributes:
        rank: directions kept now.
        patience: readings that a trial has in any case.
        within: readings in which the error must come back at its present pace to be waited for.
        begin: error at which the search begins; while nothing is learned, no direction is of use.
        closed: nothing is decided any more.
        settled: closed because one direction fewer was tried, and was too few.
        best: lowest error so far.

    Example:
        >>> tracker = Shrinking(rank=5)
        >>> for _ in range(30):  # two directions suffice, and training does not change that
        ...     rank = tracker.update(lambda k: 0.5 if k < 2 else 0.01, slack=0.1)
        >>> rank, tracker.settled
        (2, True)
    """

    rank: int
    patience: int = 10
    within: float = 20.0
    begin: float = math.inf
    closed: bool = False
    settled: bool = False
    best: float = math.inf
    waited: int = 0
    trend: Trend = field(default_factory=Trend)

    def update(self, error_at: ErrorAt, slack: float) -> int:
        """The rank to go on with.

        Args:
            error_at: error of the present networks with codes cut to so many directions, at most
                `rank`.
            slack: loss of error that is accepted, above 0.
        """
        if self.closed:
            return self.rank
        error = error_at(self.rank)
        if error > self.begin and math.isinf(self.best):
            return self.rank
        self.best = min(self.best, error)
        if error <= self.best + slack:
            self._give_up(error_at, self.best + slack / 2)
        else:
            self.waited += 1
            self.trend.update(math.log(error / (self.best + slack)))
            if self.waited >= self.patience and not self.trend.arrives(self.within):
                self._go_back()
        return self.rank

    def _give_up(self, error_at: ErrorAt, limit: float) -> None:
        """All directions that cost next to nothing, or else one."""
        self.waited, self.trend = 0, Trend()
        if self.rank == 1:
            self.closed = self.settled = True
            return
        low, high = 1, self.rank
        while low < high:
            middle = (low + high) // 2
            if error_at(middle) <= limit:
                high = middle
            else:
                low = middle + 1
        self.rank = min(high, self.rank - 1)

    def _go_back(self) -> None:
        self.rank += 1
        self.closed = self.settled = True

    def stop(self, error_at: ErrorAt, slack: float) -> int:
        """The rank to end with: one more, if the error has not come back since the last step."""
        if not self.closed:
            if error_at(self.rank) > self.best + slack:
                self.rank += 1
            self.closed = True
        return self.rank


@dataclass
class Growing:
    """Adds directions, from one, until a new one gains less than `slack`.

    The other tracker of adaptive RRAE (Mounayer et al. 2024). A direction is judged when the error
    has stopped falling; the one that gained too little is taken away again. Growth also ends when
    the error itself is below `slack`: nothing is left that a direction could gain.

    Attributes:
        rank: directions kept now.
        most: directions that are kept at most.
        patience: readings that each rank has in any case.
        slow: fall of the logarithm of the error per reading that counts as none.
        closed: nothing is decided any more.
        settled: closed because a further direction gained, or could gain, too little.

    Example:
        >>> tracker = Growing(most=8)
        >>> for _ in range(60):
        ...     rank = tracker.update(lambda k: {1: 0.5, 2: 0.2}.get(k, 0.195), slack=0.01)
        >>> rank, tracker.settled
        (2, True)
    """

    most: int
    rank: int = 1
    patience: int = 10
    slow: float = 0.01
    closed: bool = False
    settled: bool = False
    before: float = math.inf
    lowest: float = math.inf
    waited: int = 0
    trend: Trend = field(default_factory=Trend)

    def update(self, error_at: ErrorAt, slack: float) -> int:
        """The rank to go on with.

        Args:
            error_at: error of the present networks with codes cut to so many directions, at most
                `rank`.
            slack: gain of error that is worth a direction, above 0.
        """
        if self.closed:
            return self.rank
        error = error_at(self.rank)
        self.lowest = min(self.lowest, error)
        self.waited += 1
        self.trend.update(math.log(error))
        if self.lowest <= slack:
            self.closed = self.settled = True
        elif self.waited >= self.patience and self.trend.pace > -self.slow:
            self._judge(slack)
        return self.rank

    def _judge(self, slack: float) -> None:
        if self.before - self.lowest < slack:
            self.rank -= 1
            self.closed = self.settled = True
        elif self.rank == self.most:
            self.closed = True
        else:
            self.rank += 1
            self.before, self.lowest = self.lowest, math.inf
            self.waited, self.trend = 0, Trend()

    def stop(self, error_at: ErrorAt, slack: float) -> int:
        """The rank to end with: the present one."""
        self.closed = True
        return self.rank


@dataclass
class Steering:
    """Moves a penalty until what it acts on is where it should be.

    On a logarithmic scale, by at most 30 % a reading. Rank and error follow a penalty slowly, so
    it is moved only while they would not arrive by themselves at their present pace; each time
    they go past the target, the step is halved (bisection once there is a bracket) and the penalty
    may never again be as high as where it proved too high.

    Attributes:
        penalty: its value now.
        step: factor of the next move, as a logarithm.
        ceiling: the penalty stays at or below this.
        within: readings in which the target must be reached at the present pace to be waited for.

    Example:
        >>> steering = Steering(1e-3)
        >>> for _ in range(150):  # the target is at 0.05
        ...     penalty = steering.update(math.log(0.05 / steering.penalty))
        >>> 0.04 < penalty < 0.06
        True
    """

    penalty: float
    step: float = math.log(1.3)
    ceiling: float = 1e4
    within: float = 40.0
    trend: Trend = field(default_factory=Trend)

    def update(self, miss: float) -> float:
        """The penalty to go on with.

        Args:
            miss: how far what is steered is from where it should be: positive where the penalty
                is too low, negative where it is too high, 0 where it is right.
        """
        side = math.copysign(1.0, miss)
        if miss * self.trend.value < 0:
            self.step = max(self.step / 2, math.log(1.02))
            self.trend = Trend(miss)
            if miss < 0:
                self.ceiling = min(self.ceiling, self.penalty)
        elif miss:
            self.step = min(1.1 * self.step, math.log(1.3))
            self.trend.update(miss)
        else:
            # Which side it came from matters for what comes next, how fast does not.
            self.trend = Trend(1e-9 * self.trend.value)
        if miss and not self.trend.arrives(self.within):
            moved = self.penalty * math.exp(side * self.step)
            self.penalty = min(max(moved, 1e-8), self.ceiling)
        return self.penalty


def miss_of_rank(values: Tensor, target: int) -> float:
    """How far a spectrum is from having so many directions, as `Steering.update` wants it.

    Args:
        values: `(L,)` float64, covariance singular values over the largest, descending.
        target: directions that are to count, 1 to `L`.

    Returns:
        0 where exactly `target` values count; else how far the root of the first value too many,
        or too few, is from where it no longer counts, or does. Roots, which are standard
        deviations of the code, are what Adam moves at an even pace.

    Example:
        >>> import torch
        >>> values = torch.tensor([1.0, 0.25, 1e-2, 1e-6], dtype=torch.float64)
        >>> [round(miss_of_rank(values, k), 3) for k in (1, 2, 3, 4)]
        [0.49, 0.09, 0.0, -0.009]
    """
    over = float(values[target]) if target < len(values) else 0.0
    if over > COUNTED:
        return math.sqrt(over) - math.sqrt(COUNTED)
    return min(math.sqrt(float(values[target - 1])) - math.sqrt(COUNTED), 0.0)


def miss_of_error(error: float, target: float) -> float:
    """How far an error is from just below its target, as `Steering.update` wants it.

    Args:
        error: measured.
        target: at most this.

    Returns:
        0 between 80 % and 95 % of the target; else the logarithm of 95 % of it over the error.
    """
    return 0.0 if 0.8 * target <= error <= 0.95 * target else math.log(0.95 * target / error)


Tracker = Learning | Shrinking | Growing | Steering


def state(tracker: Tracker) -> dict[str, Any]:
    """All that a tracker remembers, as plain values, for checkpoints."""
    return {**vars(tracker), "trend": dict(vars(tracker.trend))}


def restore(tracker: Tracker, state: Mapping[str, Any]) -> None:
    """Go on from what `state` gave.

    Example:
        >>> steering, other = Steering(1e-3), Steering(1.0)
        >>> _ = steering.update(2.0)
        >>> restore(other, state(steering))
        >>> other == steering
        True
    """
    for name, value in state.items():
        setattr(tracker, name, Trend(**value) if name == "trend" else value)
