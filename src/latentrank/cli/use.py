"""Commands that use a run: embed, sample, predict, export."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from latentrank.cli.app import GENERATE, app, flag, option
from latentrank.cli.options import Data, DensityCommand, Networks, RunFolder, Seed, opened
from latentrank.cli.output import console, free_path, messages, write_csv, write_npz
from latentrank.errors import InputError
from latentrank.formatting import counted

if TYPE_CHECKING:
    from latentrank.export import Exported


@app.command(rich_help_panel=GENERATE)
def embed(
    run: RunFolder,
    data: Annotated[
        str | None, option("Other data of the same shape; by default the run's.")
    ] = None,
    split: Annotated[
        Literal["train", "test", "all"] | None,
        option("Split of the data; by default test, or all for other data."),
    ] = None,
    networks: Networks = None,
    coefficients: Annotated[
        bool, flag("Write coefficients in the method's basis.", "--coefficients")
    ] = False,
    errors: Annotated[
        bool,
        flag(
            "Write the error of each reconstruction, too, which is large for unusual samples; this "
            "reads the data.",
            "--errors",
        ),
    ] = False,
    out: Annotated[
        Path | None, option("An .npz or .csv file; by default RUN/codes-[DATA-]SPLIT.npz.")
    ] = None,
) -> None:
    """Write codes to a file, with labels, parameters, names and row numbers (from 0) if known.

    latentrank embed runs/shapes-lorae --split train
    latentrank embed runs/shapes-lorae --data others.npy --out others-codes.npz
    latentrank embed runs/plant-lorae --data today.csv --errors
    """
    from latentrank.inference import embed as codes_of
    from latentrank.runs.configure import short_name

    split = split or ("test" if data is None else "all")
    of_others = "" if data is None else f"{short_name(data)}-"
    path = free_path(out, run / f"codes-{of_others}{split}.npz", [".npz", ".csv"])
    found = opened(run, networks=networks)
    arrays = codes_of(found, split, data, coefficients=coefficients, errors=errors)
    if path.suffix == ".csv":
        write_csv(path, _columns_of_codes(arrays, found.kept.parameter_names))
    else:
        write_npz(path, arrays)
    kept = ", ".join(f"{name} {rows.shape}" for name, rows in arrays.items())
    console.print(f"{path}: {kept}", soft_wrap=True)


#: Arrays with a number or a text for each sample.
_OF_SAMPLES = ("names", "rows", "errors")


def _columns_of_codes(
    arrays: Mapping[str, Any], known_names: Sequence[str] | None
) -> dict[str, Any]:
    """Codes and what is known about their samples, by column name; no parameter hides another."""
    from latentrank.data.parameters import parameter_names

    columns = {name.removesuffix("s"): arrays[name] for name in _OF_SAMPLES if name in arrays}
    if "labels" in arrays:
        known = arrays.get("class_names")
        columns["label"] = arrays["labels"] if known is None else known[arrays["labels"]]
    codes = {f"code {i}": values for i, values in enumerate(arrays["codes"].T)}
    if "parameters" in arrays:
        values, taken = arrays["parameters"], {*columns, *codes}
        named = parameter_names(known_names, values.shape[1])
        named = [f"parameter {name}" if name in taken else name for name in named]
        columns |= dict(zip(named, values.T, strict=True))
    return columns | codes


@app.command(cls=DensityCommand, rich_help_panel=GENERATE)
def sample(
    run: RunFolder,
    density: Annotated[
        str | None,
        option(
            "Density for codes, one of NAMES; by default gaussian, or prior for a GAN.  "
            "Options: latentrank densities.",
            "NAME[:OPTION=VALUE,...]",
        ),
    ] = None,
    n: Annotated[int, option("Number of samples.", min=1)] = 10_000,
    out: Annotated[
        Path | None,
        option(
            "An .npz file, a .csv for tables, or a .png, .pdf or .svg of 64 samples; by default "
            "RUN/samples-DENSITY.npz."
        ),
    ] = None,
    seed: Seed = 0,
    data: Data = None,
    networks: Networks = None,
) -> None:
    """Generate samples: draw codes from a density fitted to the training codes and decode them.

    latentrank sample runs/mnist-lorae --density gmm:components=10 --out samples.npz
    latentrank sample runs/mnist-lorae --out samples.png
    """
    from latentrank import inference

    # The default name depends on the model; a bad --out is refused before the model is read.
    free_path(out, run, [".npz", ".csv", ".png", ".pdf", ".svg"])
    found = opened(run, data, networks)
    density = density or found.model().usual_densities[0]
    name = re.sub(r"[^\w.]+", "-", density)
    path = out or run / f"samples-{name}.npz"
    picture = path.suffix not in (".npz", ".csv")
    made = inference.sample(found, density, min(n, 64) if picture else n, seed)
    if picture:
        model = found.model()
        from latentrank.report import pictures
        from latentrank.report.style import write_figure

        write_figure(pictures.sample_grid(found, model.decode_array(made.codes)), path)
        console.print(str(path), soft_wrap=True)
        return
    if path.suffix == ".csv":
        if made.x.ndim != 2:
            raise InputError(
                f"--out is {path}, but samples have shape {made.x.shape[1:]} and are not rows of a "
                "table; give a name ending in .npz."
            )
        names = found.kept.axes.channel_names or [f"column {i}" for i in range(made.x.shape[1])]
        write_csv(path, dict(zip(names, made.x.T, strict=True)))
    else:
        write_npz(path, {"x": made.x, "codes": made.codes})
    console.print(f"{path}: x {made.x.shape}, codes {made.codes.shape}", soft_wrap=True)


@app.command(rich_help_panel=GENERATE)
def predict(
    run: RunFolder,
    parameters: Annotated[
        Path,
        option(
            "A .csv, .npy or other table with one row of parameters per sample; named columns "
            "are matched with the data's parameters."
        ),
    ],
    kind: Annotated[
        Literal["auto", "linear", "multilinear", "radial", "gaussian-process"],
        option(
            "How to interpolate codes; by default multilinear on a full grid, otherwise radial."
        ),
    ] = "auto",
    out: Annotated[Path | None, option("An .npz file; by default RUN/predicted-KIND.npz.")] = None,
    data: Data = None,
    networks: Networks = None,
) -> None:
    """Predict samples, such as fields, at new parameters, in the units of the data.

    latentrank predict runs/curves-two-gaussians-rrae --parameters new.csv --out fields.npz
    """
    from latentrank import inference
    from latentrank.data.parameters import read

    path = free_path(out, run / f"predicted-{kind}.npz", [".npz"])
    found = opened(run, data, networks)
    fitted = inference.parameter_map(found, kind)
    values = read(parameters, fitted.width, fitted.names)
    codes = fitted(values)
    if told := fitted.extrapolated(values):
        messages.print(told)
    outside = fitted.outside(values)
    fields = inference.decode(found, codes)
    kept = {"fields": fields, "parameters": values, "codes": codes, "extrapolated": outside}
    write_npz(path, kept)
    console.print(f"{path}: fields {fields.shape}, by {fitted.kind}", soft_wrap=True)


@app.command(rich_help_panel=GENERATE)
def export(
    run: RunFolder,
    format: Annotated[  # noqa: A002 - name of the option
        Literal["onnx", "safetensors"], option("File format.")
    ] = "onnx",
    part: Annotated[
        Literal["encoder", "decoder", "autoencoder"], option("Part to write.")
    ] = "encoder",
    compress: Annotated[
        float | None,
        option(
            "Reduce the code to the fewest coefficients that change reconstructions of codes "
            "like the training data's by at most this fraction, such as 0.001.",
            "TOL",
        ),
    ] = None,
    precision: Annotated[
        Literal["float32", "float16", "int8"],
        option("Precision of the weights in an ONNX file; the loss of accuracy is measured."),
    ] = "float32",
    check: Annotated[bool, flag("Print the difference from torch's output.", "--check")] = False,
    networks: Networks = None,
    out: Annotated[Path | None, option("Output file; by default RUN/PART.FORMAT.")] = None,
) -> None:
    """Export a trained model, with its linear part folded into the encoder.

    The exported model takes and returns samples in the shape, units and dtype of the training data.

    latentrank export runs/mnist-lorae --format onnx --compress 1e-3 --check
    latentrank export runs/mnist-lorae --format safetensors --part decoder --out decoder.safetensors
    """
    from latentrank import export as exporting

    settings: dict[str, Any] = {"compress": compress}
    if format == "onnx":
        settings["precision"] = precision
    elif precision != "float32":
        raise InputError(f"--precision is {precision}, which requires --format onnx; leave it out.")
    path = free_path(out, run / f"{part}.{format}", [f".{format}"])
    model = opened(run, networks=networks).model()
    write = exporting.export_onnx if format == "onnx" else exporting.export_safetensors
    with messages.status(f"Writing {path.name}"):
        made = write(model, path, part, **settings)
    size = path.stat().st_size / 2**20
    console.print(f"{path}: {part}, {size:.1f} MiB", soft_wrap=True)
    for line in _costs(made, precision, check):
        console.print(line, soft_wrap=True)


def _costs(made: Exported, precision: str, check: bool) -> Iterator[str]:
    """Messages on compression, precision and the check."""
    if made.change is not None:
        before, after = made.widths
        kept = (
            f"has {counted(after, 'number')} instead of {before}"
            if after < before
            else f"keeps its {counted(before, 'number')}"
        )
        yield f"compressed: a code {kept}, and reconstructions change by {100 * made.change:.2g} %"
    if made.difference is None:
        if check:
            yield "not checked: the networks are not in the file"
    elif check or precision != "float32":
        yield (
            f"difference from torch in float32: {100 * made.difference.relative:.2g} % of the "
            "spread of the output (root mean square), at most "
            f"{100 * made.difference.largest_relative:.2g} %"
        )


@app.command(rich_help_panel=GENERATE)
def push(
    run: RunFolder,
    repository: Annotated[
        str | None, typer.Argument(metavar="USER/NAME", help="Name on the Hugging Face Hub.")
    ] = None,
    license: Annotated[  # noqa: A002 - name of the option
        str | None, option("Licence of the weights, such as mit or cc-by-4.0.")
    ] = None,
    private: Annotated[
        bool, flag("Make the repository private if it is new.", "--private")
    ] = False,
    revision: Annotated[str | None, option("Branch to upload to; by default main.")] = None,
    out: Annotated[
        Path | None, option("Write the files to this new folder; upload nothing.")
    ] = None,
) -> None:
    """Share a model on the Hugging Face Hub: upload its weights with a model card.

    Data, codes and paths of a run are left out. --out shows what would be uploaded.

    latentrank push runs/mnist-lorae user/mnist-lorae --license mit
    latentrank push runs/mnist-lorae --out shared
    """
    from latentrank import hub
    from latentrank.io import new_folder

    if (repository is None) == (out is None):
        raise InputError("push needs either USER/NAME or --out; give one of them.")
    if out is not None:
        with new_folder(out, "give another --out") as temporary:
            hub.save_pretrained(run, temporary, license=license)
        console.print(f"{out}: {_listed(out)}", soft_wrap=True)
        return
    with messages.status(f"Uploading {repository}"):
        url = hub.push_to_hub(
            run, str(repository), license=license, private=private or None, revision=revision
        )
    console.print(url, soft_wrap=True)


@app.command(rich_help_panel=GENERATE)
def pull(
    repository: Annotated[
        str, typer.Argument(metavar="USER/NAME", help="Name on the Hugging Face Hub.")
    ],
    revision: Annotated[str | None, option("Branch, tag or commit.")] = None,
    out: Annotated[Path | None, option("New folder for the model; by default NAME.")] = None,
) -> None:
    """Download a shared model into a folder, for other commands or latentrank.load.

    latentrank pull user/mnist-lorae --out model
    latentrank report model --data mnist
    """
    import shutil

    from latentrank import hub
    from latentrank.io import new_folder

    folder = out or Path(Path(repository).name or "model")  # of `.`, which is then refused
    with (
        new_folder(folder, "give another --out") as temporary,
        messages.status(f"Fetching {repository}"),
    ):
        fetched = hub.download(repository, revision=revision)
        shutil.copytree(fetched, temporary, dirs_exist_ok=True)
    console.print(f"{folder}: {_listed(folder)}", soft_wrap=True)


def _listed(folder: Path) -> str:
    return ", ".join(sorted(path.name for path in folder.iterdir()))
