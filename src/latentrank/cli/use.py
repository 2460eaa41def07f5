"""Commands that use a run: embed, sample, export; and the densities to sample from."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from latentrank.cli.app import CATALOGUE, GENERATE, app
from latentrank.cli.options import DensityCommand, RunFolder, Seed
from latentrank.cli.output import console, free_path, messages, new_table
from latentrank.errors import InputError

if TYPE_CHECKING:
    from latentrank.export import Exported
    from latentrank.models.base import LatentModel


@app.command(rich_help_panel=GENERATE)
def embed(
    run: RunFolder,
    data: Annotated[
        str | None,
        typer.Option(help="Other data of the same shape; by default the run's own."),
    ] = None,
    split: Annotated[
        Literal["train", "test", "all"] | None,
        typer.Option(help="Part of the data; by default test, for other data all."),
    ] = None,
    coefficients: Annotated[
        bool,
        typer.Option("--coefficients", metavar="", help="Coefficients in the method's own basis."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="An .npz file; by default RUN/codes-SPLIT.npz.")
    ] = None,
) -> None:
    """Write codes to an .npz file, with labels, parameters and rows where known.

    latentrank embed runs/shapes-lorae --split train
    latentrank embed runs/shapes-lorae --data others.npy --out others-codes.npz
    """
    import numpy as np

    from latentrank.inference import embed as codes_of
    from latentrank.io import atomic_write
    from latentrank.runs import finished_run

    opened = finished_run(run)
    split = split or ("test" if data is None else "all")
    path = free_path(out, run / f"codes-{split}.npz", [".npz"])
    arrays = codes_of(opened, split, data, coefficients=coefficients)
    with atomic_write(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]  # numpy's stub takes bools only
    kept = ", ".join(f"{name} {rows.shape}" for name, rows in arrays.items())
    console.print(f"{path}: {kept}", soft_wrap=True)


def parse_components(text: str) -> int | str:
    """The value of `--components`: a whole number, or bic."""
    if text != "bic" and not text.isdecimal():
        raise InputError(f"--components is {text}, expected a whole number from 1, or bic.")
    return text if text == "bic" else int(text)


@app.command(cls=DensityCommand, rich_help_panel=GENERATE)
def sample(
    run: RunFolder,
    density: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[:OPTION=VALUE,...]",
            help="Density to draw codes from, one of NAMES; by default gaussian, for a GAN prior. "
            "Options: latentrank densities.",
        ),
    ] = None,
    n: Annotated[int, typer.Option(min=1, help="Number of samples.")] = 10_000,
    out: Annotated[
        Path | None,
        typer.Option(
            help="An .npz file, or a .png, .pdf or .svg that shows 64 of them; by default "
            "RUN/samples-DENSITY.npz."
        ),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Generate samples: draw codes from a density fitted to the training codes, decode them.

    latentrank sample runs/mnist-lorae --density gmm:components=10 --out samples.npz
    latentrank sample runs/mnist-lorae --out samples.png
    """
    import numpy as np

    from latentrank import inference
    from latentrank.io import atomic_write
    from latentrank.runs import finished_run

    opened = finished_run(run)
    density = density or inference.usual_densities(opened.model())[0]
    name = re.sub(r"[^\w.]+", "-", density)
    path = free_path(out, run / f"samples-{name}.npz", [".npz", ".png", ".pdf", ".svg"])
    picture = path.suffix != ".npz"
    made = inference.sample(opened, density, min(n, 64) if picture else n, seed)
    if picture:
        model = opened.model()
        from latentrank.report import pictures
        from latentrank.report.style import write_figure

        write_figure(pictures.sample_grid(opened, model.decode_array(made.codes)), path)
        console.print(str(path), soft_wrap=True)
        return
    with atomic_write(path) as temporary:
        np.savez(temporary, x=made.x, codes=made.codes)
    console.print(f"{path}: x {made.x.shape}, codes {made.codes.shape}", soft_wrap=True)


