"""Runs grouped into methods, and the rule by which one of them may be called the best."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from latentrank.errors import InputError
from latentrank.formatting import as_text, duration
from latentrank.metrics import METRICS, Value, comparable, read
from latentrank.report.view import RunLike, View, flat_settings

# What a repetition of the same experiment may change.
_NOT_THE_EXPERIMENT: Final = frozenset(
    {"seed", "device", "devices", "strategy", "loggers", "data_root", "download"}
)
_NOT_A_RESULT: Final = frozenset({"latent_dim", "true_dimension", "rank_training_codes"})
_NAMES: Final = {"seconds": "training time"}


class Measure(NamedTuple):
    """A number measured over seeds.

    Attributes:
        mean: over the seeds.
        spread: their standard deviation; NaN for one seed.
        n: number of seeds.
    """

    mean: float
    spread: float
    n: int


@dataclass(frozen=True)
class Column:
    """A method in a comparison.

    Attributes:
        name: the method, and the settings by which it differs from others of that method.
        runs: repetitions that differ in their seed.
        view: the first of them, which lends its pictures.
    """

    name: str
    runs: tuple[RunLike, ...]
    view: View


def columns_of(runs: Sequence[RunLike]) -> list[Column]:
    """Group runs that differ in nothing but the seed.

    Args:
        runs: one or more, on the same data.

    Returns:
        The columns, in the order in which they first appear.

    Raises:
        InputError: no runs, or runs on different data.
    """
    if not runs:
        raise InputError("There are no runs to compare, expected at least one; name their folders.")
    groups: dict[str, list[RunLike]] = {}
    for run in runs:
        kept = {k: v for k, v in run.config.items() if k not in _NOT_THE_EXPERIMENT}
        groups.setdefault(json.dumps(kept, sort_keys=True, default=str), []).append(run)
    views = [View(group[0]) for group in groups.values()]
    _same_data(views)
    names = _names(views)
    return [
        Column(name, tuple(group), view)
        for name, group, view in zip(names, groups.values(), views, strict=True)
    ]


def _same_data(views: Sequence[View]) -> None:
    """Refuse runs whose samples cannot stand beside each other."""
    found = sorted({f"{view.data_name} {view.dataset.shape}" for view in views})
    if len(found) > 1:
        raise InputError(
            f"The runs were trained on different data ({'; '.join(found)}), expected the same for "
            "all; compare runs of one data set."
        )


def _names(views: Sequence[View]) -> list[str]:
    """Method names, told apart by the settings in which runs of one method differ."""
    settings = [
        {k: v for k, v in flat_settings(view.config).items() if k not in _NOT_THE_EXPERIMENT}
        for view in views
    ]
    names = []
    for view, own in zip(views, settings, strict=True):
        rivals = [
            other for rival, other in zip(views, settings, strict=True) if rival.name == view.name
        ]
        differing = [name for name in own if any(other.get(name) != own[name] for other in rivals)]
        told = [
            f"{name.split('.')[-1].replace('_', ' ')} {as_text(own[name])}" for name in differing
        ]
        names.append(", ".join([view.name, *told]))
    return names


def measures(columns: Sequence[Column]) -> list[dict[str, Measure]]:
    """Every number that all repetitions of a method measured, for each method.

    Args:
        columns: the methods; their values get names under which they may be compared.

    Returns:
        Name to mean, spread and number of seeds.
    """
    runs = [run for column in columns for run in column.runs]
    measured = iter(comparable([read(run.folder) for run in runs]))
    return [
        _shared([_numbers(run.metrics) | _values(next(measured)) for run in column.runs])
        for column in columns
    ]


def _values(measured: Mapping[str, Value]) -> dict[str, float]:
    return {name: value.value for name, value in measured.items()}


def _shared(tables: Sequence[Mapping[str, float]]) -> dict[str, Measure]:
    shared = [name for name in tables[0] if all(name in table for table in tables)]
    return {name: _measure([table[name] for table in tables]) for name in shared}


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are results and single numbers."""
    return {
        name: float(value)
        for name, value in flat_settings(metrics).items()
        if name not in _NOT_A_RESULT
        and not name.startswith(("rank_search.", "measured."))
        and isinstance(value, int | float)
        and not isinstance(value, bool)
    }


