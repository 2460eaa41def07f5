"""The report of a run, and the page that sets runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np

from latentrank import methods
from latentrank.errors import InputError
from latentrank.formatting import as_text, duration
from latentrank.io import atomic_write, write_text
from latentrank.metrics import read, tables
from latentrank.report import figures, html
from latentrank.report.cells import Array
from latentrank.report.comparison import Column, columns_of, measures, metric_rows
from latentrank.report.html import Html
from latentrank.report.panels import PANELS, SAMPLES, Drawn, drawn_as_lines, generated, walks
from latentrank.report.style import to_png, to_svg
from latentrank.report.view import (
    RANK_TOLERANCE,
    RunLike,
    View,
    flat_settings,
)

_MODEL: Final = (
    "method",
    "options",
    "data",
    "data_root",
    "download",
    "image_size",
    "train_size",
    "test_size",
    "net",
    "latent_dim",
)


# --- the report of one run ---------------------------------------------------------------------


def write_report(run: RunLike) -> Path:
    """Write `figures/*.png` and `report.html` into a run's folder.

    What a run does not allow, such as a plane of codes of rank 1, is said in the report in the
    figure's place.

    Args:
        run: a finished run.

    Returns:
        The path of `report.html`.

    Raises:
        InputError: the run is not finished, or its folder cannot be written.
    """
    view = View(run)
    sections = [html.section("A warning", html.note(text)) for text in _warnings(view)]
    for name, title, draw in PANELS:
        path = run.folder / "figures" / f"{name}.png"
        try:
            drawn = draw(view)
        except InputError as reason:
            # A figure of an earlier report would contradict this one.
            path.unlink(missing_ok=True)
            sections.append(html.section(title, html.note(str(reason))))
            continue
        with atomic_write(path) as temporary:
            temporary.write_bytes(to_png(drawn.figure))
        sections.append(html.section(title, _picture(drawn), *map(html.note, drawn.remarks)))
    sections += _evaluation(run.folder)
    sections.append(html.section("Settings", _settings_table(view.config)))
    target = run.folder / "report.html"
    write_text(
        target,
        html.page(
            f"{view.name} on {view.data_name}",
            _lead(view),
            html.facts(_headline(view)),
            sections,
            f"Written by latentrank {version('latentrank')} from the run folder {run.folder.name}.",
        ),
    )
    return target


def _lead(view: View) -> str:
    """What the method is, where it is from."""
    method = methods.get(str(view.config["method"]))
    return f"{method.summary} {method.paper[:1].upper()}{method.paper[1:]}."


def _headline(view: View) -> dict[str, str | tuple[str, str]]:
    """The facts at the top; what is not known is left out."""
    metrics = view.metrics
    facts: dict[str, str | tuple[str, str]] = {
        "rank of features" if view.starts_from_noise else "rank": (
            as_text(metrics["rank"]),
            f"of {as_text(metrics['latent_dim'])}",
        )
    }
    if metrics.get("true_dimension") is not None:
        facts["true dimension"] = as_text(metrics["true_dimension"])
    if metrics.get("validation_error") is not None:
        facts["validation error"] = as_text(float(metrics["validation_error"]))
    facts["training"] = duration(float(metrics["seconds"]))
    if metrics.get("epochs"):
        facts["epochs"] = as_text(int(metrics["epochs"]))
    return facts


def _warnings(view: View) -> list[str]:
    """What training has to warn of."""
    warning = view.metrics.get("warning")
    return [str(warning)] if warning else []


def _evaluation(folder: Path) -> list[Html]:
    """What was measured after training."""
    return [
        html.section(
            table.title,
            html.table(table.header, table.rows),
            *([html.note(table.note)] if table.note else []),
        )
        for table in tables(read(folder))
    ]


def _settings_table(config: Mapping[str, object]) -> Html:
    """The whole resolved configuration, what the model is before how it was trained."""
    settings = flat_settings(config)
    model = [name for name in settings if name.split(".")[0] in _MODEL]
    model.sort(key=lambda name: _MODEL.index(name.split(".")[0]))
    training = [name for name in settings if name not in model]
    return html.side_by_side(
        [
            html.table(["", ""], [[name, as_text(settings[name])] for name in names])
            for names in (model, training)
            if names
        ]
    )


def _picture(drawn: Drawn, heading: str = "") -> Html:
    """A figure as the page embeds it."""
    width = drawn.figure.get_figwidth() * 96
    return html.picture(to_svg(drawn.figure), drawn.alt, drawn.caption, width, heading)


# --- runs side by side -------------------------------------------------------------------------


def write_comparison(runs: Sequence[RunLike], path: str | Path) -> Path:
    """Write one page with the methods as columns.

    Runs that differ in nothing but their seed share a column: their numbers become a mean and a
    spread, and the first of them lends its pictures. Samples come from the same seed, and
    reconstructions and interpolations start from the same test samples, for all.

    Args:
        runs: finished runs on the same data, one or more.
        path: the HTML file to write.

    Returns:
        The path.

    Raises:
        InputError: no runs, runs on different data, a run that is not finished, or a path that
            cannot be written.
    """
    columns = columns_of(runs)
    walks_in_row = 1 if drawn_as_lines(columns[0].view) else 3  # axes need the whole width
    sections = [
        html.section("Numbers", *_numbers(columns)),
        html.section("How many directions the codes use", _picture(_spectra(columns))),
        html.section("Reconstructions", *_shared_reconstructions(columns)),
        html.section("Between two samples", *_side_by_side(columns, _walk, _WALKS, walks_in_row)),
        html.section("Samples", *_side_by_side(columns, _sample_grid, _SAMPLED, 3)),
        html.section("Settings that differ", _differences(columns)),
    ]
    target = Path(path)
    names = [column.name for column in columns]
    write_text(
        target,
        html.page(
            f"{', '.join(names)} on {columns[0].view.data_name}",
            f"{_count(len(columns), 'method')}, {_seeds(columns)} each; the same test samples and "
            "the same random numbers for all.",
            html.facts(_ranks(columns)),
            sections,
            f"Written by latentrank {version('latentrank')} from "
            f"{_count(len(runs), 'run folder')}.",
        ),
    )
    return target


_WALKS: Final = (
    "Straight lines between the codes of the same pairs of test samples, decoded; both ends are "
    "reconstructions. Where a method generates from noise: great circles between pairs of noise."
)
_SAMPLED: Final = (
    "Codes drawn from one Gaussian fitted to each method's training codes (from N(0, I) where a "
    "method generates from noise), seed 0 for all, decoded; none was chosen."
)


def _count(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _seeds(columns: Sequence[Column]) -> str:
    """How many seeds the methods have, fewest to most."""
    counts = [len(column.runs) for column in columns]
    if min(counts) == max(counts):
        return _count(counts[0], "seed")
    return f"{min(counts)} to {max(counts)} seeds (in brackets)"


def _ranks(columns: Sequence[Column]) -> dict[str, str | tuple[str, str]]:
    """The rank of every method, and the truth where it is known."""
    facts: dict[str, str | tuple[str, str]] = {}
    for column, measured in zip(columns, measures(columns), strict=True):
        found = measured["rank"]
        width = column.view.metrics["latent_dim"]
        facts[f"rank, {column.name}"] = (as_text(round(found.mean, 1)), f"of {as_text(width)}")
    true = columns[0].view.metrics.get("true_dimension")
    if true is not None:
        facts["true dimension"] = as_text(true)
    return facts


def _numbers(columns: Sequence[Column]) -> list[Html]:
    """The table of metrics and how to read it."""
    rows, best = metric_rows(columns)
    if min(len(column.runs) for column in columns) < 2:
        reading = (
            "Nothing is marked as best: with one seed the spread is not known, so a difference "
            "may be chance. Train each method with several seeds."
        )
    else:
        reading = (
            f"Mean and standard deviation over {_seeds(columns)}. A value is marked as best only "
            "where its interval meets that of no other method."
        )
    header = ["", *(column.name for column in columns)]
    warnings = [f"{c.name}: {text}" for c in columns for text in _warnings(c.view)]
    return [html.table(header, rows, best), *map(html.note, [reading, *warnings])]


def _spectra(columns: Sequence[Column]) -> Drawn:
    """All spectra in one plot."""
    spectra = {c.name: np.asarray(c.view.metrics["singular_values"]) for c in columns}
    ranks = {c.name: c.view.metrics["rank"] for c in columns}
    true = columns[0].view.metrics.get("true_dimension")
    return Drawn(
        figures.spectrum(spectra, ranks, true, RANK_TOLERANCE),
        f"Falling curves of singular values of {len(columns)} methods.",
        "Singular values of the covariance of the test codes, divided by the largest, of the "
        f"first run of each method; dots mark the ranks, the number of values above "
        f"{RANK_TOLERANCE:g}.",
    )


def _shared_reconstructions(columns: Sequence[Column]) -> list[Html]:
    """The same test samples, a row for each method that has codes of them."""
    first = columns[0].view
    rows: dict[str, Array] = {"original": first.originals}
    notes = []
    for column in columns:
        try:
            column.view.need_codes("nothing to reconstruct")
        except InputError as reason:
            notes.append(html.note(str(reason)))
            continue
        rows[column.name] = column.view.decode(column.view.anchors(first))
    drawn = Drawn(
        figures.labelled_rows(rows, first.limits),
        f"{len(first.picks)} test {first.noun}s and each method's reconstruction of them.",
        f"The same {len(first.picks)} test {first.noun}s, and what each method's decoder makes of "
        "their codes.",
    )
    return [_picture(drawn), *notes]


def _walk(column: Column, first: View) -> Drawn:
    """This method's interpolations between what all methods are shown."""
    figure = figures.interpolation(walks(column.view, first), first.limits)
    return Drawn(figure, f"Interpolations of {column.name}.", "")


