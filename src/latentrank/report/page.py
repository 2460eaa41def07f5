"""The report of a run, and the page that sets runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from latentrank import methods
from latentrank.config import write_text
from latentrank.errors import InputError
from latentrank.evaluation import interpolation as ways
from latentrank.files import whole
from latentrank.report import figures, html
from latentrank.report.cells import Array
from latentrank.report.comparison import Column, columns_of, measures, metric_rows
from latentrank.report.html import Html
from latentrank.report.style import to_png, to_svg
from latentrank.report.view import (
    RANK_TOLERANCE,
    Floats,
    RunLike,
    View,
    as_text,
    duration,
    flat_settings,
)

_STEPS: Final = 9
_GRID: Final = 9  # odd, so that the mean is one of its points
_SAMPLES: Final = 64
_SCATTERED: Final = 4000
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


class Drawn(NamedTuple):
    """A figure with its words.

    Attributes:
        figure: the figure.
        alt: what is seen, for a reader who does not see it.
        caption: what is seen and how it is computed, in a sentence or two.
    """

    figure: Figure
    alt: str
    caption: str


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
    sections = []
    for name, title, draw in _PANELS:
        path = run.folder / "figures" / f"{name}.png"
        try:
            drawn = draw(view)
        except InputError as reason:
            # A figure of an earlier report would contradict this one.
            path.unlink(missing_ok=True)
            sections.append(html.section(title, html.note(str(reason))))
            continue
        with whole(path) as temporary:
            temporary.write_bytes(to_png(drawn.figure))
        sections.append(html.section(title, _picture(drawn)))
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
        "rank": (as_text(metrics["rank"]), f"of {as_text(metrics['latent_dim'])}")
    }
    if metrics.get("true_dimension") is not None:
        facts["true dimension"] = as_text(metrics["true_dimension"])
    facts["validation error"] = as_text(float(metrics["validation_error"]))
    facts["training"] = duration(float(metrics["seconds"]))
    if metrics.get("epochs"):
        facts["epochs"] = as_text(int(metrics["epochs"]))
    return facts


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


def _reconstructions(view: View) -> Drawn:
    """Originals above reconstructions."""
    codes = view.codes_of_picks(view.picks, view.dataset)
    figure = figures.reconstructions(view.originals, view.decode(codes), view.limits)
    count, noun = len(view.picks), view.noun
    if not _is_drawn_as_lines(view):
        caption = (
            f"Top: {count} test {noun}s, never trained on. Bottom: what the decoder makes of "
            "their codes."
        )
    else:
        caption = (
            f"{count} test {noun}s, never trained on (grey), and what the decoder makes of their "
            "codes (coloured)."
        )
    return Drawn(figure, f"{count} test {noun}s beside their reconstructions.", caption)


def _spectrum(view: View) -> Drawn:
    """The run's own spectrum with its rank."""
    rank, true = view.metrics["rank"], view.metrics.get("true_dimension")
    values = np.asarray(view.metrics["singular_values"], dtype=np.float64)
    figure = figures.spectrum({view.name: values}, {view.name: rank}, true, RANK_TOLERANCE)
    return Drawn(
        figure,
        f"Falling curve of {len(values)} singular values; {rank} of them are above the threshold.",
        "Singular values of the covariance of the test codes, divided by the largest, on a linear "
        f"and on a logarithmic axis. The rank is {rank}: the number of values above "
        f"{RANK_TOLERANCE:g}{', marked by the dot' if rank >= 1 else ''}."
        + ("" if true is None else f" The data was generated from {true} numbers (dashed)."),
    )


def _interpolation(view: View) -> Drawn:
    """Straight lines between codes of test samples."""
    view.need_directions("nothing to interpolate")
    pairs = len(view.picks) // 2
    if not pairs:
        raise InputError("An interpolation needs two test samples, and there is only one.")
    codes = view.codes_of_picks(view.picks, view.dataset)
    rows = view.decode(_lines(codes))
    return Drawn(
        figures.interpolation(rows, view.limits),
        f"{pairs} rows that change step by step from one {view.noun} into another.",
        f"Straight lines between the codes of two test {view.noun}s, decoded at {_STEPS} "
        "equidistant points; both ends are reconstructions.",
    )


def _lines(codes: Floats) -> Array:
    """Walks `(R, steps, L)` from each code of the first half to one of the second."""
    pairs = len(codes) // 2
    return ways.linear(codes[:pairs], codes[pairs : 2 * pairs], steps=_STEPS)


