"""Recipes of the papers' tables and figures: their schema, and one YAML file each.

A recipe states which methods are trained on which data, what is measured, what the paper published,
and how the set-up differs. `latentrank.reproduce` runs it.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from latentrank import config, data, methods, metrics
from latentrank.errors import InputError, check_all_known, check_known, unknown
from latentrank.io import read_yaml
from latentrank.methods.option_types import expected, reason

Budget = Literal["small", "medium", "paper"]
BUDGETS: tuple[Budget, ...] = get_args(Budget)
Settings = dict[str, Any]

_FOLDER = Path(__file__).parent


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Preset(_Strict):
    """A data set with the papers' training settings, shared by recipes: `recipes/presets.yaml`."""

    data: str = Field(description="name of the data set")
    paper: Settings = Field(description="settings of the papers")
    medium: Settings = Field(default={}, description="settings that differ in the medium budget")
    small: Settings = Field(default={}, description="settings that differ in the small budget")
    samples: dict[Budget, int] = Field(
        default={}, description="generated samples for a distance; 10 000 unless given"
    )
    densities: dict[str, str] = Field(
        default={}, description="density: the density used here, such as gmm:components=10"
    )
    differences: list[str] = Field(default=[], description="from the papers' set-up")

    def settings(self, budget: Budget) -> Settings:
        """The configuration of a run."""
        differing = {"small": self.small, "medium": self.medium, "paper": {}}
        return {**self.paper, **differing[budget]}


class Part(_Strict):
    """The part of a recipe on one data set."""

    preset: str = Field("", description="name of a preset")
    data: str = Field(
        "", description="data set instead of a preset, or a path relative to the recipe's file"
    )
    name: str = Field("", description="heading; by default, the name of the preset or the data")
    settings: Settings = Field(default={}, description="override the preset's, in every budget")
    rows: list[str] = Field(default=[], description="names of its rows; by default all")
    row_settings: dict[str, Settings] = Field(
        default={}, description="row: its settings here, over all others"
    )
    options: Settings = Field(default={}, description="options for those methods that have them")
    row_options: dict[str, Settings] = Field(
        default={}, description="row: options of its method here, over all others"
    )
    metrics: dict[str, str] = Field(
        {"error": "error", "rank": "rank"},
        min_length=1,
        description="column: metric, see `latentrank.metrics`",
    )
    published: dict[str, dict[str, float | tuple[float, float]]] = Field(
        default={}, description="column: row: the paper's value, or value and spread"
    )

    @model_validator(mode="after")
    def _has_data(self) -> Part:
        if bool(self.preset) == bool(self.data):
            raise ValueError("a part needs either data or a preset")
        if self.data and "data" in self.settings:
            raise ValueError("data is given twice, in the part and in its settings")
        return self

    @property
    def heading(self) -> str:
        """The name of the part."""
        return self.name or self.preset or Path(self.data).stem

    @property
    def source(self) -> Preset:
        """The preset, or the data with default settings."""
        return presets()[self.preset] if self.preset else Preset(data=self.data, paper={})


class Row(_Strict):
    """A method with options: one row of the table."""

    name: str = Field("", description="name in the table and figures; by default the method's")
    method: str = Field(description="name of the method")
    options: Settings = Field(default={}, description="of the method")
    settings: Settings = Field(default={}, description="over the part's")
    x: float | None = Field(None, description="x of this row in a power law")
    trained: bool = Field(True, description="false: its metrics need no trained model")
    metrics: dict[str, str] = Field(default={}, description="over the part's, by column")
    few_seeds: int | None = Field(
        None, ge=0, description="maximum, unless the budget is paper; 0 omits the row there"
    )

    @model_validator(mode="before")
    @classmethod
    def _named_by_method(cls, values: Any) -> Any:
        if isinstance(values, str):
            values = {"method": values}
        return {"name": values.get("method"), **values} if isinstance(values, dict) else values


class Claim(_Strict):
    """A claim of the paper, to be checked against the measured means."""

    text: str
    part: str = Field("", description="heading of the part; the first unless given")
    column: str
    rising: list[str] = Field(default=[], description="rows in increasing order")
    lowest: str | None = Field(None, description="row")
    highest: str | None = Field(None, description="row")


class Power(_Strict):
    """A power law fitted to a column."""

    column: str
    x_label: str
    expected: float


