"""Commands that train: train, reproduce, sweep."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from latentrank.cli.app import TRAIN, Stopped, app, flag, option
from latentrank.cli.features import Weights, weights_by_name
from latentrank.cli.method_help import MethodCommand
from latentrank.cli.options import extra_options, with_settings
from latentrank.cli.output import (
    bold,
    console,
    messages,
    new_table,
    print_pairs,
    print_status,
    print_table,
)
from latentrank.errors import InputError
from latentrank.filenames import CONFIG, REPORT
from latentrank.formatting import as_text, duration

if TYPE_CHECKING:
    from rich.text import Text

    from latentrank.report.reproduction import Page
    from latentrank.runs import Run
    from latentrank.sweep import Trial

CLUSTER = "Address of a Dask scheduler whose workers do the training, such as tcp://host:8786."


#: A command that takes a METHOD, and options of the method.
_WITH_METHOD: dict[str, Any] = {
    "rich_help_panel": TRAIN,
    "cls": MethodCommand,
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True},
}


def _given(ctx: typer.Context, settings: dict[str, Any], method: str | None) -> dict[str, Any]:
    """The settings of a command, with the method and its options."""
    words, options = extra_options([*([method] if method else []), *ctx.args])
    if len(words) > 1:
        raise InputError(
            f"'{words[1]}' is an unexpected argument; only METHOD is given without --."
        )
    return {**settings, **options, **({"method": words[0]} if words else {})}


@app.command(
    **_WITH_METHOD,
    epilog="Each METHOD has its own options, such as --penalty or --depth: "
    "[bold]latentrank train METHOD --help[/bold] lists them.",
)
@with_settings
def train(
    ctx: typer.Context,
    settings: dict[str, Any],
    method: Annotated[
        str | None, typer.Argument(metavar="METHOD", help="A method from `latentrank methods`.")
    ] = None,
    config: Annotated[
        Path | None,
        option("YAML file with any of these settings; the command line takes precedence."),
    ] = None,
    out: Annotated[
        Path | None, option("Folder of the new run; by default runs/DATA-METHOD.")
    ] = None,
    resume: Annotated[
        Path | None, option("Resume an interrupted run, or train a finished one for longer.", "RUN")
    ] = None,
    report: Annotated[bool, flag("Write the run's report.")] = True,
) -> None:
    """Train a METHOD on data and write a run folder with its report.

    latentrank train lorae --data shapes
    latentrank train irmae --data mnist --depth 8 --epochs 5 --data-root ~/data
    latentrank train rrae --data measurements.npy --latent-dim 64 --rank 4
    latentrank train --config run.yaml --seed 1
    """
    from latentrank import runs

    for name, value in (("out", out), ("config", config)):
        if resume is not None and value is not None:
            raise InputError(
                f"--{name} is {value}, but --resume goes on in the folder of the run, with its own "
                "settings; leave it out, and give the settings to change as options."
            )
    given = _given(ctx, settings, method)
    if resume is None:
        settled = runs.configure(given, config)
        folder = out or runs.default_folder(settled)
        training = partial(runs.train, settled, folder)
    else:
        folder, training = resume, partial(runs.resume, resume, given, progress=True)
    try:
        run = training()
    except KeyboardInterrupt:
        if not (folder / CONFIG).is_file():
            raise Stopped("Stopped before the training began; give the command again.") from None
        again = f"latentrank train --resume {shlex.quote(str(folder))}"
        raise Stopped(f"Stopped; resume with: {again}") from None
    from latentrank.distributed import is_first_process

    if not is_first_process():
        return
    if report:
        try:
            write_run_report(run)
        except KeyboardInterrupt:
            again = f"latentrank report {shlex.quote(str(folder))}"
            raise Stopped(f"Stopped after the training; its report is: {again}") from None
    _summary(run)


def write_run_report(run: Run, figure_format: Literal["png", "pdf", "svg"] = "png") -> Path:
    """Write the report of a run, with a status message."""
    from latentrank.report import write_report

    with messages.status("Drawing the report"):
        return write_report(run, figure_format)


def _summary(run: Run) -> None:
    """Print the results of a run in a few lines."""
    from latentrank.runs.configure import shown_name

    metrics = run.metrics
    known = metrics["true_dimension"]
    truth = "" if known is None else f"   (parameters of the data: {known})"
    errors = metrics.get("restarts", {}).get("errors", [])
    best = f", the lowest of {', '.join(map(as_text, errors))}" if errors else ""
    lines: dict[str, str | Text] = {
        "rank": bold(str(metrics["rank"])) + f" of {metrics['latent_dim']}{truth}",
        "validation error": as_text(metrics["validation_error"]) + best,
        "time": f"{duration(metrics['seconds'])}, epochs: {metrics['epochs']}",
        "run": str(run.folder),
    }
    if (run.folder / REPORT).is_file():
        lines["report"] = str(run.folder / REPORT)
    console.print(bold(metrics["method"]) + f" on {shown_name(metrics['data'])}")
    print_pairs(lines)
    control = metrics.get("rank_search", {})
    if control:
        messages.print(control["message"], style="dim" if control["reliable"] else "yellow")
    if metrics.get("warning"):
        messages.print(metrics["warning"], style="yellow")


def _features(recipe: str, parts: Sequence[str]) -> set[str]:
    """The features that a recipe's metrics use."""
    from latentrank import metrics, recipes

    chosen = recipes.only(recipes.load(recipe), parts)
    every = (text for part in chosen.parts for text in chosen.metrics_of(part))
    return {metrics.parse(text).features for text in every}


