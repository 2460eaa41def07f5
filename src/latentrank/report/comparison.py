"""One page that compares runs on the same data, with its tables and figures as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from markupsafe import Markup
from matplotlib.figure import Figure

from latentrank import __version__
from latentrank.advice import spoken
from latentrank.errors import InputError
from latentrank.formatting import as_text, counted, mean_and_spread
from latentrank.io import write_bytes, write_text
from latentrank.linalg import RANK_THRESHOLD
from latentrank.report import figures, html
from latentrank.report.cells import Array
from latentrank.report.columns import Column, columns_of, metric_rows
from latentrank.report.errors import pca_needs, percent
from latentrank.report.page import embedded
from latentrank.report.panels import (
    ERRORS_CAPTION,
    SAMPLES,
    Drawn,
    coded,
    generated,
    reading,
    walked_channels,
    walks,
)
from latentrank.report.style import Format, page_of, page_width, to_bytes
from latentrank.report.tables import to_csv, to_latex
from latentrank.report.view import View, flat_settings
from latentrank.runs import Run

_LONGEST_TITLE: Final = 30  # characters; longer ones would wrap on a phone
_GAP: Final = 0.15  # inches between figures side by side
_WALKS: Final = (
    "Straight lines between the codes of the same pairs of test samples, decoded; both ends are "
    "reconstructions. Where a method generates from noise: great circles between noise vectors."
)
_OWN_UNITS: Final = (
    "The models scale the data differently, so their validation errors have different units. "
    "Errors are given as shares of the variance about the mean training sample, each in the units "
    "of its model."
)
_SAMPLED: Final = (
    "Codes drawn from one Gaussian fitted to each method's training codes (from N(0, I) where a "
    "method generates from noise), seed 0 for all, decoded; not selected."
)


class _Files:
    """The tables and figures beside the page, kept until all of it is drawn."""

    def __init__(self, figure_format: Format) -> None:
        self._format = figure_format
        self.contents: dict[str, bytes | str] = {}

    def figure(self, name: str, drawn: Drawn, heading: str = "") -> Markup:
        """Add a figure and return its HTML."""
        self.contents[f"{name}.{self._format}"] = to_bytes(drawn.figure, self._format)
        return embedded(drawn.figure, drawn.alt, drawn.caption, heading)

    def write(self, folder: Path) -> None:
        """Write all of them."""
        for name, content in self.contents.items():
            if isinstance(content, str):
                write_text(folder / name, content)
            else:
                write_bytes(folder / name, content)


def files_of(page: Path) -> Path:
    """The folder of a page's tables and figures.

    Example:
        >>> files_of(Path("runs/compare.html")).name
        'compare-files'
    """
    return page.with_name(f"{page.stem}-files")


def write_comparison(
    runs: Sequence[Run],
    path: str | Path,
    labels: Sequence[str] | None = None,
    figure_format: Format = "png",
) -> Path:
    """Write a page with the methods as columns, and a folder with its tables and figures.

    Runs that differ only in their seed share a column: their numbers become a mean and a
    standard deviation, their curves a median and a band, and pictures come from the first.
    Reconstructions and interpolations start from the same test samples for all methods, and random
    codes from the same seed.

    Args:
        runs: finished runs on the same data, one or more.
        path: the HTML file to write; `files_of` it gets `table.csv`, `table.tex` and the figures.
        labels: names of the columns, by default derived from the differences.
        figure_format: format of the figures' files.

    Raises:
        InputError: no runs, runs on different data, a run that is not finished, not one label for
            each column, or a path that cannot be written.
    """
    columns = columns_of(runs, labels)
    target = Path(path)
    files = _Files(figure_format)
    lacking = columns[0].view.run.lacks
    sections = [
        html.section(title, *draw(columns, files))
        for title, draw, needs in _SECTIONS
        if needs not in lacking
    ]
    files.contents["table.csv"] = to_csv(columns)
    page = html.page(
        _title(columns),
        f"{counted(len(columns), 'method')}, {_seeds(columns)} each; the same "
        f"{'test samples and the same ' * columns[0].view.has_samples}random seed for all.",
        html.facts(_headline(columns)),
        [*_notes(columns), *sections],
        f"Written by latentrank {__version__} from "
        f"{counted(len(runs), 'folder')}; tables and figures are in {files_of(target).name}.",
    )
    files.write(files_of(target))
    write_text(target, page)
    return target


def _notes(columns: Sequence[Column]) -> list[Markup]:
    """What is not known about saved models, stated once if it is the same for all."""
    every = {column.name: spoken(" ".join(column.view.run.notes)) for column in columns}
    if len(set(every.values())) == 1:
        every = {"": next(iter(every.values()))}
    texts = [f"{name}: {text}" if name else text for name, text in every.items() if text]
    return [html.section("Note", html.note(*texts))] if texts else []


def _title(columns: Sequence[Column]) -> str:
    """The methods, or their number if the names would not fit on a line or two."""
    names = ", ".join(column.name for column in columns)
    subject = names if len(names) <= _LONGEST_TITLE else counted(len(columns), "method")
    name = columns[0].view.data_name
    return f"{subject} on {name}" if name else subject


def _seeds(columns: Sequence[Column]) -> str:
    """The number of seeds of the methods, smallest to largest."""
    counts = [len(column.views) for column in columns]
    if min(counts) == max(counts):
        return counted(counts[0], "seed")
    return f"{min(counts)} to {max(counts)} seeds (in brackets)"


def _headline(columns: Sequence[Column]) -> dict[str, str | tuple[str, str]]:
    """Rank and error of every method, and how many parameters the data have, if known."""
    facts: dict[str, str | tuple[str, str]] = {}
    for column in columns:
        rest = f"of {as_text(column.view.metrics['latent_dim'])}"
        if column.view.rank_is_given:
            rest += ", given"
        if column.measures_errors:
            rest += f"; error {percent(float(column.shares.mean()))}"
        facts[column.name] = (f"rank {mean_and_spread(column.rank.mean, column.rank.spread)}", rest)
    true = columns[0].view.metrics.get("true_dimension")
    if true is not None:
        facts["parameters of the data"] = as_text(true)
    return facts


def _errors(columns: Sequence[Column], files: _Files) -> list[Markup]:
    """Errors by number of coefficients of all methods that encode, and of PCA."""
    reasons = {column.name: _without_errors(column) for column in columns}
    lacking = [text for text in dict.fromkeys(reasons.values()) if text]
    having = [column for column in columns if not reasons[column.name]]
    if not having:
        return [html.note(*lacking)]
    pca = having[0].view.errors.pca
    drawn = Drawn(
        figures.error_by_coefficients(
            {column.name: column.errors for column in having},
            None if any(column.view.config["method"] == "pca" for column in having) else pca,
            {column.name: column.rank.mean for column in having},
        ),
        f"Falling curves of the errors of {counted(len(having), 'method')} and of PCA.",
        f"{ERRORS_CAPTION} Dots mark the ranks{_bands(columns)}.",
    )
    shares = {column.name: float(column.shares.mean()) for column in having}
    notes = [
        f"{name}: {percent(share)} of the variance with the complete code; {pca_needs(share, pca)}."
        for name, share in shares.items()
    ]
    return [files.figure("coefficients", drawn), html.note(*notes, *lacking)]


def _without_errors(column: Column) -> str:
    """Why a method has no errors, such as that its data cannot be read; empty if it has some."""
    try:
        for view in column.views:
            _ = view.errors
    except InputError as error:
        return str(error)
    return ""


def _bands(columns: Sequence[Column]) -> str:
    """How curves of several seeds are shown."""
    if max(len(column.views) for column in columns) < 2:
        return ""
    return "; curves are medians over seeds, bands range from the smallest to the largest"


def _numbers(columns: Sequence[Column], files: _Files) -> list[Markup]:
    """The table of metrics, with notes on reading it."""
    rows, best = metric_rows(columns)
    if min(len(column.views) for column in columns) < 2:
        reading = (
            "Nothing is marked as best: with one seed the spread is unknown, so a difference "
            "may be chance. Train each method with several seeds."
        )
    else:
        reading = (
            f"Mean and standard deviation over {_seeds(columns)}; a value without one is the same "
            "for every seed. A value is marked as best only if its interval overlaps with that "
            "of no other method."
        )
    readings = [reading, *([] if columns[0].same_units else [_OWN_UNITS])]
    header = ["", *(column.name for column in columns)]
    files.contents["table.tex"] = to_latex(header, rows, best)
    warnings = [f"{c.name}: {text}" for c in columns for text in c.view.warnings]
    notes = [html.note(*readings), *([html.note(*warnings)] if warnings else [])]
    return [html.table(header, rows, best), *notes]


def _spectra(columns: Sequence[Column], files: _Files) -> list[Markup]:
    """All spectra in one plot."""
    ranks = {column.name: column.rank.mean for column in columns}
    true = columns[0].view.metrics.get("true_dimension")
    drawn = Drawn(
        figures.spectrum({c.name: c.spectra for c in columns}, ranks, true, RANK_THRESHOLD),
        f"Falling curves of singular values of {counted(len(columns), 'method')}.",
        f"Singular values of the covariance of the {coded(columns[0].view)}, divided by the "
        "largest; dots mark "
        f"the ranks, the number of values above {RANK_THRESHOLD:g}{_bands(columns)}.",
    )
    return [files.figure("spectrum", drawn)]


def _reconstructions(columns: Sequence[Column], files: _Files) -> list[Markup]:
    """The same test samples, a row for each method that has codes of them."""
    first = columns[0].view
    taken = any(column.name == "original" for column in columns)
    rows: dict[str, Array] = {f"test {first.noun}s" if taken else "original": first.originals}
    notes = []
    for column in columns:
        try:
            column.view.need_codes("nothing to reconstruct")
        except InputError as reason:
            notes.append(html.note(str(reason)))
            continue
        rows[column.name] = column.view.decode(column.view.starts)
    drawn = Drawn(
        figures.labelled_rows(rows, first.limits),
        f"{len(first.originals)} test {first.noun}s and each method's reconstruction of them.",
        f"{len(first.originals)} test {first.noun}s and each method's reconstructions."
        + reading(first),
    )
    return [files.figure("reconstructions", drawn), *notes]


def _interpolations(columns: Sequence[Column], files: _Files) -> list[Markup]:
    """Every method's interpolations, with the same end points for all."""
    first = columns[0].view
    most = 1 if first.as_lines else 3  # axes need the full width
    caption = _WALKS + walked_channels(first)
    return _side_by_side(columns, files, "interpolation", walks, caption, most)


