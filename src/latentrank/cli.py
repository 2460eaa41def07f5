"""The commands: parse, call, print. What they do is in the modules that they import.

Modules are imported inside the commands, so that help and mistakes answer at once.
"""

from __future__ import annotations

import functools
import inspect
import shlex
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from latentrank import __version__
from latentrank.config import RunConfig, TrainConfig, parse_value
from latentrank.errors import InputError
from latentrank.wording import as_text, duration

if TYPE_CHECKING:
    from latentrank.report.reproduction import Page
    from latentrank.run import Run

app = typer.Typer(
    name="latentrank",
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Groups of commands in the help.
#: Accuracy of a classifier below which its features are not to be relied on.
POOR_CLASSIFIER = 0.8

TRAIN, LOOK, USE, THERE_IS = "Train", "Look at a run", "Use a run", "What there is"

console = Console(highlight=False)
remarks = Console(stderr=True, highlight=False)


class Stopped(Exception):  # noqa: N818 - no error, the user's wish
    """A command was stopped with Ctrl-C, and this is how to go on."""


RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")]
Components = Annotated[
    str, typer.Option(help="Of gmm: how many Gaussians, or bic to choose.", metavar="N|bic")
]
Seed = Annotated[int, typer.Option(min=0, help="Of the draws.")]


@app.callback(invoke_without_command=True)
def main(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", metavar="", help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", metavar="", help="Show the traceback of what goes wrong.")
    ] = False,
) -> None:
    """Autoencoders whose latent space has low rank: find it, use it, compare.

    latentrank train lorae --data shapes        train a model and write its report
    latentrank methods                          what can be trained
    latentrank datasets                         what it can be trained on
    """
    if version:
        console.print(f"latentrank {__version__}")
    elif ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


# --- options that are not written out one by one ------------------------------------------------

_MACHINE = ("precision", "device", "devices", "strategy", "loggers", "data_root", "download")


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command every field of `RunConfig` as an option, its description as the help.

    Args:
        command: takes `ctx`, and `settings`: those given on the command line, by name.

    Returns:
        The command with a signature for Typer to read.
    """
    fields = sorted(
        (name for name in RunConfig.model_fields if name not in ("method", "options")),
        key=lambda name: (name in _MACHINE, name in TrainConfig.model_fields),
    )
    own = inspect.signature(command, eval_str=True)
    parameters = [p for p in own.parameters.values() if p.name != "settings"]

    @functools.wraps(command)
    def wrapped(ctx: typer.Context, **values: Any) -> None:
        every = {name: values.pop(name) for name in fields}
        settings = {name: value for name, value in every.items() if _is_given(ctx, name)}
        command(ctx=ctx, settings=settings, **values)

    parameters += [_option(name) for name in fields]
    wrapped.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
    return wrapped


def _is_given(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _option(name: str) -> inspect.Parameter:
    """A field of `RunConfig` as Typer wants an option."""
    field = RunConfig.model_fields[name]
    text = field.description or ""
    panel = "Training" if name in TrainConfig.model_fields else "Model and data"
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    declared: list[str] = []
    more: dict[str, Any] = {}
    kind: Any = _without_none(field.annotation)
    if typing.get_origin(kind) is list:
        # Given once for each of its values.
        kind, declared, more = list[str], [f"--{name.rstrip('s')}"], {"metavar": "NAME"}
    elif isinstance(kind, types.UnionType):
        kind, default, more = str, str(default), {"parser": parse_value, "metavar": "N|auto"}
    elif kind is bool:
        more = {"metavar": ""}
    info = typer.Option(
        *declared,
        help=text[:1].upper() + text[1:] + ".",
        rich_help_panel="Machine and files" if name in _MACHINE else panel,
        **more,
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
    )


def _without_none(annotation: Any) -> Any:
    kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
    if type(None) in typing.get_args(annotation) and len(kinds) == 1:
        return kinds[0]
    return annotation


def extra_options(tokens: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Sort what Typer does not know into words and options.

    Args:
        tokens: such as `["lorae", "--penalty", "1e-3", "--no-fixed"]`.

    Returns:
        The words, and the options by name with values as YAML reads them; an option without a
        value is true, and false if its name begins with `no-`.

    Raises:
        InputError: a single dash.

    Example:
        >>> extra_options(["lorae", "--penalty", "1e-3", "--init-variance=2", "--no-fixed"])
        (['lorae'], {'penalty': 0.001, 'init_variance': 2, 'fixed': False})
    """
    words: list[str] = []
    options: dict[str, Any] = {}
    waiting = list(tokens)
    while waiting:
        token = waiting.pop(0)
        if not token.startswith("--"):
            words.append(token)
            continue
        name, equals, value = token[2:].partition("=")
        if not equals and waiting and not waiting[0].startswith("--"):
            equals, value = "=", waiting.pop(0)
        name = name.replace("-", "_")
        if equals:
            options[name] = parse_value(value)
        else:
            options[name.removeprefix("no_")] = not name.startswith("no_")
    return words, options