def _plane(view: View) -> Drawn:
    """The grid along the first two principal directions, or the walk along the only one."""
    view.need_directions("no principal direction to walk along")
    grid = ways.pca_grid(view.training_codes, size=_GRID, extent=2.0)
    variances = view.plane.scales**2
    if view.directions == 1:
        walk = view.decode(grid[_GRID // 2 : _GRID // 2 + 1])
        return Drawn(
            figures.pca_grid(walk, view.limits),
            f"A row of {view.noun}s along the only principal direction.",
            "The code has one principal direction only, so there is a walk in place of a grid: "
            "decoded points along it, from two standard deviations below the mean of the "
            "training codes to two above.",
        )
    share = variances[:2].sum() / variances.sum()
    return Drawn(
        figures.pca_grid(view.decode(grid), view.limits),
        f"A grid of {view.noun}s that change along two directions.",
        "Decoded points of the plane of the first two principal directions of the training "
        "codes, two standard deviations each way, everything else at its mean. The two hold "
        f"{100 * share:.0f} % of the codes' variance.",
    )


def _samples(view: View) -> Drawn:
    """Draws from one Gaussian."""
    view.need_directions("nothing to sample")
    drawn = view.decode(_gaussian_codes(view, _SAMPLES))
    return Drawn(
        figures.samples(drawn, view.limits),
        f"A grid of {_SAMPLES} generated {view.noun}s.",
        f"{_SAMPLES} codes drawn from one Gaussian fitted to the "
        f"{as_text(len(view.training_codes))} training codes (seed 0), decoded; none was chosen.",
    )


def _gaussian_codes(view: View, count: int) -> Array:
    """Codes from one Gaussian fitted to the training codes, always of the same seed."""
    from latentrank import density

    return density.fit("gaussian", view.training_codes).sample(count, seed=0)


def _latent(view: View) -> Drawn:
    """Test codes in the principal plane, coloured by what is known of them."""
    view.need_directions("no plane to look at")
    codes, test = view.run.codes("test"), view.dataset.test
    rows = np.arange(len(codes))
    if len(rows) > _SCATTERED:
        rows = np.sort(np.random.default_rng(0).permutation(len(codes))[:_SCATTERED])
    axes = view.plane.basis[:, : min(view.directions, 2)]
    known = test.parameters if test.parameters is not None else test.labels
    figure = figures.latent_scatter(
        (codes[rows] - view.plane.mean) @ axes, None if known is None else known[rows]
    )
    colour = (
        "one panel for each number that they were generated from"
        if test.parameters is not None
        else "coloured by class, the class's number at its median"
    )
    place = (
        "in the plane of the first two principal directions"
        if view.directions > 1
        else "along the only principal direction"
    )
    return Drawn(
        figure,
        f"A cloud of {len(rows)} points, one for each test {view.noun}.",
        f"Codes of {as_text(len(rows))} test {view.noun}s {place} of the training codes"
        + ("." if known is None else f", {colour}."),
    )


def _losses(view: View) -> Drawn:
    """The course of training by term."""
    history = dict(view.run.history)
    if np.array_equal(history.get("train/loss", []), history.get("train/reconstruction", [])):
        history.pop("train/loss", None)
    shared = _trains_on_mean_squares(view) and "train/reconstruction" in history
    if shared and "validation_error" in history:
        history = {
            "validation/reconstruction" if name == "validation_error" else name: values
            for name, values in history.items()
        }
    together = (
        "the validation error, a mean square like the reconstruction term, in one panel with it"
        if shared
        else "the validation error (mean square)"
    )
    return Drawn(
        figures.loss_curves(history),
        "Curves of every loss term over the epochs of training.",
        f"Every loss term before it is weighted, averaged over each epoch; {together}; and the "
        "rank of the test codes at each validation.",
    )


def _trains_on_mean_squares(view: View) -> bool:
    """Whether the reconstruction term is in the units of the validation error."""
    options = view.config.get("options", {})
    default = methods.get(str(view.config["method"])).reconstruction
    if default == "bce" and not view.dataset.bounded:
        default = "mse"
    kind = options.get("reconstruction") or default
    return bool(kind == "mse" and options.get("reduction", "mean") == "mean")


_PANELS: Final[tuple[tuple[str, str, Callable[[View], Drawn]], ...]] = (
    ("reconstructions", "Reconstructions", _reconstructions),
    ("spectrum", "How many directions the code uses", _spectrum),
    ("interpolation", "Between two samples", _interpolation),
    ("pca_grid", "The first two principal directions", _plane),
    ("samples", "Samples", _samples),
    ("latent", "The latent space", _latent),
    ("losses", "Training", _losses),
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
    walks_in_row = 1 if _is_drawn_as_lines(columns[0].view) else 3  # axes need the whole width
    sections = [
        html.section("Numbers", *_numbers(columns)),
        html.section("How many directions the codes use", _picture(_spectra(columns))),
        html.section("Reconstructions", _picture(_shared_reconstructions(columns))),
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
    "reconstructions."
)
_SAMPLED: Final = (
    "Codes drawn from one Gaussian fitted to each method's training codes, seed 0 for all, "
    "decoded; none was chosen."
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
    for column in columns:
        found = measures(column)["rank"]
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
    return [html.table(header, rows, best), html.note(reading)]


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


def _shared_reconstructions(columns: Sequence[Column]) -> Drawn:
    """The same test samples, a row for each method."""
    first = columns[0].view
    rows: dict[str, Array] = {"original": first.originals}
    for column in columns:
        rows[column.name] = column.view.decode(_shared_codes(column, first))
    return Drawn(
        figures.labelled_rows(rows, first.limits),
        f"{len(first.picks)} test {first.noun}s and each method's reconstruction of them.",
        f"The same {len(first.picks)} test {first.noun}s, and what each method's decoder makes of "
        "their codes.",
    )


def _shared_codes(column: Column, first: View) -> Floats:
    """This method's codes of the test samples that all methods are shown."""
    return column.view.codes_of_picks(first.picks, first.dataset)


def _walk(column: Column, first: View) -> Drawn:
    """This method's interpolations, in few steps so that columns stay legible."""
    column.view.need_directions("nothing to interpolate")
    rows = column.view.decode(_lines(_shared_codes(column, first)))
    figure = figures.interpolation(rows, first.limits)
    return Drawn(figure, f"Interpolations of {column.name}.", "")


def _sample_grid(column: Column, first: View) -> Drawn:
    """This method's samples, few enough to be legible in a column."""
    column.view.need_directions("nothing to sample")
    count, across = (24, 4) if _is_drawn_as_lines(first) else (_SAMPLES, 8)
    decoded = column.view.decode(_gaussian_codes(column.view, count))
    figure = figures.samples(decoded, first.limits, columns=across)
    return Drawn(figure, f"Samples of {column.name}.", "")


def _is_drawn_as_lines(view: View) -> bool:
    """Whether a sample is a curve or a vector rather than a picture."""
    return view.noun in ("curve", "vector")


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