class Recipe(_Strict):
    """A table or figure of a paper, or your own experiment."""

    title: str
    paper: str = Field("", description="which paper, and which table or figure of it")
    seeds: int = Field(3, ge=1, description="number of seeds per row, unless the command sets it")
    parts: list[Part] = Field(min_length=1)
    rows: list[Row] = Field(min_length=1)
    figures: list[str] = Field(
        default=[],
        description="spectrum, interpolation, pca, samples:DENSITY, tsne:DENSITY, bars:COLUMN, "
        "seeds:COLUMN",
    )
    summary: Literal["mean", "median"] = Field(
        "mean", description="what cells show of their seeds; median where outcomes fall into groups"
    )
    power: Power | None = None
    claims: list[Claim] = Field(default=[])
    differences: list[str] = Field(default=[], description="from the paper's set-up")

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        _different("row", (row.name for row in self.rows))
        _different("part", (part.heading for part in self.parts))
        for part in self.parts:
            self._check_part(part)
        for row in self.rows:
            methods.options(row.method, row.options)
            _overridable(f"row '{row.name}'", row.settings, _options_of([row]))
            check_all_known("column", row.metrics, self._columns)
            _measurable(row.metrics)
        for claim in self.claims:
            self._check_claim(claim)
        for figure in self.figures:
            self._check_figure(figure)
        if self.power is not None:
            check_all_known("column", [self.power.column], self._columns)
        return self

    def _check_part(self, part: Part) -> None:
        rows = [row.name for row in self.rows]
        for named in (part.rows, part.row_settings, part.row_options):
            check_all_known("row", named, rows)
        for column, values in part.published.items():
            check_all_known("column", [column], part.metrics)
            check_all_known("row", values, rows)
        _measurable(part.metrics)
        options = _options_of(self.rows_of(part))
        for settings in (part.settings, *part.row_settings.values()):
            _overridable(f"part '{part.heading}'", settings, options)
        check_all_known("option of its rows' methods called", part.options, options)

    def _check_claim(self, claim: Claim) -> None:
        part = self.part(claim.part)
        check_all_known("column", [claim.column], part.metrics)
        extremes = [name for name in (claim.lowest, claim.highest) if name is not None]
        check_all_known("row", [*claim.rising, *extremes], [row.name for row in self.rows_of(part)])
        if len(claim.rising) < 2 and not extremes:
            raise ValueError(
                f"the claim '{claim.text}' compares nothing; give two rising rows or more, or the "
                "lowest or highest one"
            )

    def _check_figure(self, figure: str) -> None:
        kind, colon, argument = figure.partition(":")
        check_all_known("figure", [kind], FIGURES)
        if bool(colon) != bool(FIGURES[kind]):
            raise ValueError(f"a figure is '{figure}', expected {kind}{FIGURES[kind]}")
        if kind == "bars" and self.summary == "median":
            raise ValueError(
                f"a figure is '{figure}', which shows means, and the summary is median; write "
                f"seeds:{argument}"
            )
        if FIGURES[kind] == ":COLUMN":
            check_all_known("column", [argument], self._columns)
        elif argument:
            metrics.check(f"fd:{argument}")

    @property
    def _columns(self) -> list[str]:
        return list(dict.fromkeys(column for part in self.parts for column in part.metrics))

    def rows_of(self, part: Part) -> list[Row]:
        """The rows that a part has."""
        return [row for row in self.rows if not part.rows or row.name in part.rows]

    def metrics_of(self, part: Part) -> list[str]:
        """The metrics of a part, and those with which rows override them."""
        own = (row.metrics.items() for row in self.rows_of(part))
        return [*part.metrics.values(), *(m for c, m in itertools.chain(*own) if c in part.metrics)]

    def part(self, name: str) -> Part:
        """The part with a heading, the first for an empty one."""
        for part in self.parts:
            if name in ("", part.heading):
                return part
        raise unknown("part", name, (part.heading for part in self.parts))


#: Figures by name, with the argument that they take.
FIGURES = {
    "spectrum": "", "interpolation": "", "pca": "", "samples": ":DENSITY", "tsne": ":DENSITY",
    "bars": ":COLUMN", "seeds": ":COLUMN",
}  # fmt: skip

#: Settings of a run that an experiment specifies elsewhere, and where.
_GIVEN_ELSEWHERE = {
    "method": "rows", "options": "options beside settings", "seed": "seeds",
    "device": "--device", "download": "--download",
}  # fmt: skip


def _options_of(rows: Iterable[Row]) -> list[str]:
    """The names of the options of the rows' methods, each once."""
    of_methods = (methods.get(row.method).options.model_fields for row in rows)
    return list(dict.fromkeys(itertools.chain(*of_methods)))


