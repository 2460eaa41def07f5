"""Commands that inspect: report, compare, interpolate, explore."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from latentrank.cli.app import INSPECT, Stopped, app, flag, option
from latentrank.cli.options import Data, Networks, RunFolder, all_opened, opened
from latentrank.cli.output import console, free_path, messages, print_notes, print_table
from latentrank.cli.train import write_run_report
from latentrank.errors import InputError

if TYPE_CHECKING:
    from latentrank.runs import Run

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
#: Suffixes of figure files.
FIGURES = (".png", ".pdf", ".svg")

FigureFormat = Annotated[
    Literal["png", "pdf", "svg"],
    option("Format of the figure files; text remains text in pdf and svg."),
]
Style = Annotated[
    Path | None,
    option("A matplotlib style file for the figures, such as fonts and column width.", "FILE"),
]


@app.command(rich_help_panel=INSPECT)
def report(
    run: RunFolder,
    data: Data = None,
    networks: Networks = None,
    figure_format: FigureFormat = "png",
    style: Style = None,
) -> None:
    """Rewrite a run's report, or write a saved model's: RUN/report.html and RUN/figures.

    latentrank report runs/mnist-lorae
    latentrank report runs/mnist-lorae --figure-format pdf --style journal.mplstyle
    latentrank report saved --data mnist
    """
    from latentrank.report.style import own_style

    with own_style(style):
        found = opened(run, data, networks)
        console.print(str(write_run_report(found, figure_format)), soft_wrap=True)
    print_notes(found)


@app.command(rich_help_panel=INSPECT)
def interpolate(
    run: RunFolder,
    data: Data = None,
    networks: Networks = None,
    kind: Annotated[
        Literal["linear", "spherical", "pca", "parameters"],
        option(
            "Lines or arcs between test samples; the plane of the first two principal "
            "directions; or parameters, which prints the error of codes interpolated over those of "
            "the data."
        ),
    ] = "linear",
    out: Annotated[
        Path | None,
        option("A .png, .pdf or .svg file; by default RUN/figures/interpolation-KIND.png."),
    ] = None,
) -> None:
    """Draw interpolations between codes, or measure their error over the data's parameters.

    latentrank interpolate runs/mnist-rrae --kind spherical --out between.png
    latentrank interpolate runs/curves-two-gaussians-rrae --kind parameters
    """
    if kind == "parameters" and out is not None:
        raise InputError(f"--out is {out}, but --kind parameters draws nothing; leave it out.")
    path = free_path(out, run / "figures" / f"interpolation-{kind}.png", FIGURES)
    found = opened(run, data, networks)
    if kind == "parameters":
        _print_predictions(found)
        return
    from latentrank.report import pictures
    from latentrank.report.style import write_figure

    console.print(str(write_figure(pictures.interpolation(found, kind), path)))
    print_notes(found)


def _print_predictions(run: Run) -> None:
    """Relative errors of predicted fields, by kind of interpolation."""
    from latentrank.evaluation import errors_by_kind, reconstruction_error, spread_ratio

    with messages.status("Predicting"):
        found = errors_by_kind(run.model(), run.dataset())
        floor = reconstruction_error(run.model(), run.dataset())
        ratios = (spread_ratio(run.dataset(), "test"), spread_ratio(run.dataset(), "train"))

    factors = (1.0, 1.0, *ratios)
    print_table(
        ["relative error %", "test", "folds", "test, about the mean", "folds, about the mean"],
        (
            [
                one.kind,
                *(
                    "–" if error is None else f"{error * factor:.2f}"
                    for error, factor in zip(2 * one[1:], factors, strict=True)
                ),
            ]
            for one in found
        ),
        range(1, 5),
    )
    console.print(
        f"test: error at the test parameters; decoding the test codes themselves gives {floor:.2f}."
        "\nabout the mean: relative to the deviations of the samples from the mean sample."
        "\nfolds: error at training parameters held out of the interpolation, a fifth at a time, "
        "including border ones.",
        style="dim",
    )


@app.command(rich_help_panel=INSPECT)
def explore(
    run: RunFolder,
    data: Data = None,
    networks: Networks = None,
    live: Annotated[
        bool, flag("Serve a page that decodes as you move, until Ctrl-C.", "--live")
    ] = False,
    port: Annotated[
        int, option("Port of the live page; by default a free one.", min=0, max=65535)
    ] = 0,
) -> None:
    """Write a self-contained page, RUN/explore.html, or serve a live page on this machine.

    latentrank explore runs/mnist-lorae
    latentrank explore runs/mnist-lorae --live
    """
    if port and not live:
        raise InputError(f"--port is {port}, but no page is served; add --live, or leave it out.")
    found = opened(run, data, networks)
    print_notes(found)
    if live:
        _explore_live(found, port)
        return
    from latentrank.report.explore import write_explore

    with messages.status("Decoding"):
        console.print(str(write_explore(found)), soft_wrap=True)


def _explore_live(run: Run, port: int) -> None:
    """Serve the live page, and open it where there is a display."""
    import webbrowser

    from latentrank.report import server
    from latentrank.report.live import Explorer

    with server.listening(port) as listener:
        with messages.status("Preparing the page"):
            app = server.application(Explorer(run))
        url = server.address(listener)
        console.print(url, soft_wrap=True)
        if not (_has_display() and webbrowser.open(url)):
            messages.print(
                "No browser could be opened here; open the address in one on this machine, or "
                f"from another one after: ssh -L {url.split(':')[2].strip('/')}:{url[7:-1]} HOST",
                soft_wrap=True,
            )
        messages.print("Ctrl-C stops it.", style="dim")
        try:
            server.serve(app, listener)
        except KeyboardInterrupt:
            raise Stopped("The page is no longer served.") from None


def _has_display() -> bool:
    """Whether a browser with windows can be opened; elsewhere one would fill the terminal."""
    return sys.platform in ("win32", "darwin") or any(map(os.environ.get, _DISPLAYS))


@app.command(rich_help_panel=INSPECT)
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    out: Annotated[Path | None, option("Page to write; by default compare.html.")] = None,
    label: Annotated[
        list[str] | None, option("Name of a column; repeat for each column, in order.", "NAME")
    ] = None,
    force: Annotated[bool, flag("Overwrite an existing comparison.", "--force")] = False,
    data: Data = None,
    networks: Annotated[
        list[str] | None,
        option(
            "Your own networks, as in report; repeat for each model that has any, in order.",
            "FILE.py:FUNCTION",
        ),
    ] = None,
    figure_format: FigureFormat = "png",
    style: Style = None,
) -> None:
    """Compare runs on the same data: a page, and a folder with tables and figures.

    Runs that differ only in their seed share a column.

    latentrank compare runs/mnist-ae runs/mnist-lorae runs/mnist-lorae-2
    latentrank compare runs/a runs/b --label baseline --label ours --figure-format pdf --force
    latentrank compare saved shared --data mnist
    """
    from latentrank.report import write_comparison
    from latentrank.report.comparison import files_of
    from latentrank.report.style import own_style

    path = out or Path("compare.html")
    if path.suffix != ".html":
        raise InputError(f"--out is {path}; expected a name ending in .html.")
    for there in (path, files_of(path)):
        if there.exists() and not force:
            raise InputError(
                f"{there} already exists; overwrite it with --force, or give another --out."
            )
    compared = all_opened(runs, data, networks or [])
    with own_style(style), messages.status("Drawing the comparison"):
        page = write_comparison(compared, path, label, figure_format)
    console.print(str(page), soft_wrap=True)
    console.print(f"{files_of(page)}: tables and figures", soft_wrap=True)
    print_notes(*compared)