def _samples(columns: Sequence[Column], files: _Files) -> list[Markup]:
    """Every method's samples, few enough to be legible in a column."""
    first = columns[0].view
    count, across = (24, 4) if first.as_lines else (SAMPLES, 8)

    def draw(view: View) -> Figure:
        return figures.samples(generated(view, count), first.limits, columns=across)

    return _side_by_side(columns, files, "samples", draw, _SAMPLED + reading(first), 3)


def _side_by_side(
    columns: Sequence[Column],
    files: _Files,
    kind: str,
    draw: Callable[[View], Figure],
    caption: str,
    most: int,
) -> list[Markup]:
    """A picture for each method, or a note on why there is none."""
    pictures, notes = [], []
    width = page_width() / html.across(len(columns), most) - _GAP
    for index, column in enumerate(columns, start=1):
        try:
            with page_of(width):
                drawn = Drawn(draw(column.view), f"{kind.capitalize()} of {column.name}.", "")
        except InputError as reason:
            notes.append(html.note(f"{column.name}: {reason}"))
            continue
        pictures.append(files.figure(f"{kind}-{index}", drawn, heading=column.name))
    return ([html.side_by_side(pictures, caption, most)] if pictures else []) + notes


def _differences(columns: Sequence[Column], files: _Files) -> list[Markup]:
    """Settings that differ between methods."""
    settings = [flat_settings(column.view.config) for column in columns]
    names = list(dict.fromkeys(name for values in settings for name in values))
    rows = []
    for name in names:
        full = [str(values[name]) if name in values else "" for values in settings]
        cells = [as_text(values[name]) if name in values else "" for values in settings]
        if len(set(full)) > 1:  # rounded unless they would look alike
            rows.append([name, *(cells if len(set(cells)) == len(set(full)) else full)])
    if not rows:
        return [html.note("None.")]
    return [html.table(["", *(column.name for column in columns)], rows)]


#: Heading, what it draws, and what a run must not lack for it.
_SECTIONS: Final = (
    ("Error by number of coefficients", _errors, "samples"),
    ("Numbers", _numbers, ""),
    ("Number of directions the codes use", _spectra, ""),
    ("Reconstructions", _reconstructions, "samples"),
    ("Between two samples", _interpolations, "samples"),
    ("Samples", _samples, ""),
    ("Settings that differ", _differences, ""),
)
