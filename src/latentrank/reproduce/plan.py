"""The runs and metrics that a recipe needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from latentrank import methods, metrics
from latentrank.config import SAMPLES, RunConfig
from latentrank.errors import check_count, check_known
from latentrank.metrics import Subject
from latentrank.recipes import BUDGETS, Budget, Part, Recipe, Row, Settings
from latentrank.runs.cache import PlannedRun, folder_name


class Job(NamedTuple):
    """One seed of one row on one data set.

    Attributes:
        part: heading of its part.
        row: name of its row.
        config: its configuration.
        folder: its run folder, existing or not.
        trained: whether it needs training.
        metrics: column to metric, including density options.
        samples: number of generated samples for a distance.
    """

    part: str
    row: str
    config: RunConfig
    folder: Path
    trained: bool
    metrics: dict[str, str]
    samples: int

    @property
    def title(self) -> str:
        """Row, part and seed, for progress messages."""
        return f"{self.row}, {self.part}, seed {self.config.training.seed}"

    @property
    def training(self) -> PlannedRun:
        """The run that it needs before it can be measured."""
        return PlannedRun(self.title, self.part, self.config, self.folder)

    def subject(self, weights: Mapping[str, Path] | None = None, download: bool = False) -> Subject:
        """The subject that its metrics are measured on."""
        return Subject(
            self.config, self.folder, self.samples, weights=weights or {}, download=download
        )


def plan(
    recipe: Recipe,
    budget: Budget,
    seeds: int,
    out: Path,
    *,
    data_root: str | Path | None = None,
    download: bool = False,
    device: str = "auto",
) -> list[Job]:
    """Every run and measurement of a recipe, row by row.

    Args:
        recipe: the recipe.
        budget: `"small"`, `"medium"` or `"paper"`.
        seeds: 0 to `seeds - 1` of each row.
        out: folder for all reproductions; runs are in `out/runs`.
        data_root: folder of data files.
        download: whether data files may be downloaded.
        device: where to train.

    Raises:
        InputError: settings that do not exist or are out of range.
    """
    check_known("budget", budget, BUDGETS)
    check_count(seeds, "seeds")
    machine = {"download": download, "device": device}
    machine |= {"data_root": data_root} if data_root else {}
    return [
        _job(part, row, budget, seed, out / "runs", machine)
        for part in recipe.parts
        for row in recipe.rows_of(part)
        for seed in range(_seeds(row, budget, seeds))
    ]


def _seeds(row: Row, budget: Budget, seeds: int) -> int:
    few = budget != "paper" and row.few_seeds is not None
    return min(seeds, row.few_seeds or 0) if few else seeds


def _job(part: Part, row: Row, budget: Budget, seed: int, runs: Path, machine: Settings) -> Job:
    preset = part.source
    known = methods.get(row.method).options.model_fields
    shared = {name: value for name, value in part.options.items() if name in known}
    values = {
        "data": preset.data,
        **preset.settings(budget),
        **part.settings,
        **row.settings,
        **part.row_settings.get(row.name, {}),
        "method": row.method,
        "options": {**shared, **row.options, **part.row_options.get(row.name, {})},
        "seed": seed,
        **machine,
    }
    config = RunConfig(**values)
    return Job(
        part.heading,
        row.name,
        config,
        runs / folder_name(config, row.trained),
        row.trained,
        {
            column: _with_options(row.metrics.get(column, text), preset.densities)
            for column, text in part.metrics.items()
        },
        preset.samples.get(budget, SAMPLES),
    )


def _with_options(text: str, densities: Mapping[str, str]) -> str:
    """A metric with the density options of the preset."""
    spec = metrics.parse(text)
    return spec._replace(argument=densities.get(spec.argument, spec.argument)).text
