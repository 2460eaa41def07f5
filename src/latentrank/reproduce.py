"""The papers' tables and figures as something to run: train what is missing, measure, compare.

Recipes are those of `latentrank.recipes`, or your own. Trainings are those of
`latentrank.runs.cache`, which recipes share.
"""

from __future__ import annotations

import shlex
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from latentrank import __version__, methods
from latentrank import measures as measuring
from latentrank.config import RunConfig
from latentrank.errors import InputError, unknown
from latentrank.measures import Subject
from latentrank.recipes import (
    BUDGETS,
    Budget,
    Claim,
    Part,
    Power,
    Preset,
    Recipe,
    Row,
    Settings,
    load,
    only,
    presets,
)
from latentrank.report.reproduction import Cell, Grid, Page, write_reproduction
from latentrank.runs.cache import Training, folder_name
from latentrank.runs.executor import Say, train_all

# --- what is trained and measured ---------------------------------------------------------------


class Job(NamedTuple):
    """One seed of one row on one data set.

    Attributes:
        part: heading of its part.
        row: name of its row.
        config: everything that decides it.
        folder: where it is, or will be.
        trained: whether it needs a training.
        measures: column to measure.
        samples: generated samples for a distance.
        components: Gaussians in the density `gmm`.
    """

    part: str
    row: str
    config: RunConfig
    folder: Path
    trained: bool
    measures: dict[str, str]
    samples: int
    components: int

    @property
    def told(self) -> str:
        """Which one it is, for the reader of the progress."""
        return f"{self.row}, {self.part}, seed {self.config.training.seed}"

    @property
    def training(self) -> Training:
        """What has to be there before it can be measured."""
        return Training(self.told, self.part, self.config, self.folder)

    def subject(self, weights: Path | None, download: bool) -> Subject:
        """What its measures are taken of."""
        return Subject(self.config, self.folder, self.samples, self.components, weights, download)


def plan(
    recipe: Recipe,
    budget: Budget,
    seeds: int,
    out: Path,
    *,
    data_root: str | None = None,
    download: bool = False,
    device: str = "auto",
) -> list[Job]:
    """Every training and measurement of a recipe, row by row.

    Args:
        recipe: what is reproduced.
        budget: `"small"` or `"paper"`.
        seeds: 0 to `seeds - 1` of each row.
        out: folder of all reproductions; runs lie in `out/runs`.
        data_root: where data files lie.
        download: data files may be downloaded.
        device: where to train.

    Raises:
        InputError: settings that do not exist or are out of range.
    """
    if budget not in BUDGETS:
        raise unknown("budget", budget, BUDGETS)
    if seeds < 1:
        raise InputError(f"seeds is {seeds}, expected a whole number from 1; raise it.")
    machine = {"data_root": data_root, "download": download, "device": device}
    return [
        _job(part, row, budget, seed, out / "runs", machine)
        for part in recipe.parts
        for row in recipe.rows
        for seed in range(min(seeds, _most_seeds(row, budget) or seeds))
    ]


def _most_seeds(row: Row, budget: Budget) -> int | None:
    return row.small_seeds if budget == "small" else None


def _job(part: Part, row: Row, budget: Budget, seed: int, runs: Path, machine: Settings) -> Job:
    preset = presets()[part.preset]
    known = methods.get(row.method).options.model_fields
    shared = {name: value for name, value in part.options.items() if name in known}
    values = {
        "data": preset.data,
        **preset.settings(budget),
        **part.settings,
        **row.settings,
        **part.row_settings.get(row.name, {}),
        "method": row.method,
        "options": {**shared, **row.options},
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
        {**part.measures, **row.measures},
        preset.samples[budget],
        preset.components,
    )


# --- tables -------------------------------------------------------------------------------------


