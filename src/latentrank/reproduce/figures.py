"""The figures of a reproduction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from latentrank.data.views import spread_evenly
from latentrank.errors import InputError
from latentrank.evaluation import tsne
from latentrank.linalg import RANK_THRESHOLD
from latentrank.metrics import Subject
from latentrank.recipes import Power, Recipe
from latentrank.report import figures as drawing
from latentrank.report import pictures
from latentrank.report.reproduction import Drawn, Grid, Page
from latentrank.reproduce.plan import Job


def figures(recipe: Recipe, page: Page, jobs: Sequence[Job]) -> list[Drawn]:
    """The figures of a recipe, for the first seed of each row.

    Args:
        recipe: the recipe.
        page: the results, to which a power law adds its claim, and an impossible figure a note.
        jobs: the trained jobs.
    """
    shown = {(job.part, job.row): job for job in jobs if job.config.training.seed == 0}
    drawn: list[Drawn] = []
    for name in recipe.figures:
        kind, _, argument = name.partition(":")
        if kind in ("bars", "seeds"):
            for grid in page.grids:
                drawn += _column(kind, grid, argument, page) if grid.known(argument) else []
            continue
        for part in recipe.parts:
            subjects = {
                row: job.subject() for (where, row), job in shown.items() if where == part.heading
            }
            named = part.source.densities.get(argument, argument)
            if not subjects:
                continue
            if kind == "spectrum":
                drawn.append(_spectra(part.heading, subjects))
                continue
            for row, subject in subjects.items():
                drawn += _picture(kind, named, f"{row}, {part.heading}", subject)
    if recipe.power is not None:
        drawn += _power(recipe, recipe.power, page)
    return drawn


def _column(kind: str, grid: Grid, column: str, page: Page) -> list[Drawn]:
    """One column as bars, or with a dot for each seed, and published values as marks.

    A note of the page says why there is none.
    """
    cells = {row: columns[column] for row, columns in grid.rows.items() if columns[column].values}
    known = {row: cell.published[0] for row, cell in cells.items() if cell.published} or None
    try:
        if kind == "bars":
            means = {row: (cell.mean, cell.spread) for row, cell in cells.items()}
            figure, shown = drawing.bars(means, column, known), "mean and spread"
        else:
            values = {row: cell.values for row, cell in cells.items()}
            figure, shown = drawing.dots(values, column, known), "a dot for each seed"
    except InputError as error:
        page.notes.append(f"No figure {kind}:{column} of {grid.name}: {error}")
        return []
    return [Drawn(f"{column} {grid.name}", figure, f"{column}, {grid.name}: {shown}.")]


def _spectra(name: str, subjects: Mapping[str, Subject]) -> Drawn:
    """The spectra of all rows in one plot."""
    found = {row: subject.metrics for row, subject in subjects.items()}
    values = {row: np.asarray(metrics["singular_values"]) for row, metrics in found.items()}
    ranks = {row: metrics["rank"] for row, metrics in found.items()}
    true = next(iter(found.values())).get("true_dimension")
    return Drawn(
        f"spectrum {name}",
        drawing.spectrum(values, ranks, true, RANK_THRESHOLD),
        f"Singular values of the covariance of the test codes, {name}, seed 0.",
    )


def _picture(kind: str, density: str, name: str, subject: Subject) -> list[Drawn]:
    """A picture of one run; none if its code does not allow one."""
    try:
        if kind not in ("samples", "tsne"):
            way = "linear" if kind == "interpolation" else kind
            figure = pictures.interpolation(subject.run, way)
            return [Drawn(f"{kind} {name}", figure, f"{name}, seed 0.")]
        density = subject.density(density)
        made = subject.generated(density, 1000 if kind == "tsne" else 64)
        if kind == "tsne":
            real = subject.run.dataset().test.x  # perhaps class by class
            figure = drawing.tsne(*tsne(real[spread_evenly(len(real), len(made))], made))
        else:
            figure = pictures.sample_grid(subject.run, made)
        return [Drawn(f"{kind} {density} {name}", figure, f"{name}, density {density}, seed 0.")]
    except InputError:
        return []


def _power(recipe: Recipe, power: Power, page: Page) -> list[Drawn]:
    """Measured means on two logarithmic axes, with fitted and expected power laws."""
    from latentrank.evaluation.theory import fit_power

    column = power.column
    found = next((grid.rows for grid in page.grids if grid.known(column)), {})
    points = [
        (row.x, found[row.name][column].mean)
        for row in recipe.rows
        if row.x is not None and row.name in found and found[row.name][column].values
    ]
    if not points:
        return []
    x, y = (np.array(values) for values in zip(*points, strict=True))
    try:
        fit = fit_power(x, y)
    except InputError as error:
        page.notes.append(f"No power law: {error}")
        return []
    page.claims.append(
        f"Theory: {column} is proportional to {power.x_label} to the power "
        f"{power.expected:g}. Measured: to the power {fit.exponent:.2f} over {len(points)} points "
        f"(R\N{SUPERSCRIPT TWO} {fit.r_squared:.2f})."
    )
    figure = drawing.power_law(x, y, fit[:2], power.x_label, column, power.expected)
    caption = f"{column} against {power.x_label}: means over seeds."
    return [Drawn(f"power law {column}", figure, caption)]
