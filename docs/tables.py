"""The tables of the README and of these pages, made from the package and from run folders.

    python docs/tables.py methods
    python docs/tables.py datasets
    python docs/tables.py settings
    python docs/tables.py results RUN...
    python docs/tables.py reproductions FOLDER...
    python docs/tables.py numbers FOLDER...

Each prints Markdown. With `--into FILE --at NAME` it replaces what stands in FILE between
`<!-- NAME -->` and `<!-- /NAME -->` instead.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo

from latentrank import data, methods, recipes
from latentrank.config import RunConfig
from latentrank.config import settings as known_settings
from latentrank.errors import InputError
from latentrank.io import write_text
from latentrank.methods import MethodOptions
from latentrank.runs import Run
from latentrank.runs.cache import content

Settings = dict[str, Any]


class Row(NamedTuple):
    """Runs that differ in their seed alone.

    Attributes:
        config: configuration of the first.
        settings: those that a command line has to name, as typed there.
        metrics: one entry per run.
        seeds: one per run.
    """

    config: RunConfig
    settings: Settings
    metrics: list[dict[str, Any]]
    seeds: list[int]


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]], align: str = "") -> str:
    """A table; `align` has one letter per column, `l` or `r`."""
    rule = ["---:" if mark == "r" else "---" for mark in align.ljust(len(header), "l")]
    cells = ([cell.replace("|", r"\|") for cell in row] for row in (header, rule, *rows))
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def methods_table() -> str:
    """What `latentrank methods` lists."""
    rows = [methods.get(name) for name in methods.names()]
    return markdown(["method", "summary"], ([f"`{row.name}`", row.summary] for row in rows))


def settings_table() -> str:
    """Every setting of a run, with its default and description."""
    return markdown(
        ["setting", "default", "description"],
        (
            [f"`{name}`", default_of(field), field.description or ""]
            for name, field in known_settings().items()
        ),
    )


def default_of(field: FieldInfo) -> str:
    """A default as in YAML; empty if there is none."""
    value = None if field.is_required() else field.get_default(call_default_factory=True)
    return "" if value in (None, []) else f"`{str(value).lower() if value is False else value}`"


def datasets_table() -> str:
    """What `latentrank datasets` lists, with the sources."""
    return markdown(
        ["data", "description", "sample", "training", "test", "dimension", "source"],
        (
            [
                f"`{row.name}`",
                row.summary,
                "×".join(map(str, row.shape)),
                f"{row.train_size:,}",
                f"{row.test_size:,}",
                str(row.true_dimension or ""),
                row.source,
            ]
            for row in data.describe()
        ),
        "llrrrrl",
    )


def results_table(folders: Sequence[Path]) -> str:
    """Rank, error and time of each run, mean and spread where only the seed differs."""
    rows = grouped([Run(folder) for folder in folders])
    shared = {
        name: value
        for name, value in rows[0].settings.items()
        if name in known_settings() and all(row.settings.get(name) == value for row in rows)
    }
    width = {row.config.latent_dim for row in rows}
    table = markdown(
        [
            "method",
            f"rank of {width.pop()}" if len(width) == 1 else "rank",
            "paper's rank",
            "validation error",
            "seconds",
        ],
        (
            [
                f"`{as_typed(row, without=shared)}`",
                measured([m["rank"] for m in row.metrics], ".0f", ".1f", ".1f"),
                published(row.config),
                measured([m["validation_error"] for m in row.metrics], ".3g", ".3g", ".1g"),
                measured([m["seconds"] for m in row.metrics], ".0f", ".0f", ".0f"),
            ]
            for row in rows
        ),
        "lrrrr",
    )
    return f"{table}\n{command(rows, shared)}\n"


def command(rows: Sequence[Row], shared: Settings) -> str:
    """How to repeat the runs of a table."""
    seeds = sorted({seed for row in rows for seed in row.seeds})
    typed = " ".join(["latentrank train METHOD", *options(shared), "--seed SEED"])
    return (
        f"Each row is `{typed}`, METHOD as given and SEED {', '.join(map(str, seeds))}. The rank "
        "counts the covariance singular values of the test codes above 1e-4 of the largest; the "
        "error is the mean square over all test values; ± is the standard deviation over the "
        "seeds. Beside the paper's rank is the recipe of its table, which has the paper's settings."
    )


def grouped(runs: Sequence[Run]) -> list[Row]:
    """One row for runs that differ in their seed alone, in the order in which they come."""
    rows: dict[str, Row] = {}
    for run in runs:
        config = run.settings
        same = named_settings(config)
        key = json.dumps([config.method, same], sort_keys=True, default=str)
        row = rows.setdefault(key, Row(config, same, [], []))
        row.metrics.append(run.metrics)
        row.seeds.append(config.training.seed)
    return list(rows.values())


def named_settings(config: RunConfig) -> Settings:
    """What a command line names beside the method: data, length, and all that is not default."""
    differing = content(config)
    unit, length = config.training.length
    first = {"data": Path(config.data.source).name, unit: length}
    aside = {*first, "epochs", "seed", "validate_every"}
    chosen = {**differing["settings"], **differing["options"]}
    return {**first, **{name: value for name, value in chosen.items() if name not in aside}}


def as_typed(row: Row, without: Settings) -> str:
    """The method and the options of a row, as on the command line."""
    own = {name: value for name, value in row.settings.items() if name not in without}
    return " ".join([row.config.method, *options(own)])


def options(settings: Settings) -> list[str]:
    """Settings as on the command line."""
    typed = []
    for name, value in settings.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            typed.append(f"--{option}" if value else f"--no-{option}")
        else:
            typed.append(f"--{option} {value}")
    return typed


def published(config: RunConfig) -> str:
    """The rank that a paper prints for this method, data and options, and its recipe's name."""
    wanted = (config.data.source, config.method, config.options)
    return next((text for *run, text in printed_ranks() if tuple(run) == wanted), "")


