"""Search spaces: reading them, proposing values, and what is left of finite ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from latentrank.errors import InputError
from latentrank.io import digest, parse_value

_MOST_LISTED = 10_000  # combinations of choices


@dataclass(frozen=True)
class Search:
    """The search space of one setting.

    Attributes:
        name: name of the setting or method option.
        low: lower bound, None for choices.
        high: upper bound.
        log: whether to search on a log scale.
        choices: the values, if it is not a range.

    Raises:
        InputError: a choice is there twice.
    """

    name: str
    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        for place, choice in enumerate(self.choices):
            if choice in self.choices[:place]:  # a search for the missing one would never end
                raise InputError(
                    f"The search over {self.name} has the choice {choice} twice; leave one out."
                )

    @property
    def first(self) -> Any:
        """One of the values: the first choice, or the lower bound."""
        return self.choices[0] if self.choices else self.low

    @property
    def values(self) -> Sequence[Any] | None:
        """All possible values; None for a continuous range."""
        if self.choices:
            return self.choices
        if isinstance(self.low, int) and isinstance(self.high, int):
            return range(self.low, self.high + 1)
        return None


def parse_search(text: str) -> Search:
    """Parse a search space: a range, a log-scale range, or choices.

    Args:
        text: `"NAME=LOW..HIGH"`, `"NAME=LOW..HIGH:log"` or `"NAME=A,B,C"`; a range between
            integers has whole values.

    Raises:
        InputError: it cannot be read, or the range is empty.

    Example:
        >>> parse_search("penalty=1e-5..1e-1:log")
        Search(name='penalty', low=1e-05, high=0.1, log=True, choices=())
        >>> parse_search("solver=svd,polar").choices
        ('svd', 'polar')
    """
    name, equals, span = text.partition("=")
    name = name.strip().lstrip("-").replace("-", "_")
    if not equals or not name or not span:
        raise _unreadable(text)
    if ".." not in span:
        return Search(name, choices=tuple(parse_value(part.strip()) for part in span.split(",")))
    span, colon, scale = span.partition(":")
    low, high = (parse_value(end.strip()) for end in span.split("..", 1))
    finite = all(
        isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end)
        for end in (low, high)
    )
    if not finite or (colon and scale != "log"):
        raise _unreadable(text)
    if not low < high or (colon and low <= 0):
        raise InputError(
            f"The search {text} runs from {low} to {high}; give the smaller number first, and a "
            "positive one with :log."
        )
    return Search(name, low, high, bool(colon))


def _unreadable(text: str) -> InputError:
    return InputError(
        f"The search is {text}, expected NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=A,B,C, such as "
        "penalty=1e-5..1e-1:log."
    )


def propose(trial: Any, search: Search) -> Any:
    """The value of a setting that Optuna proposes for a trial."""
    if search.choices:
        return trial.suggest_categorical(search.name, list(search.choices))
    if search.values is not None:
        return trial.suggest_int(search.name, search.low, search.high, log=search.log)
    return trial.suggest_float(search.name, search.low, search.high, log=search.log)


def combinations(searches: Sequence[Search]) -> float:
    """The number of different settings; infinite if a range is continuous."""
    return math.prod(math.inf if s.values is None else len(s.values) for s in searches)


def untried(searches: Sequence[Search], tried: Collection[str]) -> list[dict[str, Any]]:
    """The remaining settings, if few enough to list."""
    if combinations(searches) > _MOST_LISTED:
        return []
    names = [search.name for search in searches]
    every = itertools.product(*(search.values or () for search in searches))
    settings = (dict(zip(names, values, strict=True)) for values in every)
    return [one for one in settings if digest(one) not in tried]
