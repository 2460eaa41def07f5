"""Runs grouped into methods, and the rule that decides which may be marked as best."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentrank.config import settings
from latentrank.errors import InputError
from latentrank.evaluation.coefficients import ErrorCurve
from latentrank.formatting import as_text, duration, mean_and_spread
from latentrank.metrics import METRICS, Value, comparable, read, unit_of
from latentrank.report.same import check_same_data, same_units
from latentrank.report.view import View, flat_settings
from latentrank.runs import Run
from latentrank.runs.measured import share_of_variance

# What may differ between repetitions of an experiment.
_NOT_THE_EXPERIMENT: Final = frozenset({"seed", *settings("place")})
_NOT_A_RESULT: Final = frozenset({"latent_dim", "true_dimension", "rank_training_codes", "threads"})
_NAMES: Final = {
    "seconds": "training time",
    "error_of_the_mean": "error of the mean sample",
    "error_share": "error, share of the variance",
}
_LONGEST_NAME: Final = 28  # characters; longer names become numbers


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
        name: the method, with the settings that distinguish it from others of that method.
        views: repetitions that differ in their seed; pictures come from the first.
        same_units: whether the models of all columns scale the data alike; otherwise errors are
            measured as shares of the variance.
    """

    name: str
    views: tuple[View, ...]
    same_units: bool = True

    @property
    def view(self) -> View:
        """The first repetition."""
        return self.views[0]

    @property
    def rank(self) -> Measure:
        """The rank over the repetitions."""
        return _measure([view.metrics["rank"] for view in self.views])

    @property
    def measures_errors(self) -> bool:
        """Whether every repetition has a reconstruction error; a GAN has none."""
        return all(view.errors_if_known is not None for view in self.views)

    @property
    def errors(self) -> ErrorCurve:
        """Errors by number of coefficients, `(S, K)`.

        A seed whose codes have fewer directions than others keeps its last error from there on.
        """
        curves = [view.errors.model for view in self.views]
        ks = np.unique(np.concatenate([curve.ks for curve in curves]))
        rows = [np.interp(np.log(ks), np.log(curve.ks), curve.errors) for curve in curves]
        return ErrorCurve(ks, np.stack(rows))

    @property
    def shares(self) -> NDArray[np.float64]:
        """`(S,)` errors of complete codes, as shares of the data's variance."""
        return np.array([view.share for view in self.views], np.float64)

    @property
    def spectra(self) -> NDArray[np.float64]:
        """`(S, L)` normalised singular values of the test codes."""
        return np.array([view.metrics["singular_values"] for view in self.views])


def columns_of(runs: Sequence[Run], labels: Sequence[str] | None = None) -> list[Column]:
    """Group runs that differ in nothing but the seed.

    Args:
        runs: one or more, on the same data.
        labels: names of the columns; by default derived from the differences.

    Returns:
        The columns, in the order in which they first appear.

    Raises:
        InputError: no runs, runs on different data, the same run or seed twice, or not one label
            for each column.
    """
    if not runs:
        raise InputError("There are no runs to compare, expected at least one; name their folders.")
    groups: dict[str, list[View]] = {}
    for run in runs:
        kept = {k: v for k, v in run.config.items() if k not in _NOT_THE_EXPERIMENT}
        key = json.dumps(kept, sort_keys=True, default=str)
        first = next(iter(groups.values()))[0] if groups else None
        groups.setdefault(key, []).append(View(run, first))
    firsts = [group[0] for group in groups.values()]
    views = [view for group in groups.values() for view in group]
    check_same_data(views)
    for group in groups.values():
        _check_different([view.run for view in group])
    names = short_names(firsts)
    if labels:
        if len(labels) != len(names) or len(set(labels)) != len(labels):
            raise InputError(
                f"The labels are {', '.join(labels)}, expected {len(names)} different ones for "
                f"{', '.join(names)}; runs that differ only in their seed share one."
            )
        names = list(labels)
    alike = same_units(views)
    return [
        Column(name, tuple(group), alike)
        for name, group in zip(names, groups.values(), strict=True)
    ]


def _check_different(runs: Sequence[Run]) -> None:
    """Refuse runs of one experiment of which one would count as another seed, but is none."""
    for one, other in combinations(runs, 2):
        seed = one.config.get("seed")
        if seed != other.config.get("seed"):
            continue
        if one.folder.resolve() == other.folder.resolve():
            raise InputError(f"{one.folder} is given twice; leave it out once.")
        if seed is not None:  # saved models have none
            raise InputError(
                f"{one.folder} and {other.folder} have the same settings and the same seed, "
                f"{seed}, so they would count as two seeds of one experiment; leave one of them "
                "out."
            )


def short_names(views: Sequence[View]) -> list[str]:
    """Method names, with the fewest settings that distinguish methods that appear twice.

    Args:
        views: of different experiments.

    Returns:
        One name each, with a number in place of settings that are too long.
    """
    names = [view.name for view in views]
    for method in {name for name in names if names.count(name) > 1}:
        rivals = [index for index, view in enumerate(views) if view.name == method]
        for index, suffix in zip(rivals, _suffixes([views[i] for i in rivals]), strict=True):
            names[index] = f"{method}{suffix}"
    return names


