"""Measured values as tables for the terminal, reports and comparisons."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from latentrank.formatting import as_text, mean_and_spread
from latentrank.metrics.registry import METRICS
from latentrank.metrics.store import Value


class Table(NamedTuple):
    """A table with title and note.

    Attributes:
        title: title of the table.
        header: first cell empty.
        rows: rows of text.
        note: how its values were computed.
    """

    title: str
    header: list[str]
    rows: list[list[str]]
    note: str


def comparable(runs: Sequence[Sequence[Value]]) -> list[dict[str, Value]]:
    """Values of several runs, under names that make them comparable.

    A name is the value's label; where runs have values of one label that differ in more than the
    seed, such as in the weights of the features, a digest of what they depend on is added.

    Args:
        runs: the values of each run.

    Returns:
        Name to value, for each run; the last one where a run has several seeds.

    Example:
        >>> one, other = (
        ...     Value("fd[x]:gmm", "FD-x", 1.0, identity={"features": {"weights": weights}})
        ...     for weights in "ab"
        ... )
        >>> [list(found)[0][-1] for found in comparable([[one], [other]])]
        [']', ']']
        >>> list(comparable([[one], [one]])[0])
        ['gmm: FD-x']
    """
    kinds = defaultdict(set)
    for value in itertools.chain.from_iterable(runs):
        kinds[value.label].add(value.kind)

    def name(value: Value) -> str:
        alone = len(kinds[value.label]) == 1
        return value.label if alone else f"{value.label} [{value.kind}]"

    return [{name(value): value for value in values} for values in runs]


def tables(values: Sequence[Value]) -> list[Table]:
    """Values as tables: distances by density, accuracies by number of labels, and the others.

    Args:
        values: of one run.

    Returns:
        The tables that have rows.
    """
    distances = [v for v in values if "features" in v.identity and "density" in v.identity]
    accuracies = [v for v in values if "probe" in v.identity]
    others = [v for v in values if v not in distances and v not in accuracies]
    rows = [[v.label, with_spread(v)] for v in others]
    networks = dict.fromkeys(_network(v) for v in distances)
    return [
        *(_distances([v for v in distances if _network(v) == one]) for one in networks),
        *([_accuracies(accuracies)] if accuracies else []),
        *([Table("Other metrics", ["", ""], rows, "")] if rows else []),
    ]


def _network(value: Value) -> str:
    features = value.identity["features"]
    return f"{features['name']} {features.get('weights')} {value.identity.get('test_samples')}"


def _distances(values: Sequence[Value]) -> Table:
    columns, rows = _crossed(
        values, lambda v: v.name, lambda v: (v.identity["density"], v.identity.get("samples"))
    )
    real = values[-1].identity.get("test_samples")
    rows.append(
        ["generated / test samples", *(f"{as_text(n)} / {as_text(real)}" for _, n in columns)]
    )
    features = values[-1].identity["features"]
    return Table(
        "Generated samples",
        ["", *(str(density) for density, _ in columns)],
        rows,
        f"Features: {features.get('preprocessing', features['name'])}."
        + (_FLOOR if any(density == "reconstruction" for density, _ in columns) else ""),
    )


_FLOOR = (
    " The column reconstruction refers to reconstructed test samples, the best that the decoder "
    "can do."
)


def _accuracies(values: Sequence[Value]) -> Table:
    def classifier(value: Value) -> str:
        probe = str(value.identity["probe"])
        return probe if value.name == "accuracy" else f"{probe}, {value.name}"

    counts, rows = _crossed(values, classifier, lambda v: v.identity.get("labels"))
    return Table(
        "Labels predicted from codes",
        ["", *("" if count is None else f"{as_text(count)} labels" for count in counts)],
        rows,
        "Accuracy on test samples of classifiers trained on codes of labelled training samples; "
        "mean and standard deviation over draws of the labels.",
    )


def _crossed(
    values: Sequence[Value], row: Callable[[Value], str], column: Callable[[Value], Any]
) -> tuple[list[Any], list[list[str]]]:
    """The columns, and rows of text that begin with their name; the last value of a cell counts."""
    found = {(row(value), column(value)): with_spread(value) for value in values}
    names, columns = (list(dict.fromkeys(keys)) for keys in zip(*found, strict=True))
    return columns, [[name, *(found.get((name, one), "") for one in columns)] for name in names]


def unit_of(value: Value) -> str:
    """What follows the number, such as `" %"`; empty for a metric that is not installed.

    Example:
        >>> unit_of(Value("accuracy:10", "accuracy", 50.0)), unit_of(Value("gone", "gone", 1.0))
        (' %', '')
    """
    name = re.split(r"[:\[]", value.metric)[0]
    return METRICS.get(name).unit if name in METRICS else ""


def with_spread(value: Value) -> str:
    """A value with its unit, and its spread if any.

    Example:
        >>> with_spread(Value("accuracy:10", "accuracy", 50.0, 2.0))
        '50.0 ± 2.0 %'
    """
    return mean_and_spread(float(value.value), value.spread) + unit_of(value)