@cache
def printed_ranks() -> list[tuple[str, str, MethodOptions, str]]:
    """Every rank that a recipe has from its paper: data, method, options, rank and recipe."""
    found = []
    for name in recipes.names():
        recipe = recipes.load(name)
        for part, row in product(recipe.parts, recipe.rows):
            rank = part.published.get("rank", {}).get(row.name)
            if rank is not None:
                known = methods.get(row.method).options.model_fields
                shared = {k: v for k, v in part.options.items() if k in known}
                options = methods.options(row.method, {**shared, **row.options})
                where = recipes.presets()[part.preset].data
                found.append((where, row.method, options, f"{rank:g} ({name})"))
    return found


def reproductions(folders: Sequence[Path]) -> str:
    """What `latentrank reproduce` wrote, one after the other."""
    texts = [(folder / "table.md").read_text(encoding="utf-8") for folder in folders]
    return "\n".join(without_weights(text) for text in texts)


def without_weights(text: str) -> str:
    """A table's text without the sentences on Inception's weights, which the page says once."""
    lines = [line for line in text.splitlines() if "the inception weights" not in line.lower()]
    kept = "\n".join(lines) + "\n"
    return re.sub(r"Missing values:\n\n(?!-)", "", kept)


def numbers(folders: Sequence[Path]) -> str:
    """The same without claims and notes: the table, how it is to be read, and its command."""
    blocks = [block for one in folders for block in reproductions([one]).split("\n\n")]
    return (
        "\n\n".join(b.strip() for b in blocks if b.lstrip().startswith(("|", "`", "Mean "))) + "\n"
    )


def measured(values: Sequence[float | None], one: str, mean: str, spread: str) -> str:
    """What was measured, in the format `one`, or its mean and spread; empty for nothing."""
    numbers = [value for value in values if value is not None]
    if len(numbers) < 2:
        return "".join(format(number, one) for number in numbers)
    return f"{statistics.mean(numbers):{mean}} ± {statistics.stdev(numbers):{spread}}"


def replaced(text: str, name: str, table: str) -> str:
    """A document with a table between its markers in place of what stood there.

    Raises:
        InputError: the document has no such markers.
    """
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise InputError(
            f"The document has no place for '{name}'; write {start} and {end} where it goes, once."
        )
    return pattern.sub(lambda _: f"{start}\n\n{table}\n{end}", text)


_OF_THE_PACKAGE = {"methods": methods_table, "datasets": datasets_table, "settings": settings_table}
_OF_FOLDERS = {
    "results": results_table,
    "reproductions": reproductions,
    "numbers": numbers,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table, or put it into a document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=[*_OF_THE_PACKAGE, *_OF_FOLDERS])
    parser.add_argument(
        "folders", nargs="*", type=Path, metavar="FOLDER", help="of finished runs or reproductions"
    )
    parser.add_argument("--into", type=Path, metavar="FILE", help="document to put the table into")
    parser.add_argument("--at", metavar="NAME", help="name of its place there")
    given = parser.parse_args(arguments)
    made_of_folders = given.table in _OF_FOLDERS
    if made_of_folders != bool(given.folders) or (given.into is None) != (given.at is None):
        parser.error(
            f"{', '.join(_OF_FOLDERS)} need folders, {', '.join(_OF_THE_PACKAGE)} none; "
            "--into and --at go together"
        )
    try:
        if made_of_folders:
            table = _OF_FOLDERS[given.table](given.folders)
        else:
            table = _OF_THE_PACKAGE[given.table]()
        if given.into is None:
            print(table, end="")
        else:
            text = given.into.read_text(encoding="utf-8")
            write_text(given.into, replaced(text, given.at, table))
    except (InputError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
