"""Recipes of the papers' tables and figures: their schema, and one YAML file each.

A recipe states which methods are trained on which data, what is measured, what the paper published,
and how the set-up differs. `latentrank.reproduce` runs it.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from latentrank import data, methods, metrics
from latentrank.errors import InputError, unknown
from latentrank.io import read_yaml

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
    medium: Settings = Field(
        default_factory=dict, description="settings that differ in the medium budget"
    )
    small: Settings = Field(
        default_factory=dict, description="settings that differ in the small budget"
    )
    samples: dict[Budget, int] = Field(
        default_factory=dict, description="generated samples for a distance; 10 000 unless given"
    )
    densities: dict[str, str] = Field(
        default_factory=dict,
        description="density: the density used here, such as gmm:components=10",
    )
    differences: list[str] = Field(default_factory=list, description="from the papers' set-up")

    def settings(self, budget: Budget) -> Settings:
        """The configuration of a run."""
        differing = {"small": self.small, "medium": self.medium, "paper": {}}
        return {**self.paper, **differing[budget]}


class Part(_Strict):
    """The part of a recipe on one data set."""

    preset: str = Field("", description="name of a preset")
    data: str = Field(
        "", description="instead of a preset: a data set, or a path relative to the recipe's file"
    )
    name: str = Field("", description="heading; by default the name of the preset or the data")
    settings: Settings = Field(
        default_factory=dict, description="override the preset's, in every budget"
    )
    rows: list[str] = Field(default_factory=list, description="its rows; all unless named")
    row_settings: dict[str, Settings] = Field(
        default_factory=dict, description="row: its settings here, over all others"
    )
    options: Settings = Field(
        default_factory=dict, description="options for those methods that have them"
    )
    row_options: dict[str, Settings] = Field(
        default_factory=dict, description="row: options of its method here, over all others"
    )
    metrics: dict[str, str] = Field(
        {"error": "error", "rank": "rank"}, description="column: metric, see `latentrank.metrics`"
    )
    published: dict[str, dict[str, float | tuple[float, float]]] = Field(
        default_factory=dict, description="column: row: the paper's value, or value and spread"
    )

    @model_validator(mode="after")
    def _has_data(self) -> Part:
        if bool(self.preset) == bool(self.data):
            raise ValueError("a part needs either data or a preset")
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
    options: Settings = Field(default_factory=dict, description="of the method")
    settings: Settings = Field(default_factory=dict, description="over the part's")
    x: float | None = Field(None, description="its x in a power law")
    trained: bool = Field(True, description="false: its metrics need no trained model")
    metrics: dict[str, str] = Field(default_factory=dict, description="over the part's")
    small_seeds: int | None = Field(
        None, ge=0, description="maximum, small budget; 0 omits the row there"
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
    rising: list[str] = Field(default_factory=list, description="rows in increasing order")
    lowest: str | None = Field(None, description="row")
    highest: str | None = Field(None, description="row")


class Power(_Strict):
    """A power law fitted to a column."""

    column: str
    x_label: str
    expected: float


class Recipe(_Strict):
    """A table or figure of a paper, or an experiment of your own."""

    title: str
    paper: str = Field("", description="which paper, and which table or figure of it")
    seeds: int = Field(3, ge=1, description="number of seeds per row, unless the command says")
    parts: list[Part] = Field(min_length=1)
    rows: list[Row] = Field(min_length=1)
    figures: list[str] = Field(
        default_factory=list,
        description="spectrum, interpolation, pca, samples:DENSITY, tsne:DENSITY, bars:COLUMN, "
        "seeds:COLUMN",
    )
    summary: Literal["mean", "median"] = Field(
        "mean", description="what a cell gives of its seeds; the median where outcomes differ"
    )
    power: Power | None = None
    claims: list[Claim] = Field(default_factory=list)
    differences: list[str] = Field(default_factory=list, description="from the paper's set-up")

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        rows = [row.name for row in self.rows]
        for name, count in Counter(rows).items():
            if count > 1:
                raise ValueError(f"there are {count} rows called '{name}'")
        for part in self.parts:
            for named in (part.rows, part.row_settings, part.row_options):
                _known("row", named, rows)
            for column, values in part.published.items():
                _known("column", [column], part.metrics)
                _known("row", values, rows)
            for metric in part.metrics.values():
                metrics.parse(metric)
        for row in self.rows:
            methods.options(row.method, row.options)
            for metric in row.metrics.values():
                metrics.parse(metric)
        for claim in self.claims:
            _known("row", [*claim.rising, *filter(None, [claim.lowest, claim.highest])], rows)
            part = self.part(claim.part)
            _known("column", [claim.column], part.metrics)
        return self

    def rows_of(self, part: Part) -> list[Row]:
        """The rows that a part has."""
        return [row for row in self.rows if not part.rows or row.name in part.rows]

    def part(self, name: str) -> Part:
        """The part with a heading, the first for an empty one."""
        for part in self.parts:
            if name in ("", part.heading):
                return part
        raise unknown("part", name, (part.heading for part in self.parts))


def _known(kind: str, given: Iterable[str], known: Iterable[str]) -> None:
    names = list(known)
    for name in given:
        if name not in names:
            raise unknown(kind, name, names)


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
    """A recipe by name, or from a file of your own.

    Args:
        name: one of `names()`, or the path of a `.yaml` file.

    Raises:
        InputError: there is none, or the file is not a recipe.

    Example:
        >>> load("lorae-table-7").parts[0].published["rank"]["1e-3"]
        18.0
    """
    own = Path(name)
    if own.suffix not in (".yaml", ".yml") and name not in names():
        raise unknown("recipe", name, names())
    path = own if own.suffix in (".yaml", ".yml") else _FOLDER / f"{name}.yaml"
    try:
        recipe = Recipe(**read_yaml(path))
    except ValidationError as error:
        raise InputError(_message(error, path.name)) from None
    except TypeError as error:
        raise InputError(
            f"{path.name} is not a recipe ({error}); docs/experiments.md explains the keys."
        ) from None
    _known("preset", (part.preset for part in recipe.parts if part.preset), presets())
    _find_data(recipe, path.parent)
    return recipe


def _find_data(recipe: Recipe, folder: Path) -> None:
    """Make paths of data relative to the working folder, from ones relative to the recipe's."""
    for part in recipe.parts:
        if part.data and part.data not in data.names():
            with contextlib.suppress(OSError):  # longer than a path may be
                if (folder / part.data).exists():
                    part.data = str(folder / part.data)


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


def _message(error: ValidationError, source: str) -> str:
    # a key that is missing is usually there, but misspelt
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"]) or "the recipe"
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    if first["type"] == "extra_forbidden":
        message = "there is no such key"
    return f"{where} in {source} cannot be used: {message}."