def _measure(values: Sequence[float]) -> Measure:
    """Mean and standard deviation of repetitions."""
    spread = statistics.stdev(values) if len(values) > 1 else math.nan
    return Measure(statistics.fmean(values), spread, len(values))


def best_of(values: Sequence[Measure], less_is_better: bool) -> int | None:
    """Which value is the best, if the spread over seeds allows to say so.

    Args:
        values: the same measure of several methods.
        less_is_better: True for errors and distances.

    Returns:
        The index of the best; None for fewer than two values, where any value has a single seed or
        is not a number, or where the best's interval, mean plus or minus spread, meets another's.

    Example:
        >>> a, b = Measure(1.0, 0.1, 3), Measure(2.0, 0.5, 3)
        >>> best_of([a, b], less_is_better=True), best_of([a, b], less_is_better=False)
        (0, 1)
        >>> best_of([a, Measure(1.2, 0.15, 3)], less_is_better=True) is None
        True
        >>> best_of([Measure(1.0, float("nan"), 1), b], less_is_better=True) is None
        True
    """
    known = all(value.n > 1 and math.isfinite(value.mean + value.spread) for value in values)
    if len(values) < 2 or not known:
        return None
    sign = 1 if less_is_better else -1
    order = sorted(range(len(values)), key=lambda index: sign * values[index].mean)
    first, *others = (values[index] for index in order)
    edge = sign * first.mean + first.spread
    if all(edge < sign * other.mean - other.spread for other in others):
        return order[0]
    return None


def metric_rows(columns: Sequence[Column]) -> tuple[list[list[str]], dict[int, int]]:
    """The table of numbers.

    Args:
        columns: the methods.

    Returns:
        Rows of text, name first, a dash where a method does not have the number; and row index to
        the index of the cell to mark as best. The number of seeds stands in brackets where
        methods differ in it.
    """
    found = measures(columns)
    better = _better(columns)
    counted = len({len(column.runs) for column in columns}) > 1
    rows: list[list[str]] = []
    best: dict[int, int] = {}
    for name in dict.fromkeys(name for table in found for name in table):
        values = [table.get(name) for table in found]
        winner = _winner(better.get(name), values)
        if winner is not None:
            best[len(rows)] = winner + 1
        cells = [_text(name, value, counted) for value in values]
        rows.append([_NAMES.get(name, name.replace("_", " ")), *cells])
    return rows, best


def _better(columns: Sequence[Column]) -> dict[str, str]:
    """Which way is better, for those numbers by which methods are compared."""
    runs = [run for column in columns for run in column.runs]
    measured = comparable([read(run.folder) for run in runs])
    found = {name: value.better for table in measured for name, value in table.items()}
    found |= {name: METRICS.get(name).better for name in METRICS}
    return {name: better for name, better in found.items() if better}


def _winner(better: str | None, values: Sequence[Measure | None]) -> int | None:
    """The best of those methods that have the number; none where they are not compared by it."""
    if better is None:
        return None
    having = [index for index, value in enumerate(values) if value is not None]
    place = best_of([value for value in values if value is not None], better == "lower")
    return None if place is None else having[place]


def _text(name: str, value: Measure | None, counted: bool) -> str:
    """Mean and spread, as many digits as the spread makes sense of: two of its own."""
    if value is None:
        return "\N{EN DASH}"
    if name == "seconds":
        mean, spread = duration(value.mean), duration(value.spread) if value.n > 1 else ""
    elif value.n > 1 and 0 < value.spread < math.inf:
        decimals = max(0, 1 - math.floor(math.log10(value.spread)))
        mean, spread = f"{value.mean:.{decimals}f}", f"{value.spread:.{decimals}f}"
    else:
        whole = value.mean.is_integer() and abs(value.mean) < 1e15
        mean, spread = as_text(int(value.mean) if whole else value.mean), as_text(value.spread)
    text = mean if value.n == 1 else f"{mean} \N{PLUS-MINUS SIGN} {spread}"
    return f"{text} ({value.n})" if counted else text