def _sample_grid(column: Column, first: View) -> Drawn:
    """This method's samples, few enough to be legible in a column."""
    count, across = (24, 4) if drawn_as_lines(first) else (SAMPLES, 8)
    figure = figures.samples(generated(column.view, count), first.limits, columns=across)
    return Drawn(figure, f"Samples of {column.name}.", "")


def _side_by_side(
    columns: Sequence[Column], draw: Callable[[Column, View], Drawn], caption: str, most: int
) -> list[Html]:
    """A picture for each method, notes for those that allow none."""
    pictures, notes = [], []
    for column in columns:
        try:
            pictures.append(_picture(draw(column, columns[0].view), heading=column.name))
        except InputError as reason:
            notes.append(html.note(f"{column.name}: {reason}"))
    return ([html.side_by_side(pictures, caption, most)] if pictures else []) + notes


def _differences(columns: Sequence[Column]) -> Html:
    """Settings that are not the same for all methods."""
    settings = [flat_settings(column.view.config) for column in columns]
    names = list(dict.fromkeys(name for values in settings for name in values))
    rows = []
    for name in names:
        cells = [as_text(values[name]) if name in values else "" for values in settings]
        if len(set(cells)) > 1:
            rows.append([name, *cells])
    if not rows:
        return html.note("None.")
    return html.table(["", *(column.name for column in columns)], rows)
