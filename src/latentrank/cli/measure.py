"""The command that measures a run: evaluate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from latentrank.cli.app import INSPECT, app, flag, option
from latentrank.cli.features import Weights, weights_by_name
from latentrank.cli.options import Data, Networks, RunFolder, opened
from latentrank.cli.output import bold, console, messages, print_pairs, print_table
from latentrank.config import SAMPLES
from latentrank.errors import InputError
from latentrank.filenames import METRICS
from latentrank.formatting import as_text
from latentrank.io import UnwritableError

if TYPE_CHECKING:
    from latentrank.metrics import Value

_IMAGE_AXES = 3

#: Accuracy of a classifier below which its features are unreliable.
POOR_CLASSIFIER = 0.8


@app.command(rich_help_panel=INSPECT)
def evaluate(
    run: RunFolder,
    data: Data = None,
    networks: Networks = None,
    features: Annotated[
        str | None,
        option(
            "Features for distances between generated and test images: inception (FID), a "
            "classifier of the data's own labels (FD-classifier), or timm:NAME for any timm "
            "network (FD-NAME).",
            "FEATURES",
        ),
    ] = None,
    density: Annotated[
        str | None,
        option(
            "With --features: densities to draw codes from, separated by commas; by default "
            "gaussian,gmm, or prior for a GAN.",
            "NAME[:OPTION=VALUE,...]",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        option(
            "Measure this metric instead of the defaults, see `latentrank metrics`; repeatable.",
            "METRIC",
        ),
    ] = None,
    n: Annotated[int, option("Number of samples from each density.", min=6)] = SAMPLES,
    weights: Weights = None,
    download: Annotated[bool, flag("Allow downloading weights.", "--download")] = False,
    probes: Annotated[bool, flag("Train classifiers on the codes if there are labels.")] = True,
    seed: Annotated[
        int | None, option("Random seed for sampling; by default the run's.", min=0)
    ] = None,
    device: Annotated[str, option("Device for computing features: auto, cpu, cuda, ...")] = "auto",
) -> None:
    """Measure a run: distances of generated images, labels predicted from codes, and more.

    Values are stored in RUN/metrics.json and not computed again.

    latentrank evaluate runs/mnist-lorae --features classifier
    latentrank evaluate runs/celeba-lorae --features timm:tf_efficientnet_lite0 --download
    latentrank evaluate runs/mnist-lorae --metric accuracy:100 --metric fd:gmm:components=10
    """
    from latentrank import metrics
    from latentrank.density import split_specs

    _refuse_unused(metric, features, density)
    trained = opened(run, data, networks)
    settings = trained.place
    used = {metrics.parse(text).features for text in metric or ()} | {features or ""}
    with messages.status("") as status:
        subject = metrics.Subject(
            settings.updated({"device": device}),
            run,
            n,
            settings.training.seed if seed is None else seed,
            weights_by_name(weights, used),
            download,
            lambda text: status.update(f"Measuring: {text}"),
            trained,
        )
        named = split_specs(density) if density else None
        asked = metric or metrics.usual(subject, features, named, probes=probes)
        found = []
        for text in asked:
            try:
                found.append(metrics.measure(subject, text))
            except UnwritableError:
                raise
            except InputError as error:
                if metric or "[" in text:  # requested by name, or on requested features
                    raise
                messages.print(f"{text}: {error}", style="yellow")
    _print_values(trained.metrics, found)
    images = len(trained.model().spec.input_shape) == _IMAGE_AXES
    if features is None and not metric and images:
        messages.print(
            "Distances of generated images: --features classifier, inception or timm:NAME."
        )
    console.print(str(run / METRICS), soft_wrap=True)


def _refuse_unused(metric: list[str] | None, features: str | None, density: str | None) -> None:
    """Reject features or densities that would be ignored."""
    for name, value in (("features", features), ("density", density)):
        if metric and value:
            raise InputError(
                f"--{name} is {value}, which --metric does not use; write it into the metric, as "
                "in --metric fd[FEATURES]:DENSITY, or leave one of the options out."
            )
    if density and not features:
        raise InputError(
            f"--density is {density}, whose samples are compared with test images on features; "
            "add --features classifier, inception or timm:NAME."
        )


def _print_values(trained: Mapping[str, Any], found: Sequence[Value]) -> None:
    from latentrank.metrics import tables

    print_pairs(
        {
            "rank": bold(str(trained["rank"])) + f" of {trained['latent_dim']}",
            "validation error": as_text(trained.get("validation_error")),
        }
    )
    for table in tables(found):
        print_table(table.header, table.rows, range(1, len(table.header)))
        if table.note:
            console.print(table.note, style="dim")
    for accuracy in {v.identity.get("features", {}).get("accuracy", 1.0) for v in found}:
        if accuracy < POOR_CLASSIFIER:
            messages.print(
                f"The classifier's test accuracy is {100 * accuracy:.0f} %; "
                "distances on its features mean little.",
                style="yellow",
            )
