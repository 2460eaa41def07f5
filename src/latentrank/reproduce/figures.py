"""The figures of a reproduction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from latentrank.errors import InputError
from latentrank.metrics import Subject
from latentrank.recipes import Power, Recipe
from latentrank.report import reproduction as drawing
from latentrank.report.reproduction import Page
from latentrank.reproduce.plan import Job


def figures(recipe: Recipe, page: Page, jobs: Sequence[Job]) -> list[Any]:
    """The figures of a recipe, for the first seed of each row.

    Args:
        recipe: the recipe.
        page: the results, to which a power law adds its claim.
        jobs: the trained jobs.
    """
    shown = {(job.part, job.row): job for job in jobs if job.config.training.seed == 0}
    drawn: list[Any] = []
    for name in recipe.figures:
        kind, _, argument = name.partition(":")
        if kind in ("bars", "seeds"):
            draw = drawing.bars if kind == "bars" else drawing.seeds
            drawn += [draw(grid, argument) for grid in page.grids if grid.known(argument)]
            continue
        for part in recipe.parts:
            subjects = {
                row: job.subject() for (where, row), job in shown.items() if where == part.heading
            }
            named = part.source.densities.get(argument, argument)
            if not subjects:
                continue
            if kind == "spectrum":
                drawn.append(drawing.spectra(part.heading, {n: s.run for n, s in subjects.items()}))
                continue
            for row, subject in subjects.items():
                drawn += _picture(kind, named, f"{row}, {part.heading}", subject)
    if recipe.power is not None:
        drawn += _power(recipe, recipe.power, page)
    return drawn


def _picture(kind: str, density: str, name: str, subject: Subject) -> list[Any]:
    """A picture of one run; None if its code does not allow one."""
    try:
        if kind in ("samples", "tsne"):
            density = subject.density(density)
            made = subject.generated(density, 1000 if kind == "tsne" else 64)
            return [drawing.generated(kind, density, name, subject.run, made)]
        return [drawing.walk(kind, name, subject.run)]
    except InputError:
        return []


def _power(recipe: Recipe, power: Power, page: Page) -> list[Any]:
    from latentrank.evaluation.theory import fit_power

    grid = page.grids[0]
    points = [
        (row.x, grid.rows[row.name][power.column].mean)
        for row in recipe.rows
        if row.x is not None and grid.rows[row.name][power.column].values
    ]
    if not points:
        return []
    try:
        fit = fit_power(*zip(*points, strict=True))
    except InputError as error:
        page.notes.append(f"No power law: {error}")
        return []
    page.claims.append(
        f"Theory: {power.column} is proportional to {power.x_label} to the power "
        f"{power.expected:g}. Measured: to the power {fit.exponent:.2f} over {len(points)} points "
        f"(R\N{SUPERSCRIPT TWO} {fit.r_squared:.2f})."
    )
    return [drawing.power_law(points, fit, power.column, power.x_label, power.expected)]