def _overridable(where: str, given: Settings, options: Collection[str]) -> None:
    for name in given:
        if name in options:
            raise ValueError(
                f"the settings of {where} hold {name}, which is an option of a method; give it "
                "under options"
            )
        if name in _GIVEN_ELSEWHERE:
            raise ValueError(
                f"the settings of {where} hold {name}, which is given by {_GIVEN_ELSEWHERE[name]}"
            )
        check_known(f"setting for {where} called", name, config.settings())


def _different(kind: str, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"there are {count} {kind}s called '{name}'; give each a name")


def _measurable(columns: Mapping[str, str]) -> None:
    for metric in columns.values():
        metrics.check(metric)


def names() -> list[str]:
    """The recipes that come with the package.

    Example:
        >>> "lorae-table-7" in names()
        True
    """
    return sorted(
        (path.stem for path in _FOLDER.glob("*.yaml") if path.stem != "presets"), key=_natural
    )


def _natural(name: str) -> list[int | str]:
    """Sort key that puts table 10 after table 9."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def load(name: str) -> Recipe:
    """A recipe by name, or from your own file.

    Args:
        name: one of `names()`, or the path of a `.yaml` file.

    Raises:
        InputError: there is none, or the file is not a recipe.

    Example:
        >>> load("lorae-table-7").parts[0].published["rank"]["1e-3"]
        18.0
    """
    own = Path(name).suffix.lower() in (".yaml", ".yml")
    if not own:
        check_known("recipe", name, names())
    path = Path(name) if own else _FOLDER / f"{name}.yaml"
    try:
        recipe = Recipe(**read_yaml(path))
    except ValidationError as error:
        raise _message(error, path.name) from None
    except TypeError as error:
        raise InputError(
            f"{path.name} is not a recipe ({error}); docs/experiments.md explains the keys."
        ) from None
    check_all_known("preset", (part.preset for part in recipe.parts if part.preset), presets())
    _find_data(recipe, path.parent)
    return recipe


def _find_data(recipe: Recipe, folder: Path) -> None:
    """Turn data paths relative to the recipe's folder into paths relative to the working folder."""
    for part in recipe.parts:
        if part.data and part.data not in data.names():
            with contextlib.suppress(OSError):  # longer than a path may be
                beside = str(folder / part.data)
                part.data = beside if data.place(beside)[0].exists() else part.data


def only(recipe: Recipe, parts: Sequence[str]) -> Recipe:
    """A recipe restricted to some of its data sets.

    Args:
        recipe: the recipe.
        parts: headings; empty keeps all.

    Raises:
        InputError: there is no such part.

    Example:
        >>> [part.preset for part in only(load("lorae-table-3"), ["celeba"]).parts]
        ['celeba']
    """
    if not parts:
        return recipe
    chosen = [recipe.part(name) for name in parts]
    kept = [part for part in recipe.parts if part in chosen]
    first = recipe.parts[0].heading
    headings = [part.heading for part in kept]
    claims = [claim for claim in recipe.claims if (claim.part or first) in headings]
    return recipe.model_copy(update={"parts": kept, "claims": claims})


@cache
def presets() -> dict[str, Preset]:
    """The data sets of the recipes, with the papers' settings and the small ones."""
    return {name: Preset(**row) for name, row in read_yaml(_FOLDER / "presets.yaml").items()}


def _message(error: ValidationError, source: str) -> InputError:
    # a missing key is usually a misspelt one
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    where = ".".join(map(str, first["loc"]))
    kind = Recipe if len(first["loc"]) == 1 else _KINDS.get(str(*first["loc"][:1]))
    name = str(first["loc"][-1]) if first["loc"] else ""
    if first["type"] == "missing":
        return InputError(f"{source} has no {where}; docs/experiments.md explains the keys.")
    if first["type"] == "extra_forbidden" and kind:
        return unknown(f"key in {source} called", where, kind.model_fields)
    if first["type"] == "too_short":
        return InputError(f"{where} in {source} is empty; give one at least.")
    if first["type"] == "model_type":
        keys = ", ".join(kind.model_fields) if kind else "keys"
        return InputError(
            f"{where} in {source} is {first['input']!r}, expected keys with values, of {keys}."
        )
    if kind and name in kind.model_fields and "error" not in first.get("ctx", {}):
        wanted = expected(kind, name)
        return InputError(f"{where} in {source} is {first['input']!r}, expected {wanted}.")
    return InputError(f"{where and f'{where} in '}{source} cannot be used: {reason(first)}.")


#: What the lists of a recipe hold.
_KINDS: dict[str, type[BaseModel]] = {
    "parts": Part, "rows": Row, "claims": Claim, "power": Power
}  # fmt: skip