# --- training -----------------------------------------------------------------------------------


@app.command(
    rich_help_panel=TRAIN,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="METHOD has options of its own, such as --penalty or --depth: "
    "[bold]latentrank methods METHOD[/bold] lists them.",
)
@with_settings
def train(
    ctx: typer.Context,
    settings: dict[str, Any],
    method: Annotated[
        str | None,
        typer.Argument(metavar="METHOD", help="One that `latentrank methods` lists."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="YAML file with any of these settings; the command line goes first."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the new run; by default runs/DATA-METHOD."),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with the interrupted run RUN.")
    ] = None,
    report: Annotated[bool, typer.Option(metavar="", help="Write the run's report.")] = True,
) -> None:
    """Train a METHOD on data and write a run folder with its report.

    latentrank train lorae --data shapes
    latentrank train irmae --data mnist --depth 8 --epochs 5 --data-root ~/data
    latentrank train rrae --data measurements.npy --latent-dim 64 --rank 4
    latentrank train --config run.yaml --seed 1
    """
    from latentrank import run as runs

    words, options = extra_options([*([method] if method else []), *ctx.args])
    if len(words) > 1:
        raise InputError(f"'{words[1]}' is one word too many; only METHOD has no -- before it.")
    given = {**settings, **options, **({"method": words[0]} if words else {})}
    if resume is not None:
        folder = resume
    else:
        settled = runs.configure(given, config)
        folder = out or runs.default_folder(settled)
    try:
        if resume is not None:
            run = runs.resume(folder, given, progress=True)
        else:
            run = runs.train(settled, folder)
    except KeyboardInterrupt:
        again = f"latentrank train --resume {shlex.quote(str(folder))}"
        raise Stopped(f"Stopped; go on with: {again}") from None
    if not runs.is_first_process():
        return
    if report:
        _write_report(run)
    _summary(run)


def _write_report(run: Run) -> Path:
    from latentrank.report import write_report

    with remarks.status("Drawing the report"):
        return write_report(run)


def _summary(run: Run) -> None:
    """What came out of a training, in a few lines."""
    metrics = run.metrics
    known = metrics["true_dimension"]
    truth = "" if known is None else f"   (true dimension {known})"
    lines = {
        "rank": f"[bold]{metrics['rank']}[/bold] of {metrics['latent_dim']}{truth}",
        "validation error": as_text(metrics["validation_error"]),
        "time": f"{duration(metrics['seconds'])}, epochs: {metrics['epochs']}",
        "run": str(run.folder),
    }
    if (run.folder / "report.html").is_file():
        lines["report"] = str(run.folder / "report.html")
    console.print(f"[bold]{metrics['method']}[/bold] on {Path(metrics['data']).name}")
    _print_pairs(lines)
    control = metrics.get("rank_control", {})
    if control:
        remarks.print(control["says"], style="dim" if control["sure"] else "yellow")
    if metrics.get("warning"):
        remarks.print(metrics["warning"], style="yellow")


def _print_pairs(lines: Mapping[str, str]) -> None:
    width = max(map(len, lines))
    for name, value in lines.items():
        console.print(f"  [dim]{name:<{width}}[/dim]  {value}", soft_wrap=True)