@app.command(rich_help_panel=TRAIN)
def reproduce(
    recipe: Annotated[
        str | None,
        typer.Argument(metavar="RECIPE", help="A recipe from --list, or your own .yaml file."),
    ] = None,
    seeds: Annotated[
        int | None, option("Number of seeds per row; by default the recipe's, mostly 3.", min=1)
    ] = None,
    budget: Annotated[
        Literal["small", "medium", "paper"],
        option(
            "small: about an hour on two cores; medium: a fifth of the papers' epochs, on all "
            "training data except for faces; paper: the papers' full set-up."
        ),
    ] = "small",
    part: Annotated[
        list[str] | None, option("Only this data set, such as mnist; repeatable.")
    ] = None,
    out: Annotated[
        Path,
        option("Folder for all reproductions, which share their runs."),
    ] = Path("reproductions"),
    data_root: Annotated[str | None, option("Folder of data files.")] = None,
    download: Annotated[bool, flag("Allow downloading data and weights.", "--download")] = False,
    weights: Weights = None,
    device: Annotated[str, option("Device: auto, cpu, gpu, mps, ...")] = "auto",
    cluster: Annotated[str | None, option(CLUSTER)] = None,
    train: Annotated[bool, flag("Train missing runs.", "--train/--no-train")] = True,
    listing: Annotated[bool, flag("List the recipes and exit.", "--list")] = False,
) -> None:
    """Reproduce a table or figure of the papers, or run your own experiment.

    latentrank reproduce --list
    latentrank reproduce my-experiment.yaml
    latentrank reproduce lorae-table-7 --seeds 3 --budget small
    latentrank reproduce lorae-table-3 --part mnist
    """
    from latentrank.reproduce import reproduce as run_recipe

    if listing or recipe is None:
        _print_recipes(seeds or 3)
        return
    try:
        page = run_recipe(
            recipe,
            seeds=seeds,
            budget=budget,
            parts=part or (),
            out=out,
            data_root=data_root,
            download=download,
            weights=weights_by_name(weights, _features(recipe, part or ()) if weights else ()),
            device=device,
            cluster=cluster,
            train=train,
            say=print_status,
            progress=True,
        )
    except KeyboardInterrupt:
        raise Stopped("Stopped; the same command resumes.") from None
    _print_page(page)
    for path in (out / page.name / "report.html", *page.comparisons):
        console.print(str(path), soft_wrap=True)


