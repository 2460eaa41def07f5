"""A reproduced table: measured means and spreads next to the published values, with figures."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from latentrank.formatting import mean_and_spread
from latentrank.io import write_json, write_text
from latentrank.report import html
from latentrank.report.page import embedded
from latentrank.report.style import write_figure

_PLUS = "\N{PLUS-MINUS SIGN}"
_NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class Cell:
    """Measured values, one per seed, and the published value, with its spread if any.

    Where outcomes fall into groups, such as trainings that fold and trainings that do not, the
    median is more informative than a mean between the groups.

    Example:
        >>> Cell([1.0, 2.0, 3.0], (2.5, None)).measured
        '2.0 ± 1.0 (3)'
        >>> Cell([1.0, 2.0, 30.0], summary="median").measured
        '2 [1, 30] (3)'
    """

    values: list[float]
    published: tuple[float, float | None] | None = None
    summary: Literal["mean", "median"] = "mean"

    @property
    def mean(self) -> float:
        """Mean over the seeds; NaN for none."""
        return statistics.fmean(self.values) if self.values else math.nan

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds; NaN for fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else math.nan

    @property
    def centre(self) -> float:
        """The mean or the median over the seeds; NaN for none."""
        of_mean = self.summary == "mean" or not self.values
        return self.mean if of_mean else float(np.median(self.values))

    @property
    def interval(self) -> tuple[float, float]:
        """Mean minus and plus the spread, or the lowest and the highest value; NaN for none."""
        if self.summary == "median" and self.values:
            return min(self.values), max(self.values)
        return self.mean - self.spread, self.mean + self.spread

    @property
    def measured(self) -> str:
        """Mean, spread and number of seeds, with as many digits as the spread justifies.

        A median is followed by the range, unless all values are equal.
        """
        if not self.values:
            return _NONE
        if self.summary == "median" and len(set(self.values)) > 1:
            centre, low, high = map(_three_digits, (self.centre, *self.interval))
            return f"{centre} [{low}, {high}] ({len(self.values)})"
        return f"{mean_and_spread(self.mean, self.spread)} ({len(self.values)})"

    def text(self, kind: str) -> str:
        """The `measured` value, rounded, or the `published` one with the digits of the paper.

        Example:
            >>> Cell([], (103.08, None)).text("published")
            '103.08'
        """
        if kind == "measured":
            return self.measured
        if self.published is None:
            return _NONE
        value, spread = self.published
        return f"{value:g}" if spread is None else f"{value:g} {_PLUS} {spread:g}"


def _three_digits(value: float) -> str:
    """Three digits, and more of a number in the thousands, which has no exponent."""
    return f"{value:.0f}" if 999.5 <= abs(value) < 1e5 else f"{value:.3g}"


class Grid(NamedTuple):
    """The cells of one data set: row to column to cell."""

    name: str
    columns: list[str]
    rows: dict[str, dict[str, Cell]]

    def known(self, column: str) -> bool:
        """Whether the column has measured values."""
        return column in self.columns and any(row[column].values for row in self.rows.values())

    def published(self, column: str) -> bool:
        """Whether the column has published values."""
        return any(row[column].published for row in self.rows.values())


@dataclass
class Page:
    """The results of a reproduction.

    Attributes:
        name: name of the recipe.
        title: title of the table or figure.
        paper: the paper.
        budget: `"small"`, `"medium"` or `"paper"`.
        seeds: number of seeds per row.
        version: of latentrank.
        command: command that reproduces it.
        grids: one table per data set.
        claims: the paper's claims with verdicts.
        differences: from the paper's set-up.
        notes: reasons for empty cells.
        summary: how cells summarise their seeds.
        comparisons: pages that compare the runs, where there are any.
    """

    name: str
    title: str
    paper: str
    budget: str
    seeds: int
    version: str
    command: str
    grids: list[Grid]
    claims: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    summary: Literal["mean", "median"] = "mean"
    comparisons: list[Path] = field(default_factory=list)


class Drawn(NamedTuple):
    """A figure with its file name suffix and caption."""

    name: str
    figure: Figure
    caption: str


# --- files --------------------------------------------------------------------------------------


def write_reproduction(page: Page, drawn: Sequence[Drawn], folder: Path) -> None:
    """Write `table.md`, `table.json`, the figures and `report.html`.

    Raises:
        InputError: it cannot be written.
    """
    write_text(folder / "table.md", markdown(page))
    write_json(folder / "table.json", as_values(page))
    for name, picture in zip(file_names([one.name for one in drawn]), drawn, strict=True):
        write_figure(picture.figure, folder / f"figure-{name}.png")
    write_text(folder / "report.html", document(page, drawn))


def slug(name: str) -> str:
    """A file name from words.

    Example:
        >>> slug("samples gmm LoRAE, mnist"), slug("\u03b2 = 0.1")
        ('samples-gmm-lorae-mnist', '\u03b2-0.1')
    """
    return re.sub(r"(?:[^\w.]|_)+", "-", name.lower()).strip("-.") or "unnamed"


def file_names(names: Sequence[str]) -> list[str]:
    """A file name for each of several names, with numbers where they would be equal.

    Example:
        >>> file_names(["A, mnist", "a, mnist", "b, mnist"])
        ['a-mnist', 'a-mnist-2', 'b-mnist']
    """
    found: list[str] = []
    for name in names:
        stem, number = slug(name), 1
        while (own := stem if number == 1 else f"{stem}-{number}") in found:
            number += 1
        found.append(own)
    return found


def as_values(page: Page) -> dict[str, Any]:
    """Everything as plain values, for `table.json`."""
    tables = {
        grid.name: {
            row: {
                column: {
                    "mean": cell.mean if cell.values else None,
                    "median": float(np.median(cell.values)) if cell.values else None,
                    "spread": cell.spread if len(cell.values) > 1 else None,
                    "n": len(cell.values),
                    "values": cell.values,
                    "published": cell.published[0] if cell.published else None,
                    "published_spread": cell.published[1] if cell.published else None,
                }
                for column, cell in columns.items()
            }
            for row, columns in grid.rows.items()
        }
        for grid in page.grids
    }
    about = {k: value for k, value in vars(page).items() if k not in ("grids", "comparisons")}
    return {**about, "tables": tables}


def cells(grid: Grid) -> tuple[list[str], list[list[str]]]:
    """Header and rows as text: a measured and a published column for each metric.

    Empty columns are left out, and so is the word "measured" where nothing is published.
    """
    kinds = []
    for column in grid.columns:
        if grid.known(column) or not grid.published(column):
            kinds.append((column, "measured"))
        if grid.published(column):
            kinds.append((column, "published"))
    plain = all(kind == "measured" for _, kind in kinds)
    header = ["", *(column if plain else f"{column}, {kind}" for column, kind in kinds)]
    rows = [
        [row, *(columns[column].text(kind) for column, kind in kinds)]
        for row, columns in grid.rows.items()
    ]
    return header, rows


def markdown(page: Page) -> str:
    """The tables and notes, as Markdown."""
    lines = [f"## {page.title}", "", *([f"{page.paper}.", ""] if page.paper else [])]
    for grid in page.grids:
        header, rows = cells(grid)
        rule = ["---", *("---:" for _ in header[1:])]
        if len(page.grids) > 1:
            lines += [f"### {grid.name}", ""]
        escaped = ([cell.replace("|", r"\|") for cell in line] for line in (header, rule, *rows))
        lines += [f"| {' | '.join(line)} |" for line in escaped]
        lines.append("")
    lines += [_reading(page), ""]
    for title, texts in _texts(page).items():
        lines += [f"{title}:", "", *(f"- {text}" for text in texts), ""]
    return "\n".join([*lines, f"`{page.command}`, latentrank {page.version}.", ""])


def _reading(page: Page) -> str:
    of_seeds = {
        "mean": f"Mean {_PLUS} standard deviation over seeds, number of seeds in brackets",
        "median": "Median over seeds, range in square brackets, number of seeds in brackets",
    }
    return (
        f"{of_seeds[page.summary]}{f'; budget {page.budget}' if page.budget else ''}. {_NONE} "
        f"means not measured{' or not published' if page.paper else ''}."
    )


def _texts(page: Page) -> dict[str, list[str]]:
    texts = {
        "Claims of the paper" if page.paper else "Claims": page.claims,
        "Differences from the paper's set-up": page.differences,
        "Missing values": page.notes,
    }
    return {title: found for title, found in texts.items() if found}


def document(page: Page, drawn: Sequence[Drawn]) -> str:
    """The complete page as HTML."""
    sections = []
    for grid in page.grids:
        header, rows = cells(grid)
        sections.append(html.section(grid.name, html.table(header, rows)))
    sections.append(html.section("Notes", html.note(_reading(page))))
    sections += [html.section(title, html.note(*texts)) for title, texts in _texts(page).items()]
    if drawn:
        pictures = (embedded(one.figure, one.caption, one.caption) for one in drawn)
        sections.append(html.section("Figures", *pictures))
    footer = f"Written by latentrank {page.version}: {page.command}"
    return html.page(page.title, f"{page.paper}." if page.paper else "", Markup(), sections, footer)
