"""The report of a run: its figures, its numbers and its settings on one page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from latentrank import methods
from latentrank.errors import InputError
from latentrank.filenames import FIGURES, REPORT
from latentrank.formatting import as_text, duration
from latentrank.io import write_text
from latentrank.metrics import read, tables
from latentrank.report import html
from latentrank.report.errors import percent
from latentrank.report.panels import PANELS, Drawn
from latentrank.report.style import Format, to_svg, write_figure
from latentrank.report.view import ERRORS, MissingDataError, View, flat_settings
from latentrank.runs import Run

_CAPTIONS: Final = f"{FIGURES}/captions.json"
_KEPT_WIDTH: Final = 900  # CSS pixels of a figure that an earlier report drew

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


def write_report(
    run: Run,
    figure_format: Format = "png",
    notify: Callable[[str], None] = lambda text: None,
) -> Path:
    """Write `report.html` and `figures/` into a run's folder.

    A figure that is impossible for a run, such as a plane of codes of rank 1, is replaced by an
    explanation. A figure that cannot be drawn because the data are missing is kept from an earlier
    report.

    Args:
        run: a finished run.
        figure_format: format in which figures are written in addition to PNG.
        notify: called with a message on figures kept from an earlier report.

    Returns:
        The path of `report.html`.

    Raises:
        InputError: the run is not finished; its folder cannot be written; or the data are missing
            and no earlier report has the figures. In the last case the page is still written.
    """
    view = View(run)
    words = _earlier_words(run.folder / _CAPTIONS)
    sections = [html.section("Warning", html.note(text)) for text in view.warnings]
    kept: list[str] = []
    missing: list[str] = []
    reason: MissingDataError | None = None
    for name, title, draw in PANELS:
        path = run.folder / FIGURES / f"{name}.png"
        try:
            drawn = draw(view)
        except MissingDataError as error:
            reason = error
            (kept if path.is_file() else missing).append(title)
            sections.append(html.section(title, *_earlier(path, words.get(name, {}), title, error)))
        except InputError as error:
            # A figure from an earlier report would contradict this one.
            for written in path.parent.glob(f"{name}.*"):
                written.unlink()
            words.pop(name, None)
            sections.append(html.section(title, html.note(str(error))))
        else:
            _write(drawn, path, figure_format)
            words[name] = {"alt": drawn.alt, "caption": drawn.caption, "remarks": drawn.remarks}
            sections.append(html.section(title, embedded(drawn), *map(html.note, drawn.remarks)))
    found = view.errors_if_known
    if found:
        found.write(run.folder / ERRORS)
    write_text(run.folder / _CAPTIONS, json.dumps(words, indent=2) + "\n")
    sections += _evaluation(run.folder)
    sections.append(html.section("Settings", _settings_table(view.config)))
    target = run.folder / REPORT
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
    if kept and not missing:
        why = f"the data cannot be read ({str(reason).rstrip('.')})"
        notify(f"Kept from an earlier report, because {why}: {', '.join(kept)}.")
    if missing:
        raise InputError(
            f"{target} lacks figures, which no earlier report drew either, because the data "
            f"cannot be read ({str(reason).rstrip('.')}): {', '.join(missing)}."
        )
    return target


def _write(drawn: Drawn, path: Path, figure_format: Format) -> None:
    """Write the figure as a PNG, a fallback for later reports, and in the requested format."""
    for kind in dict.fromkeys(["png", figure_format]):
        write_figure(drawn.figure, path.with_suffix(f".{kind}"))


def _earlier_words(path: Path) -> dict[str, Any]:
    """Captions of an earlier report; empty if they cannot be read."""
    try:
        words: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return words


def _earlier(path: Path, words: Mapping[str, Any], title: str, reason: InputError) -> list[Markup]:
    """A figure from an earlier report, or the reason for its absence."""
    if not path.is_file():
        return [html.note(str(reason))]
    return [
        html.picture(
            path.read_bytes(), words.get("alt", title), words.get("caption", ""), _KEPT_WIDTH
        ),
        *map(html.note, words.get("remarks", ())),
        html.note(f"From an earlier report. {reason}"),
    ]


def _lead(view: View) -> str:
    """The method's summary and its paper."""
    method = methods.get(str(view.config["method"]))
    return f"{method.summary} {method.paper[:1].upper()}{method.paper[1:]}."


def _headline(view: View) -> dict[str, str | tuple[str, str]]:
    """The facts at the top; unknown ones are left out."""
    metrics = view.metrics
    facts: dict[str, str | tuple[str, str]] = {
        "rank of features" if view.starts_from_noise else "rank": (
            as_text(metrics["rank"]),
            f"of {as_text(metrics['latent_dim'])}{', given' if view.rank_is_given else ''}",
        )
    }
    if metrics.get("true_dimension") is not None:
        facts["true dimension"] = as_text(metrics["true_dimension"])
    if metrics.get("validation_error") is not None:
        error = as_text(float(metrics["validation_error"]))
        found = view.errors_if_known
        share = f"{percent(found.share)} of the variance; {found.pca_needs}" if found else ""
        facts["validation error"] = (error, share)
    precision = metrics.get("training_precision", "32-true")
    how = "" if precision == "32-true" else f"in {precision}"
    facts["training"] = (duration(float(metrics["seconds"])), how)
    if metrics.get("epochs"):
        facts["epochs"] = as_text(int(metrics["epochs"]))
    return facts


def _evaluation(folder: Path) -> list[Markup]:
    """Metrics measured after training."""
    return [
        html.section(
            table.title,
            html.table(table.header, table.rows),
            *([html.note(table.note)] if table.note else []),
        )
        for table in tables(read(folder))
    ]


def _settings_table(config: Mapping[str, object]) -> Markup:
    """The complete resolved configuration, model settings before training settings."""
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


def embedded(drawn: Drawn, heading: str = "") -> Markup:
    """A figure for a page."""
    width = drawn.figure.get_figwidth() * 96
    return html.picture(to_svg(drawn.figure), drawn.alt, drawn.caption, width, heading)