@app.command(rich_help_panel=CATALOGUE)
def densities() -> None:
    """List the densities to draw samples from, with their options.

    latentrank sample RUN --density gmm:components=10,covariance=diag
    """
    from latentrank import density

    table = new_table("density", "option", "default", "what it is")
    for name in density.names():
        table.add_row(f"[bold]{name}[/bold]", "", "", density.summary(name))
        for option in density.options(name).values():
            default = "null" if option.default is None else str(option.default)
            table.add_row("", option.name, default, option.help)
    console.print(table)
    console.print("Written as NAME or NAME:OPTION=VALUE,OPTION=VALUE.", style="dim")


@app.command(rich_help_panel=GENERATE)
def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of a finished run, or of a saved model.")
    ],
    format: Annotated[  # noqa: A002 - the option's name
        Literal["onnx", "safetensors"], typer.Option(help="Of the file.")
    ] = "onnx",
    part: Annotated[
        Literal["encoder", "decoder", "autoencoder"], typer.Option(help="What is written.")
    ] = "encoder",
    compress: Annotated[
        float | None,
        typer.Option(
            metavar="TOL",
            help="Reduce the code to the coefficients that keep reconstructions of codes like "
            "those of the training data within this relative change, such as 0.001.",
        ),
    ] = None,
    precision: Annotated[
        Literal["float32", "float16", "int8"],
        typer.Option(help="Of the weights in an ONNX file; what it costs is measured."),
    ] = "float32",
    check: Annotated[
        bool, typer.Option("--check", metavar="", help="Print how far the file is from torch.")
    ] = False,
    networks: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.py:FUNCTION",
            help="Of a model with your own networks: a function that returns encoder and decoder.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file; by default RUN/PART.FORMAT.")] = None,
) -> None:
    """Write a trained model for use elsewhere, its linear part folded into the encoder.

    The file takes and gives samples in the shape, units and dtype of the training data.

    latentrank export runs/mnist-lorae --format onnx --compress 1e-3 --check
    latentrank export runs/mnist-lorae --format safetensors --part decoder --out decoder.safetensors
    """
    from latentrank import export as exporting

    settings: dict[str, Any] = {"compress": compress}
    if format == "onnx":
        settings["precision"] = precision
    elif precision != "float32":
        raise InputError(f"--precision is {precision}, which is for --format onnx; leave it out.")
    model = _model_of(run, networks)
    path = free_path(out, run / f"{part}.{format}", [f".{format}"])
    write = exporting.export_onnx if format == "onnx" else exporting.export_safetensors
    with messages.status(f"Writing {path.name}"):
        made = write(model, path, part, **settings)
    size = path.stat().st_size / 2**20
    console.print(f"{path}: {part}, {size:.1f} MiB", soft_wrap=True)
    for line in _costs(made, precision, check):
        console.print(line, soft_wrap=True)


def _costs(made: Exported, precision: str, check: bool) -> Iterator[str]:
    """What is to be said of compression, of precision and of the check."""
    if made.change is not None:
        before, after = made.widths
        yield (
            f"compressed: a code has {after} numbers instead of {before}, and reconstructions "
            f"change by {100 * made.change:.2g} %"
        )
    if made.difference is None:
        if check:
            yield "not checked: the networks are not in the file"
    elif check or precision != "float32":
        yield (
            f"difference from torch in float32: at most {made.difference.largest:.2g}, "
            f"{100 * made.difference.relative:.2g} % of the spread of the output "
            "(root mean square)"
        )


def _model_of(folder: Path, networks: str | None) -> LatentModel:
    """The model of a run, or one that was saved."""
    from latentrank.runs import finished_run
    from latentrank.serialization import load

    if networks is not None:
        encoder, decoder = _own_networks(networks)
        return load(folder, encoder=encoder, decoder=decoder)
    if (folder / "model.json").is_file() and not (folder / "config.yaml").is_file():
        return load(folder)
    return finished_run(folder).model()


def _own_networks(text: str) -> tuple[Any, Any]:
    """The encoder and the decoder that a function in a file of the user's returns."""
    file, _, name = text.rpartition(":")
    if not Path(file).is_file():
        raise InputError(
            f"--networks is {text}, expected FILE.py:FUNCTION with a file that exists; check it."
        )
    function = runpy.run_path(file).get(name)
    if not callable(function):
        raise InputError(f"There is no function '{name}' in {file}; check --networks.")
    encoder, decoder = function()
    return encoder, decoder