def _table(*columns: str, numbers: Iterable[str] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for index, column in enumerate(columns):
        number = column in numbers
        whole = number or index == 0
        table.add_column(column, justify="right" if number else "left", no_wrap=whole)
    return table


@app.command(rich_help_panel=LOOK)
def report(run: RunFolder) -> None:
    """Write a run's report anew: RUN/report.html and RUN/figures."""
    from latentrank.run import finished_run

    console.print(str(_write_report(finished_run(run))))


# --- what there is ------------------------------------------------------------------------------


@app.command(rich_help_panel=THERE_IS)
def methods(
    name: Annotated[
        str | None, typer.Argument(metavar="METHOD", help="Show the options of this one.")
    ] = None,
) -> None:
    """List the methods, or one method's options, defaults and paper.

    latentrank methods
    latentrank methods irmae
    """
    from latentrank import methods as known

    if name is None:
        table = _table("method", "what it does")
        for method in map(known.get, known.names()):
            table.add_row(f"[bold]{method.name}[/bold]", method.summary)
        console.print(table)
        console.print("latentrank methods METHOD shows one method's options.", style="dim")
        return
    method = known.get(name)
    console.print(f"[bold]{method.name}[/bold]  {method.summary}")
    console.print(f"{method.paper[:1].upper()}{method.paper[1:]}", style="dim")
    table = _table("option", "default", "what it is")
    for option, row in known.options(name).items():
        default = "" if row.default is None else str(row.default)
        table.add_row(f"--{option.replace('_', '-')}", default, row.help)
    console.print(table)


@app.command(rich_help_panel=THERE_IS)
def datasets() -> None:
    """List the data sets that have a name. Folders of images and arrays are data, too.

    latentrank train lorae --data photographs/       a folder or .zip of images
    latentrank train rrae --data curves.npy          an array (N, ...), .npy or .npz
    """
    from latentrank.data import describe

    table = _table(
        "data", "sample", "train", "test", "dim", "what it is",
        numbers=("sample", "train", "test", "dim"),
    )  # fmt: skip
    for row in describe():
        table.add_row(
            f"[bold]{row.name}[/bold]",
            "\N{MULTIPLICATION SIGN}".join(map(str, row.shape)),
            f"{row.train_size:,}",
            f"{row.test_size:,}",
            "" if row.true_dimension is None else str(row.true_dimension),
            row.summary,
        )
    console.print(table)
    console.print(
        "dim: of how many numbers the data was generated. Files are looked for in --data-root, "
        "or LATENTRANK_DATA, and fetched only with --download.",
        style="dim",
    )


# --- using a run --------------------------------------------------------------------------------


def _free(out: Path | None, usual: Path, suffixes: Sequence[str]) -> Path:
    """Where to write: the usual place anew, or a place of the user's where nothing is yet."""
    if out is None:
        return usual
    if out.suffix not in suffixes:
        raise InputError(f"--out is {out}; expected a name that ends in {' or '.join(suffixes)}.")
    if out.exists():
        raise InputError(f"{out} exists already; give another --out, or remove it.")
    return out


@app.command(rich_help_panel=USE)
def embed(
    run: RunFolder,
    data: Annotated[
        str | None,
        typer.Option(help="Other data of the same shape; by default the run's own."),
    ] = None,
    split: Annotated[
        Literal["train", "test", "all"] | None,
        typer.Option(help="Which part; by default test, and all of other data."),
    ] = None,
    coefficients: Annotated[
        bool,
        typer.Option(
            "--coefficients", metavar="", help="In the method's own basis, k numbers each."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="An .npz file; by default RUN/codes-SPLIT.npz.")
    ] = None,
) -> None:
    """Write the codes of data: an .npz file with codes, and labels, parameters and rows if known.

    latentrank embed runs/shapes-lorae --split train
    latentrank embed runs/shapes-lorae --data others.npy --out others-codes.npz
    """
    import numpy as np

    from latentrank.files import whole
    from latentrank.inference import embed as codes_of
    from latentrank.run import finished_run

    opened = finished_run(run)
    split = split or ("test" if data is None else "all")
    path = _free(out, run / f"codes-{split}.npz", [".npz"])
    arrays = codes_of(opened, split, data, coefficients=coefficients)
    with whole(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]  # numpy's stub takes bools only
    kept = ", ".join(f"{name} {rows.shape}" for name, rows in arrays.items())
    console.print(f"{path}: {kept}", soft_wrap=True)


def _components(text: str) -> int | str:
    if text != "bic" and not text.isdecimal():
        raise InputError(f"--components is {text}, expected a whole number from 1, or bic.")
    return text if text == "bic" else int(text)


@app.command(rich_help_panel=USE)
def sample(
    run: RunFolder,
    density: Annotated[
        str | None,
        typer.Option(
            help="Fitted to the training codes: gaussian, gmm, prior, kde or flow; by default "
            "gaussian, of a GAN prior."
        ),
    ] = None,
    components: Components = "4",
    n: Annotated[int, typer.Option(min=1, help="How many samples.")] = 10_000,
    out: Annotated[
        Path | None,
        typer.Option(
            help="An .npz file, or a .png to see 64 of them; by default RUN/samples-DENSITY.npz."
        ),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Generate new samples: draw codes from a density, decode them.

    latentrank sample runs/mnist-lorae --density gmm --n 10000 --out samples.npz
    latentrank sample runs/mnist-lorae --out samples.png
    """
    import numpy as np

    from latentrank import inference
    from latentrank.files import whole
    from latentrank.run import finished_run

    opened = finished_run(run)
    density = density or inference.usual_densities(opened.model())[0]
    path = _free(out, run / f"samples-{density}.npz", [".npz", ".png"])
    picture = path.suffix == ".png"
    options = {"components": _components(components)} if density == "gmm" else {}
    made = inference.sample(opened, density, min(n, 64) if picture else n, seed, **options)
    if picture:
        from latentrank.report import pictures

        pictures.write_png(pictures.sample_grid(opened, made.x), path)
        console.print(str(path), soft_wrap=True)
        return
    with whole(path) as temporary:
        np.savez(temporary, x=made.x, codes=made.codes)
    console.print(f"{path}: x {made.x.shape}, codes {made.codes.shape}", soft_wrap=True)


@app.command(rich_help_panel=LOOK)
def interpolate(
    run: RunFolder,
    kind: Annotated[
        Literal["linear", "spherical", "pca", "parameters"],
        typer.Option(
            help="Lines or arcs between test samples; the plane of the first two principal "
            "directions; or codes interpolated over the parameters of the data."
        ),
    ] = "linear",
    out: Annotated[
        Path | None,
        typer.Option(help="A .png file; by default RUN/figures/interpolation-KIND.png."),
    ] = None,
) -> None:
    """Draw what lies between codes, or measure it where the data has parameters.

    latentrank interpolate runs/mnist-rrae --kind spherical --out between.png
    latentrank interpolate runs/curves-two-gaussians-rrae --kind parameters
    """
    from latentrank.run import finished_run

    opened = finished_run(run)
    if kind == "parameters":
        from latentrank.evaluation import parameter_error

        error = parameter_error(opened.model(), opened.dataset())
        console.print(f"relative test error {error:.2f} %")
        return
    from latentrank.report import pictures

    path = _free(out, run / "figures" / f"interpolation-{kind}.png", [".png"])
    console.print(str(pictures.write_png(pictures.interpolation(opened, kind), path)))


@app.command(rich_help_panel=LOOK)
def explore(run: RunFolder) -> None:
    """Write RUN/explore.html, a page with a slider for each principal direction of the code."""
    from latentrank.report.explore import write_explore
    from latentrank.run import finished_run

    opened = finished_run(run)
    with remarks.status("Decoding"):
        console.print(str(write_explore(opened)), soft_wrap=True)


@app.command(rich_help_panel=LOOK)
def evaluate(
    run: RunFolder,
    features: Annotated[
        Literal["classifier", "inception"] | None,
        typer.Option(
            help="Measure distances of generated from test images on these: a classifier of the "
            "data's own labels (FD-classifier), or Inception (FID)."
        ),
    ] = None,
    density: Annotated[
        str | None,
        typer.Option(
            help="Densities to draw from, separated by commas; by default gaussian,gmm, of a GAN "
            "prior."
        ),
    ] = None,
    components: Components = "4",
    n: Annotated[int, typer.Option(min=6, help="Samples from each density.")] = 10_000,
    weights: Annotated[Path | None, typer.Option(help="File of Inception weights.")] = None,
    download: Annotated[
        bool, typer.Option("--download", metavar="", help="Inception weights may be downloaded.")
    ] = False,
    probes: Annotated[
        bool, typer.Option(metavar="", help="Train classifiers on the codes, if there are labels.")
    ] = True,
    seed: Seed = 0,
    device: Annotated[
        str, typer.Option(help="Where features are computed: auto, cpu, cuda, ...")
    ] = "auto",
) -> None:
    """Measure a run: reconstruction, generated images, and how much codes tell of the labels.

    latentrank evaluate runs/mnist-lorae --features classifier
    latentrank evaluate runs/celeba-lorae --features inception --weights inception.pth
    """
    from latentrank.assessment import Features, assess
    from latentrank.report.measured import read_evaluation
    from latentrank.run import finished_run

    opened = finished_run(run)
    with remarks.status("") as status:
        found = assess(
            opened,
            Features(features, weights, download, device) if features else None,
            [name.strip() for name in density.split(",")] if density else None,
            n,
            seed=seed,
            components=_components(components),
            probes=probes,
            say=lambda text: status.update(f"Measuring: {text}"),
        )
    # what was measured before and is not now remains
    opened.write("evaluation.json", {**read_evaluation(run), **found})
    _print_assessment(found)
    if features is None:
        remarks.print("Distances of generated images: --features classifier or inception.")
    console.print(str(run / "evaluation.json"), soft_wrap=True)


def _print_assessment(found: Mapping[str, Any]) -> None:
    _print_pairs(
        {
            "rank": f"[bold]{found['rank']}[/bold] of {found['latent_dim']}",
            "reconstruction error": as_text(found["reconstruction_error"]),
        }
    )
    from latentrank.report.measured import generation_table, probe_table

    if found.get("generation"):
        _print_table(*generation_table(found))
        console.print(f"{found['protocol']}.", style="dim")
        if found.get("classifier_accuracy", 1.0) < POOR_CLASSIFIER:
            remarks.print(
                f"The classifier knows {100 * found['classifier_accuracy']:.0f} % of the test "
                "images; distances on its features say little.",
                style="yellow",
            )
    if found.get("probes"):
        _print_table(*probe_table(found))


def _print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = _table(*header, numbers=header[1:])
    for row in rows:
        table.add_row(*row)
    console.print(table)


@app.command(rich_help_panel=LOOK)
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    out: Annotated[
        Path | None, typer.Option(help="The page; by default compare.html, written anew.")
    ] = None,
) -> None:
    """Set runs on the same data side by side on one page; repetitions share a column.

    latentrank compare runs/mnist-ae runs/mnist-lorae runs/mnist-lorae-2
    """
    from latentrank.report import write_comparison
    from latentrank.run import finished_run

    path = _free(out, Path("compare.html"), [".html"])
    opened = [finished_run(run) for run in runs]
    with remarks.status("Drawing the comparison"):
        console.print(str(write_comparison(opened, path)), soft_wrap=True)


@app.command(rich_help_panel=USE)
def export(
    run: RunFolder,
    format: Annotated[  # noqa: A002 - the option's name
        Literal["onnx", "safetensors"], typer.Option(help="Of the file.")
    ] = "onnx",
    part: Annotated[
        Literal["encoder", "decoder", "autoencoder"], typer.Option(help="What is written.")
    ] = "encoder",
    compress: Annotated[
        bool, typer.Option(metavar="", help="Shrink the code to the coefficients that matter.")
    ] = False,
    tol: Annotated[
        float | None,
        typer.Option(
            help="With --compress: largest relative change of reconstructions of codes like those "
            "of the training data; by default 0.001."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file; by default RUN/PART.FORMAT.")] = None,
) -> None:
    """Write a trained model for use elsewhere, its linear part folded into the encoder.

    latentrank export runs/mnist-lorae --format onnx --compress
    latentrank export runs/mnist-lorae --format safetensors --part decoder --out decoder.safetensors
    """
    from latentrank import export as exporting
    from latentrank.run import finished_run

    if tol is not None and not compress:
        raise InputError(f"--tol is {tol}, which is for --compress; add that, or leave it out.")
    tolerance = (1e-3 if tol is None else tol) if compress else None
    model = finished_run(run).model()
    path = _free(out, run / f"{part}.{format}", [f".{format}"])
    write = exporting.export_onnx if format == "onnx" else exporting.export_safetensors
    with remarks.status(f"Writing {path.name}"):
        write(model, path, part, tol=tolerance)
    size = path.stat().st_size / 2**20
    console.print(f"{path}: {part}, {size:.1f} MiB", soft_wrap=True)


# --- many trainings -----------------------------------------------------------------------------


@app.command(rich_help_panel=TRAIN)
def reproduce(
    recipe: Annotated[
        str | None,
        typer.Argument(metavar="RECIPE", help="One that --list shows, or a .yaml of your own."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each row.")] = 3,
    budget: Annotated[
        Literal["small", "paper"],
        typer.Option(help="About an hour on two cores, or the papers' full setting."),
    ] = "small",
    part: Annotated[
        list[str] | None, typer.Option(help="One of its data sets alone, such as mnist; repeated.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder of all reproductions, which share their trainings.")
    ] = Path("reproductions"),
    data_root: Annotated[str | None, typer.Option(help="Where data files lie.")] = None,
    download: Annotated[
        bool, typer.Option("--download", metavar="", help="Data and weights may be downloaded.")
    ] = False,
    weights: Annotated[Path | None, typer.Option(help="File of Inception weights.")] = None,
    device: Annotated[str, typer.Option(help="Where: auto, cpu, gpu, mps, ...")] = "auto",
    listing: Annotated[
        bool, typer.Option("--list", metavar="", help="List the recipes and do nothing.")
    ] = False,
) -> None:
    """Train what a table or figure of the papers needs, and set it beside the published values.

    latentrank reproduce --list
    latentrank reproduce lorae-table-7 --seeds 3 --budget small
    latentrank reproduce lorae-table-3 --part mnist
    """
    from latentrank import reproduce as reproducing

    if listing or recipe is None:
        _print_recipes(seeds)
        return
    try:
        page = reproducing.reproduce(
            recipe,
            seeds=seeds,
            budget=budget,
            parts=part or (),
            out=out,
            data_root=data_root,
            download=download,
            weights=weights,
            device=device,
            say=lambda text: remarks.print(text, style="dim", soft_wrap=True),
            progress=True,
        )
    except KeyboardInterrupt:
        raise Stopped("Stopped; the same command goes on where it was.") from None
    _print_page(page)
    console.print(str(out / page.name / "report.html"), soft_wrap=True)


def _print_recipes(seeds: int) -> None:
    from latentrank import recipes
    from latentrank.reproduce import plan

    table = _table("recipe", "trainings", "what it is", numbers=["trainings"])
    for name in recipes.names():
        found = recipes.load(name)
        jobs = plan(found, "small", seeds, Path())
        count = len({job.folder for job in jobs if job.trained})
        table.add_row(f"[bold]{name}[/bold]", str(count), found.title)
    console.print(table)
    console.print(f"trainings: with {seeds} seeds; recipes share those alike.", style="dim")


def _print_page(page: Page) -> None:
    from latentrank.report.reproduction import cells

    for grid in page.grids:
        header, rows = cells(grid)
        table = _table(*header, numbers=header[1:])
        table.columns[0].min_width = max(len(row[0]) for row in rows)
        for column in table.columns[1:]:
            # many columns: better on two lines than cut off
            column.no_wrap, column.overflow = False, "fold"
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for text in [*page.claims, *page.notes]:
        console.print(text, style="dim", markup=False)


@app.command(
    rich_help_panel=TRAIN,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
@with_settings
def sweep(
    ctx: typer.Context,
    settings: dict[str, Any],
    method: Annotated[str, typer.Argument(metavar="METHOD", help="As for latentrank train.")],
    search: Annotated[
        list[str],
        typer.Option(help="NAME=LOW..HIGH, with :log for its logarithm, or NAME=A,B,C; repeated."),
    ],
    trials: Annotated[int, typer.Option(min=1, help="How many to add to the study.")] = 20,
    storage: Annotated[
        str | None,
        typer.Option(help="URL of the study's database; machines that name the same share it."),
    ] = None,
    minimise: Annotated[
        str, typer.Option(help="A number of metrics.json, or a measure such as fd:gmm.")
    ] = "validation_error",
    out: Annotated[Path, typer.Option(help="Folder of the studies' runs.")] = Path("sweeps"),
) -> None:
    """Search over settings and options of METHOD with Optuna; each trial is a run folder.

    latentrank sweep lorae --data shapes --search penalty=1e-5..1e-1:log --trials 20
    """
    from latentrank import sweep as sweeping

    words, options = extra_options([method, *ctx.args])
    if len(words) > 1:
        raise InputError(f"'{words[1]}' is one word too many; only METHOD has no -- before it.")
    try:
        found = sweeping.sweep(
            {**settings, **options, "method": words[0]},
            [sweeping.parse_search(text) for text in search],
            trials,
            minimise=minimise,
            storage=storage,
            out=out,
            say=lambda text: remarks.print(text, style="dim", soft_wrap=True),
            progress=True,
        )
    except KeyboardInterrupt:
        raise Stopped("Stopped; the same command adds trials to the study.") from None
    names = list(found[0].settings)
    table = _table("trial", minimise, *names, "run", numbers=["trial", minimise, *names])
    for trial in found:
        chosen = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in trial.settings.values()]
        table.add_row(str(trial.number), f"{trial.value:.4g}", *chosen, trial.folder)
    console.print(table)
