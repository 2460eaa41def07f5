"""The report of a run: its figures, its numbers and its settings on one page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from latentrank import __version__, methods
from latentrank.advice import spoken
from latentrank.config import MachineConfig, TrainConfig, section_of, settings
from latentrank.errors import InputError
from latentrank.filenames import ERRORS, FIGURES, REPORT
from latentrank.formatting import as_text, duration
from latentrank.io import remove_file, write_text
from latentrank.metrics import read, tables
from latentrank.report import html
from latentrank.report.errors import pca_needs, percent
from latentrank.report.panels import PANELS
from latentrank.report.style import Format, to_svg, write_figure
from latentrank.report.view import View, flat_settings
from latentrank.runs import MissingDataError, Run


def write_report(run: Run, figure_format: Format = "png") -> Path:
    """Write `report.html` and `figures/` into a run's folder.

    A figure that is impossible for a run, such as a plane of codes of rank 1, is replaced by an
    explanation. The data are not needed again: codes, the samples shown and the errors are kept in
    the run folder.

    Args:
        run: a finished run.
        figure_format: format of the figures' files.

    Returns:
        The path of `report.html`.

    Raises:
        InputError: the run is not finished; its folder cannot be written; or what it keeps has been
            removed and the data cannot be read, or an earlier report of a saved model was drawn
            with data and none are given now, in which cases the earlier report stays.
    """
    view = View(run)
    _keep_earlier(run)
    sections = [html.section("Note", html.note(*map(spoken, run.notes)))] if run.notes else []
    sections += [html.section("Warning", html.note(text)) for text in view.warnings]
    for name, title, draw, needs in PANELS:
        path = run.folder / FIGURES / f"{name}.png"
        if needs in run.lacks:
            continue
        try:
            drawn = draw(view)
        except MissingDataError:
            raise  # before anything that cannot be drawn again is replaced
        except InputError as error:
            for written in _written(run, name):  # it would contradict this report
                remove_file(written)
            sections.append(html.section(title, html.note(str(error))))
        else:
            write_figure(drawn.figure, path.with_suffix(f".{figure_format}"))
            picture = embedded(drawn.figure, drawn.alt, drawn.caption)
            sections.append(html.section(title, picture, *map(html.note, drawn.remarks)))
    found = view.errors_if_known
    if found:
        found.write(run.folder / ERRORS)
    sections += _evaluation(run)
    sections.append(html.section("Settings", _settings_table(view.config)))
    target = run.folder / REPORT
    write_text(
        target,
        html.page(
            view.title,
            _lead(view),
            html.facts(_headline(view)),
            sections,
            f"Written by latentrank {__version__} from the folder {run.folder.name}.",
        ),
    )
    return target


def _keep_earlier(run: Run) -> None:
    """Refuse to replace a report by one with fewer figures."""
    lost = [name for name, _, _, needs in PANELS if needs in run.lacks and _written(run, name)]
    if lost:
        raise MissingDataError(
            f"{run.folder / REPORT} has figures that need data ({', '.join(lost)}); give them "
            f"again with read_data(...), or remove {run.folder / FIGURES} to draw it without."
        )


def _written(run: Run, name: str) -> list[Path]:
    """The files of a figure."""
    return list((run.folder / FIGURES).glob(f"{name}.*"))


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
        facts["parameters of the data"] = as_text(metrics["true_dimension"])
    if metrics.get("validation_error") is not None:
        error = as_text(float(metrics["validation_error"]))
        facts["validation error"] = (error, _against_pca(view))
    precision = metrics.get("training_precision", "32-true")
    how = "" if precision == "32-true" else f"in {precision}"
    if metrics.get("seconds") is not None:
        facts["training"] = (duration(float(metrics["seconds"])), how)
    if metrics.get("epochs"):
        facts["epochs"] = as_text(int(metrics["epochs"]))
    return facts


def _against_pca(view: View) -> str:
    """The error as a share of the variance, and what PCA needs for it; empty if unknown."""
    if view.share is None:
        return ""
    found = view.errors_if_known
    needs = f"; {pca_needs(view.share, found.pca)}" if found else ""
    return f"{percent(view.share)} of the variance{needs}"


def _evaluation(run: Run) -> list[Markup]:
    """Metrics measured after training."""
    return [
        html.section(
            table.title,
            html.table(table.header, table.rows),
            *([html.note(table.note)] if table.note else []),
        )
        for table in tables(read(run.folder, run.measured_on))
    ]


def _settings_table(config: Mapping[str, object]) -> Markup:
    """The complete resolved configuration, model settings before training settings."""
    given = flat_settings(config)
    sections = TrainConfig, MachineConfig
    of_training = [name for name in settings() if section_of(name) in sections]
    training = [name for name in given if name in of_training]
    model = [name for name in given if name not in of_training]
    model.sort(key=lambda name: name.split(".")[0] not in ("method", "options"))
    return html.side_by_side(
        [
            html.table(["", ""], [[name, as_text(given[name])] for name in names])
            for names in (model, training)
            if names
        ]
    )


def embedded(figure: Figure, alt: str, caption: str, heading: str = "") -> Markup:
    """A figure for a page, see `latentrank.report.html.picture`."""
    return html.picture(to_svg(figure), alt, caption, figure.get_figwidth() * 96, heading)