def _print_recipes(seeds: int) -> None:
    from latentrank import recipes
    from latentrank.reproduce import plan

    rows = []
    for name in recipes.names():
        found = recipes.load(name)
        jobs = plan(found, "small", seeds, Path())
        count = len({job.folder for job in jobs if job.trained})
        rows.append((bold(name), str(count), found.title))
    print_table(["recipe", "runs", "description"], rows, [1])
    console.print(f"runs: with {seeds} seeds; recipes share identical runs.", style="dim")


def _print_page(page: Page) -> None:
    from latentrank.report.reproduction import cells

    for grid in page.grids:
        header, rows = cells(grid)
        table = new_table(header, rows, range(1, len(header)))
        table.columns[0].min_width = max(len(row[0]) for row in rows)
        for column in table.columns[1:]:
            # many columns: better wrapped than truncated
            column.no_wrap = False
        if len(page.grids) > 1:
            console.print()
            console.print(bold(grid.name))
        console.print(table)
    for text in [*page.claims, *page.notes]:
        console.print(text, style="dim")


@app.command(**_WITH_METHOD)
@with_settings
def sweep(
    ctx: typer.Context,
    settings: dict[str, Any],
    method: Annotated[str, typer.Argument(metavar="METHOD", help="As for latentrank train.")],
    search: Annotated[
        list[str], option("NAME=LOW..HIGH, with :log for a log scale, or NAME=A,B,C; repeatable.")
    ],
    trials: Annotated[int, option("Number of trials to complete.", min=1)] = 20,
    storage: Annotated[
        str | None, option("URL of the study's database, which several machines can share.")
    ] = None,
    minimise: Annotated[
        list[str] | None,
        option(
            "Metric to minimise, such as fd:gmm; repeatable. By default validation_error.",
            "METRIC",
        ),
    ] = None,
    maximise: Annotated[
        list[str] | None, option("Metric to maximise, such as accuracy:100; repeatable.", "METRIC")
    ] = None,
    out: Annotated[Path, option("Folder for the runs of all studies.")] = Path("sweeps"),
    cluster: Annotated[str | None, option(CLUSTER)] = None,
) -> None:
    """Search over settings and options of METHOD with Optuna; each trial is a run folder.

    With two objectives, such as rank and error, the result is their Pareto front.

    latentrank sweep lorae --data shapes --search penalty=1e-5..1e-1:log --trials 20
    latentrank sweep rrae --data shapes --search rank=1..16 --minimise rank --minimise error
    """
    from latentrank import sweep as sweeping

    try:
        found = sweeping.sweep(
            _given(ctx, settings, method),
            [sweeping.parse_search(text) for text in search],
            trials,
            minimise=minimise or (),
            maximise=maximise or (),
            storage=storage,
            out=out,
            cluster=cluster,
            say=print_status,
            progress=True,
        )
    except KeyboardInterrupt:
        raise Stopped("Stopped; the same command resumes the search.") from None
    _print_trials(found, [*(minimise or ()), *(maximise or ())] or ["validation_error"])


def _print_trials(found: Sequence[Trial], aims: Sequence[str]) -> None:
    """The Pareto front of two objectives; every trial for one."""
    from latentrank.sweep import searched_names

    header = ["trial", *aims, *searched_names(found, aims), "run"]
    rows = []
    for trial in found:
        if trial.best or len(aims) == 1:
            values = [*trial.values, *trial.settings.values()]
            cells = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in values]
            rows.append([str(trial.number), *cells, trial.folder])
    print_table(header, rows, range(len(header) - 1))
    if len(aims) > 1:
        console.print(
            f"The Pareto front of {len(found)} trials: no other trial is better in one of these "
            "and at least as good in the rest.",
            style="dim",
        )