def reproduce(
    name: str,
    *,
    seeds: int = 3,
    budget: Budget = "small",
    parts: Sequence[str] = (),
    out: str | Path = "reproductions",
    data_root: str | None = None,
    download: bool = False,
    weights: Path | None = None,
    device: str = "auto",
    cluster: str | None = None,
    say: Say = lambda text: None,
    progress: bool = False,
) -> Page:
    """Train what is missing, measure, and write a recipe's table beside the published values.

    Args:
        name: of the recipe, or the path of one of your own.
        seeds: trainings of each row.
        budget: `"small"` fits two cores in about an hour; `"paper"` is the papers' setting.
        parts: those data sets of the recipe, by heading; all of them if none is named.
        out: folder of all reproductions.
        data_root: where data files lie.
        download: data files and Inception weights may be downloaded.
        weights: file of Inception weights.
        device: where to train.
        cluster: address of a Dask scheduler whose workers train; None for this machine.
        say: told how far it is.
        progress: show a progress line for each training.

    Returns:
        What was written to `out/NAME`: `table.md`, `table.json`, figures, `report.html`.

    Raises:
        InputError: no such recipe or part, or not one of its rows can be had.
    """
    recipe, out = only(load(name), parts), Path(out)
    jobs = plan(recipe, budget, seeds, out, data_root=data_root, download=download, device=device)
    failed = train_all([job.training for job in jobs if job.trained], say, progress, cluster)
    found = [_measured(job, failed, weights, download, say) for job in jobs]
    if not any(one.values for one in found):
        raise InputError(next(reason for one in found for reason in one.reasons.values()))
    stem = Path(name).stem
    page = Page(
        name=stem,
        title=recipe.title,
        paper=recipe.paper,
        budget=budget,
        seeds=seeds,
        version=source_version(),
        command=command(name, seeds, budget, parts),
        grids=[_grid(part, recipe, jobs, found) for part in recipe.parts],
        claims=[],
        differences=differences(recipe, budget),
        notes=_notes(jobs, found),
    )
    page.claims = [verdict(claim, page) for claim in recipe.claims]
    say("drawing the figures")
    usable = [job for job in jobs if job.folder.name not in failed and job.trained]
    write_reproduction(page, _figures(recipe, page, usable), out / stem)
    return page


def command(name: str, seeds: int, budget: str, parts: Sequence[str] = ()) -> str:
    """What to type for the same table."""
    chosen = "".join(f" --part {shlex.quote(part)}" for part in parts)
    return f"latentrank reproduce {name} --seeds {seeds} --budget {budget}{chosen}"


def source_version() -> str:
    """The version, and the commit where the package is used from a clone of its repository."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)
        changed = git("status", "--porcelain", "--untracked-files=no", ".")
        commit = git("rev-parse", "--short=10", "HEAD") + (" and changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return f"{__version__}, commit {commit}"


class Found(NamedTuple):
    """What was measured of one job: values by column, and why the other columns are empty."""

    values: dict[str, float]
    reasons: dict[str, str]


def _measured(
    job: Job, failed: dict[str, str], weights: Path | None, download: bool, say: Say
) -> Found:
    found = Found({}, {})
    if job.folder.name in failed:
        found.reasons.update(dict.fromkeys(job.measures, failed[job.folder.name]))
        return found
    say(f"measuring {job.told}")
    subject = job.subject(weights, download)
    for column, measure in job.measures.items():
        try:
            found.values[column] = measuring.measure(subject, measure)
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
            )
            for column in part.measures
        }
        for row in recipe.rows
    }
    return Grid(part.heading, list(part.measures), cells)


def _published(part: Part, column: str, row: str) -> tuple[float, float | None] | None:
    value = part.published.get(column, {}).get(row)
    if value is None:
        return None
    return (value, None) if isinstance(value, float) else value


def _notes(jobs: Sequence[Job], found: Sequence[Found]) -> list[str]:
    """Why cells are empty: each reason once, with the rows and columns that it is about."""
    rows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for job, one in zip(jobs, found, strict=True):
        for column, reason in one.reasons.items():
            if (told := f"{job.row} ({job.part})") not in rows[reason, column]:
                rows[reason, column].append(told)
    columns: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (reason, column), about in rows.items():
        columns[reason, ", ".join(about)].append(column)
    return [
        f"{' and '.join(names)} of {about}: {reason}" for (reason, about), names in columns.items()
    ]


def differences(recipe: Recipe, budget: Budget) -> list[str]:
    """In what the set-up differs from the paper's, a sentence each."""
    known = presets()
    told: list[str] = []
    for part in recipe.parts:
        preset = known[part.preset]
        changed = [
            f"{name.replace('_', ' ')} {value} instead of {_usual(preset, name)}"
            for name, value in {**preset.settings(budget), **part.settings}.items()
            if value != preset.paper.get(name)
        ]
        if changed:
            told.append(f"{part.heading}, budget {budget}: {'; '.join(changed)}.")
        told += [f"{part.heading}: {text}" for text in preset.differences]
        taken = [
            *part.measures.values(),
            *(m for row in recipe.rows for m in row.measures.values()),
        ]
        told += [f"{part.heading}: {text}" for text in measuring.caveats(taken)]
    return list(dict.fromkeys([*told, *recipe.differences]))


