"""Commands that list what is available: methods, datasets, networks, densities, metrics."""

from __future__ import annotations

import inspect
from typing import Annotated

import typer
from rich.text import Text

from latentrank.cli.app import CATALOGUE, app
from latentrank.cli.method_help import show
from latentrank.cli.output import bold, console, print_table


@app.command(rich_help_panel=CATALOGUE)
def methods(
    name: Annotated[
        str | None, typer.Argument(metavar="METHOD", help="Show the options of this method.")
    ] = None,
) -> None:
    """List the methods, or one method's options, defaults and paper.

    latentrank methods
    latentrank methods irmae
    """
    from latentrank import methods as known

    if name is None:
        every = known.METHODS.working().values()
        print_table(["method", "summary"], ((bold(one.name), one.summary) for one in every))
        console.print("latentrank methods METHOD shows one method's options.", style="dim")
        return
    show(known.get(name))


@app.command(rich_help_panel=CATALOGUE)
def datasets() -> None:
    """List the named data sets. Folders of images and array files can be used as well.

    latentrank train lorae --data photographs/       a folder or .zip of images
    latentrank train rrae --data curves.npy          an array (N, ...), .npy or .npz
    """
    from latentrank.data import describe

    rows = (
        (
            bold(row.name),
            "\N{MULTIPLICATION SIGN}".join(map(str, row.shape)),
            f"{row.train_size:,}",
            f"{row.test_size:,}",
            "" if row.true_dimension is None else str(row.true_dimension),
            row.summary,
        )
        for row in describe()
    )
    print_table(["data", "sample", "train", "test", "dim", "description"], rows, range(1, 5))
    console.print(
        "dim: number of parameters that generated the data. Files are searched for in --data-root "
        "(LATENTRANK_DATA), and downloaded only with --download.",
        style="dim",
    )


@app.command(rich_help_panel=CATALOGUE)
def networks() -> None:
    """List the families of networks.

    latentrank train lorae --data blobs --net mlp
    """
    from latentrank.nets import NETWORKS

    texts = {name: inspect.getdoc(net) or "" for name, net in NETWORKS.working().items()}
    rows = ((bold(name), text.partition("\n")[0]) for name, text in texts.items())
    print_table(["network", "description"], rows)


@app.command(rich_help_panel=CATALOGUE)
def densities() -> None:
    """List the densities for sampling, with their options.

    latentrank sample RUN --density gmm:components=10,covariance=diag
    """
    from latentrank import density

    rows: list[tuple[str | Text, ...]] = []
    for name in density.DENSITIES.working():
        rows.append((bold(name), "", "", density.summary(name)))
        for one in density.options(name).values():
            default = "null" if one.default is None else str(one.default)
            rows.append(("", one.name, default, one.help))
    print_table(["density", "option", "default", "description"], rows)
    console.print("Written as NAME or NAME:OPTION=VALUE,OPTION=VALUE.", style="dim")


@app.command(rich_help_panel=CATALOGUE)
def metrics() -> None:
    """List the metrics of a run.

    latentrank evaluate RUN --metric contrast:median
    """
    from latentrank.metrics import METRICS
    from latentrank.metrics.registry import ALIASES

    rows = []
    for metric in METRICS.working().values():
        argument = metric.argument.replace("|", ", ")
        name = metric.form.partition(":")[0]
        rows.append((bold(name), argument, metric.better or "", metric.help))
    for alias, (name, features) in ALIASES.items():
        form = METRICS.get(name).form.replace("FEATURES", features)
        rows.append((bold(alias), "", "", f"The same as {form}."))
    print_table(["metric", "argument", "better", "description"], rows)
    console.print(
        "Written as NAME, NAME:ARGUMENT or NAME[FEATURES]:ARGUMENT; without FEATURES, those of a "
        "classifier of the data's own labels. LABELS: a number, or all. DENSITY: one of latentrank "
        "densities, or reconstruction or interpolation.",
        style="dim",
    )
