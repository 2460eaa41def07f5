"""Reproduction of the papers' tables and figures: train what is missing, measure, compare.

Recipes come from `latentrank.recipes`, or are your own. Runs are cached by `latentrank.runs.cache`
and shared between recipes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from latentrank import metrics
from latentrank.advice import spoken
from latentrank.errors import InputError
from latentrank.recipes import Budget, Part, Recipe, load, only
from latentrank.report import write_comparison
from latentrank.report.reproduction import Cell, Grid, Page, file_names, write_reproduction
from latentrank.reproduce.check import check
from latentrank.reproduce.figures import figures
from latentrank.reproduce.plan import Job, plan
from latentrank.reproduce.text import command, differences, source_version, verdict
from latentrank.runs import Run
from latentrank.runs.cache import PlannedRun, is_done
from latentrank.runs.executor import Say, train_all

__all__ = ["Job", "command", "differences", "plan", "reproduce", "source_version", "verdict"]


def reproduce(
    name: str,
    *,
    seeds: int | None = None,
    budget: Budget = "small",
    parts: Sequence[str] = (),
    out: str | Path = "reproductions",
    data_root: str | Path | None = None,
    download: bool = False,
    weights: Mapping[str, Path] | None = None,
    device: str = "auto",
    cluster: str | None = None,
    train: bool = True,
    say: Say = lambda text: None,
    progress: bool = False,
) -> Page:
    """Train missing runs, measure, and write a recipe's table next to the published values.

    Args:
        name: name of a recipe, or the path of your own.
        seeds: number of seeds per row; by default the recipe's.
        budget: `"small"` fits two cores in about an hour; `"medium"` has a fifth of the papers'
            epochs, on all training data except for faces; `"paper"` is their set-up.
        parts: data sets of the recipe to include, by heading; all by default.
        out: folder for all reproductions.
        data_root: folder of data files.
        download: whether data files and weights may be downloaded.
        weights: weights files by the name of the features, such as `"inception"`.
        device: where to train.
        cluster: address of a Dask scheduler whose workers train; None for this machine.
        train: whether to train missing runs, or only measure the existing ones.
        say: called with progress messages.
        progress: show a progress line for each run.

    Returns:
        The page; the folder `out/NAME` holds `table.md`, `table.json`, figures and `report.html`.
        An experiment that names no paper also has a comparison of its runs for each data set, with
        tables as CSV and LaTeX.

    Raises:
        InputError: there is no such recipe or part, or none of its rows can be produced.
    """
    recipe, out = only(load(name), parts), Path(out)
    seeds = recipe.seeds if seeds is None else seeds
    jobs = plan(recipe, budget, seeds, out, data_root=data_root, download=download, device=device)
    if not jobs:
        raise InputError(
            f"No row of {name} has a seed with the budget {budget}; raise few_seeds, or choose the "
            "budget paper."
        )
    trainings = [job.training for job in jobs if job.trained]
    if train and not all(map(is_done, trainings)):
        check(jobs, say, weights, download)
    failed = train_all(trainings, say, progress, cluster) if train else _missing(trainings)
    found = [_measured(job, failed, weights, download, say) for job in jobs]
    if not any(one.values for one in found):
        raise InputError(next(reason for one in found for reason in one.reasons.values()))
    stem = Path(name).stem
    size = budget if any(part.preset for part in recipe.parts) else ""
    page = Page(
        name=stem,
        title=f"{recipe.title}: {', '.join(parts)}" if parts else recipe.title,
        paper=recipe.paper,
        budget=size,
        summary=recipe.summary,
        seeds=seeds,
        version=source_version(),
        command=command(name, seeds, size, parts, train or not failed),
        grids=[_grid(part, recipe, jobs, found) for part in recipe.parts],
        differences=differences(recipe, budget),
        notes=_notes(jobs, found),
    )
    page.claims = [verdict(claim, page) for claim in recipe.claims]
    say("drawing the figures")
    usable = [job for job in jobs if job.folder.name not in failed and job.trained]
    drawn = figures(recipe, page, usable)
    if not recipe.paper:
        _compare(page, recipe, usable, out / stem)
    write_reproduction(page, drawn, out / stem)
    return page


def _compare(page: Page, recipe: Recipe, jobs: Sequence[Job], folder: Path) -> None:
    """Write pages that compare the runs of each part, with their tables and figures as files.

    A note says why there is none.
    """
    names = file_names([part.heading for part in recipe.parts])
    for name, part in zip(names, recipe.parts, strict=True):
        runs = {job.folder: job for job in jobs if job.part == part.heading}
        labels = list(dict.fromkeys(job.row for job in runs.values()))
        path = folder / ("compare.html" if len(names) == 1 else f"compare-{name}.html")
        try:
            if runs:
                found = write_comparison([Run(one) for one in runs], path, labels)
                page.comparisons.append(found)
        except InputError as error:
            page.notes.append(f"No comparison of {part.heading}: {error}")


def _missing(trainings: Sequence[PlannedRun]) -> dict[str, str]:
    return {
        training.folder.name: "Not all of its seeds have been trained; the same command "
        "without --no-train trains them."
        for training in trainings
        if not is_done(training)
    }


class Found(NamedTuple):
    """The values of one job by column, and why the other columns are empty."""

    values: dict[str, float]
    reasons: dict[str, str]


def _measured(
    job: Job,
    failed: dict[str, str],
    weights: Mapping[str, Path] | None,
    download: bool,
    say: Say,
) -> Found:
    found = Found({}, {})
    if job.folder.name in failed:
        found.reasons.update(dict.fromkeys(job.metrics, failed[job.folder.name]))
        return found
    say(f"measuring {job.title}")
    subject = job.subject(weights, download)
    for column, metric in job.metrics.items():
        try:
            found.values[column] = metrics.measure(subject, metric).value
        except InputError as error:
            found.reasons[column] = str(error)
    return found


def _grid(part: Part, recipe: Recipe, jobs: Sequence[Job], found: Sequence[Found]) -> Grid:
    cells = {
        row.name: {
            column: Cell(
                values=[
                    one.values[column]
                    for job, one in zip(jobs, found, strict=True)
                    if (job.part, job.row) == (part.heading, row.name) and column in one.values
                ],
                published=_published(part, column, row.name),
                summary=recipe.summary,
            )
            for column in part.metrics
        }
        for row in recipe.rows_of(part)
    }
    return Grid(part.heading, list(part.metrics), cells)


def _published(part: Part, column: str, row: str) -> tuple[float, float | None] | None:
    value = part.published.get(column, {}).get(row)
    if value is None:
        return None
    return (value, None) if isinstance(value, float) else value


def _notes(jobs: Sequence[Job], found: Sequence[Found]) -> list[str]:
    """Reasons for empty cells, each stated once with the rows and columns it applies to."""
    rows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for job, one in zip(jobs, found, strict=True):
        for column, reason in one.reasons.items():
            if (label := f"{job.row} ({job.part})") not in rows[reason, column]:
                rows[reason, column].append(label)
    columns: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (reason, column), about in rows.items():
        columns[spoken(reason), ", ".join(about)].append(column)
    return [
        f"{' and '.join(names)} of {about}: {reason}" for (reason, about), names in columns.items()
    ]