def _usual(preset: Preset, name: str) -> Any:
    if name == "data":
        return preset.data
    if name in preset.paper:
        return preset.paper[name]
    return "all" if name.endswith("_size") and name != "image_size" else "the paper's"


def verdict(claim: Claim, page: Page) -> str:
    """A claim and whether the measured means, and their spread, bear it out.

    Args:
        claim: of the recipe.
        page: what was measured.

    Returns:
        The claim with one of: it comes out, it comes out for the means alone, it comes out for a
        single seed, it does not come out, it was not measured.
    """
    grid = next(g for g in page.grids if claim.part in ("", g.name))
    cells = {row: columns[claim.column] for row, columns in grid.rows.items()}
    others = [row for row in cells if row not in (claim.lowest, claim.highest)]
    pairs = list(zip(claim.rising, claim.rising[1:], strict=False))
    pairs += [(claim.lowest, row) for row in others] if claim.lowest else []
    pairs += [(row, claim.highest) for row in others] if claim.highest else []
    known = [(cells[a], cells[b]) for a, b in pairs if cells[a].values and cells[b].values]
    if not known or len(known) < len(pairs):
        return f"{claim.text} Not measured."
    if not all(low.mean < high.mean for low, high in known):
        return f"{claim.text} This does not come out here."
    seeds = [len(cell.values) for pair in known for cell in pair]
    if max(seeds) < 2:
        return f"{claim.text} This comes out here, for one seed; the spread was not measured."
    if min(seeds) < 2:
        return f"{claim.text} This comes out here for the means; not every spread was measured."
    if all(low.mean + low.spread < high.mean - high.spread for low, high in known):
        return f"{claim.text} This comes out here, beyond the spread."
    return f"{claim.text} This comes out here for the means; the spread does not exclude chance."


# --- figures ------------------------------------------------------------------------------------


def _figures(recipe: Recipe, page: Page, jobs: Sequence[Job]) -> list[Any]:
    from latentrank.report import reproduction as drawing

    shown = {(job.part, job.row): job for job in jobs if job.config.training.seed == 0}
    drawn: list[Any] = []
    for name in recipe.figures:
        kind, _, argument = name.partition(":")
        if kind == "bars":
            drawn += [drawing.bars(grid, argument) for grid in page.grids if grid.known(argument)]
            continue
        for part in recipe.parts:
            subjects = {
                row: job.subject(None, False)
                for (where, row), job in shown.items()
                if where == part.heading
            }
            if not subjects:
                continue
            if kind == "spectrum":
                drawn.append(drawing.spectra(part.heading, {n: s.run for n, s in subjects.items()}))
                continue
            for row, subject in subjects.items():
                drawn += _picture(kind, argument, f"{row}, {part.heading}", subject)
    if recipe.power is not None:
        drawn += _power(recipe, recipe.power, page)
    return drawn


def _picture(kind: str, density: str, name: str, subject: Subject) -> list[Any]:
    """A picture of one run; none where its code allows none."""
    from latentrank.report import reproduction as drawing

    try:
        if kind in ("samples", "tsne"):
            density = measuring.density_of(subject, density)
            made = measuring.generated(subject, density, 1000 if kind == "tsne" else 64)
            return [drawing.generated(kind, density, name, subject.run, made)]
        return [drawing.walk(kind, name, subject.run)]
    except InputError:
        return []


def _power(recipe: Recipe, power: Power, page: Page) -> list[Any]:
    from latentrank.evaluation.theory import fit_power
    from latentrank.report import reproduction as drawing

    grid = page.grids[0]
    points = [
        (row.x, grid.rows[row.name][power.column].mean)
        for row in recipe.rows
        if row.x is not None and grid.rows[row.name][power.column].values
    ]
    try:
        fit = fit_power(*zip(*points, strict=True)) if points else None
    except InputError as error:
        page.notes.append(f"No power law: {error}")
        return []
    if fit is None:
        return []
    page.claims.append(
        f"Theory: {power.column} goes with {power.x_label} to the power {power.expected:g}. Seen: "
        f"to the power {fit.exponent:.2f} over {len(points)} points (R\N{SUPERSCRIPT TWO} "
        f"{fit.r_squared:.2f})."
    )
    return [drawing.power_law(points, fit, power.column, power.x_label, power.expected)]
