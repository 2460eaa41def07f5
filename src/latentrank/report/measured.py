"""What `latentrank evaluate` found of a run, as rows and tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentrank.formatting import as_text


def read_evaluation(folder: Path) -> dict[str, Any]:
    """The evaluation kept in a run folder.

    Args:
        folder: of the run.

    Returns:
        What `latentrank.assessment.assess` returned; nothing where the run was not evaluated.
    """
    path = folder / "evaluation.json"
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def evaluation_numbers(found: Mapping[str, Any]) -> dict[str, float]:
    r"""Distances and accuracies by a name that says what they depend on.

    Numbers of samples and labels belong to the name, so that two values under one name can be
    compared.

    Args:
        found: what `read_evaluation` returned.

    Returns:
        Name to number.

    Example:
        >>> values = {"FID": 9.5, "KID std": 0.1, "n_real": 100, "n_fake": 1000}
        >>> list(evaluation_numbers({"generation": {"gmm": values}}))
        ['gmm, 1\u202f000 samples: FID']
        >>> list(evaluation_numbers({"probes": {"mlp": {"10": {"accuracy": 0.5, "draws": 3}}}}))
        ['mlp, 10 labels: accuracy']
    """
    numbers = {}
    for density, values in found.get("generation", {}).items():
        for name in _distances(values):
            numbers[f"{density}, {as_text(values['n_fake'])} samples: {name}"] = values[name]
    for kind, curve in found.get("probes", {}).items():
        for count, result in curve.items():
            numbers[f"{kind}, {as_text(int(count))} labels: accuracy"] = result["accuracy"]
    return {name: float(value) for name, value in numbers.items()}


def generation_table(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Distances of generated from test samples, a column for each density.

    Args:
        found: what `read_evaluation` returned, with `generation`.

    Returns:
        Header and rows as text.
    """
    columns = found["generation"]
    names = list(dict.fromkeys(name for values in columns.values() for name in _distances(values)))
    rows = [[name, *(_with_spread(values, name) for values in columns.values())] for name in names]
    sizes = [f"{as_text(v['n_fake'])} / {as_text(v['n_real'])}" for v in columns.values()]
    return ["", *columns], [*rows, ["generated / test samples", *sizes]]


def probe_table(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Accuracies of classifiers on the codes, a column for each number of labels.

    Args:
        found: what `read_evaluation` returned, with `probes`.

    Returns:
        Header and rows as text.

    Example:
        >>> curve = {"10": {"accuracy": 0.5, "accuracy_std": 0.02, "draws": 3}}
        >>> probe_table({"probes": {"linear": curve}})
        (['', '10 labels'], [['linear', '50.0 ± 2.0 %']])
    """
    probes = found["probes"]
    counts = list(dict.fromkeys(count for curve in probes.values() for count in curve))
    rows = [
        [kind, *(_percent(curve[count]) if count in curve else "" for count in counts)]
        for kind, curve in probes.items()
    ]
    return ["", *(f"{as_text(int(count))} labels" for count in counts)], rows


def _distances(values: Mapping[str, Any]) -> list[str]:
    """Names of the measures, without their spreads and sample sizes."""
    return [name for name in values if not name.endswith(" std") and not name.startswith("n_")]


def _with_spread(values: Mapping[str, Any], name: str) -> str:
    """A measure, with its spread over subsets where it has one."""
    if name not in values:
        return ""
    spread = values.get(f"{name} std")
    return as_text(float(values[name])) + ("" if spread is None else f" ± {spread:.1g}")


def _percent(result: Mapping[str, Any]) -> str:
    """An accuracy over draws of labels."""
    mean, spread = 100 * result["accuracy"], 100 * result["accuracy_std"]
    return f"{mean:.1f} %" if result["draws"] == 1 else f"{mean:.1f} ± {spread:.1f} %"