def _suffixes(views: Sequence[View]) -> list[str]:
    """Suffixes for views that share a method name."""
    settings = [flat_settings(view.config) for view in views]
    differing = [
        name
        for name in dict.fromkeys(name for own in settings for name in own)
        if name not in _NOT_THE_EXPERIMENT and len({str(own.get(name)) for own in settings}) > 1
    ]
    # As in papers: the method's options first, then the width of its code.
    differing.sort(key=lambda name: (not name.startswith("options."), name != "latent_dim"))
    for count in (1, 2):
        for chosen in combinations(differing, count):
            suffixes = ["".join(f", {_setting(name, own.get(name))}" for name in chosen)
                    for own in settings]  # fmt: skip
            if len(set(suffixes)) == len(suffixes):
                short = max(len(views[0].name + text) for text in suffixes) <= _LONGEST_NAME
                return suffixes if short else _numbered(len(views))
    return _numbered(len(views))


def _numbered(count: int) -> list[str]:
    return [f" #{number}" for number in range(1, count + 1)]


def _setting(name: str, value: Any) -> str:
    """A setting in a few words."""
    words = name.split(".")[-1].replace("_", " ")
    if isinstance(value, bool):
        return words if value else f"no {words}"
    return f"{words} {as_text(value)}"


def measures(columns: Sequence[Column]) -> list[dict[str, Measure]]:
    """The numbers that were measured in all repetitions of a method.

    Returns:
        For each method, name to mean, spread and number of seeds; numbers of one name can be
        compared.
    """
    runs, found = iter(_measured(columns)), []
    for column in columns:
        tables = [
            _numbers(view.metrics, column.same_units)
            | {name: value.value for name, value in next(runs).items()}
            for view in column.views
        ]
        shared = [name for name in tables[0] if all(name in table for table in tables)]
        found.append({name: _measure([table[name] for table in tables]) for name in shared})
    return found


def _measured(columns: Sequence[Column]) -> list[dict[str, Value]]:
    """Values measured after training, per run, under names that make them comparable."""
    runs = [view.run for column in columns for view in column.views]
    return comparable([read(run.folder, run.measured_on) for run in runs])


def _numbers(metrics: Mapping[str, Any], same_units: bool) -> dict[str, float]:
    """The scalar metrics; errors in different units are replaced by shares of the variance."""
    if not same_units:
        shares = {"validation_error": share_of_variance(metrics), "error_of_the_mean": None}
        renamed = {"validation_error": "error_share"}
        metrics = {
            renamed.get(name, name): shares.get(name, value) for name, value in metrics.items()
        }
    return {
        name: float(value)
        for name, value in flat_settings(metrics).items()
        if name not in _NOT_A_RESULT
        and not name.startswith(("rank_search.", "restarts.", "measured."))
        and isinstance(value, int | float)
        and not isinstance(value, bool)
    }


def _measure(values: Sequence[float]) -> Measure:
    """Mean and standard deviation of repetitions."""
    spread = statistics.stdev(values) if len(values) > 1 else math.nan
    return Measure(statistics.fmean(values), spread, len(values))


def best_of(values: Sequence[Measure], less_is_better: bool) -> int | None:
    """The best value, if the spread over seeds allows one.

    Args:
        values: the same measure of several methods.
        less_is_better: true for errors and distances.

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

    Returns:
        Rows of text, name first, with a dash where a method lacks the number; and row index to the
        index of the cell to mark as best. The number of seeds is in brackets if methods differ in
        it.
    """
    found = measures(columns)
    known = {name: value for table in _measured(columns) for name, value in table.items()}
    counted = len({len(column.views) for column in columns}) > 1
    rows: list[list[str]] = []
    best: dict[int, int] = {}
    for name in dict.fromkeys(name for table in found for name in table):
        values = [table.get(name) for table in found]
        own = METRICS.get(name) if name in METRICS else known.get(name)
        winner = _winner(None if own is None else own.better, values)
        if winner is not None:
            best[len(rows)] = winner + 1
        label, unit = (name, unit_of(known[name])) if name in known else (_words(name), "")
        rows.append([label, *(_text(name, value, unit, counted) for value in values)])
    return rows, best


def _winner(better: str | None, values: Sequence[Measure | None]) -> int | None:
    """The best method with the number; none if methods are not compared by it."""
    if better is None:
        return None
    having = [index for index, value in enumerate(values) if value is not None]
    place = best_of([value for value in values if value is not None], better == "lower")
    return None if place is None else having[place]


def _words(name: str) -> str:
    """A number that training wrote, in words."""
    return _NAMES.get(name, name.replace("_", " ").replace(".", ": "))


def _text(name: str, value: Measure | None, unit: str, counted: bool) -> str:
    """Mean and spread."""
    if value is None:
        return "\N{EN DASH}"
    if name == "seconds":
        text = duration(value.mean)
        if value.spread >= 0.05:  # below, it would be shown as 0.0 s
            text += f" \N{PLUS-MINUS SIGN} {duration(value.spread)}"
    else:
        text = mean_and_spread(value.mean, value.spread) + unit
    return f"{text} ({value.n})" if counted else text
