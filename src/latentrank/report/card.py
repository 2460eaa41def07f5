"""The model card of a shared model: what it is, how good it is, and how to load it."""

from __future__ import annotations

from pathlib import Path

import yaml

from latentrank import __version__, methods, metrics
from latentrank.config import RunConfig, section_of, settings
from latentrank.formatting import as_text, duration
from latentrank.models.spec import Spec
from latentrank.report import html
from latentrank.report.errors import percent
from latentrank.runs import Run
from latentrank.runs.configure import shown_name
from latentrank.runs.measured import share_of_variance
from latentrank.serialization import rank_of, spec_of


def card(folder: Path, run: Run | None = None, name: str = "", licence: str | None = None) -> str:
    """The card of a saved model, as Markdown with the metadata that the Hub reads.

    Args:
        folder: folder of the model.
        run: the finished run that trained it, for its numbers and settings.
        name: of the model, `"user/name"`.
        licence: of the weights as the Hub knows it, such as `"mit"`.

    Raises:
        InputError: the model is damaged.

    Example:
        >>> import tempfile, latentrank
        >>> model = latentrank.build("lorae", (6,), latent_dim=3)
        >>> text = card(latentrank.save(model, tempfile.mkdtemp()), licence="mit")
        >>> text.splitlines()[:3], "| numbers in a code | 3 |" in text
        (['---', 'library_name: latentrank', 'license: mit'], True)
    """
    spec = spec_of(folder)
    row = methods.get(spec.method)
    kind = ["autoencoder", "dimensionality-reduction"] if row.game is None else []
    about = {
        "library_name": "latentrank",
        **({"license": licence} if licence else {}),
        "pipeline_tag": "feature-extraction",
        "tags": ["latentrank", *kind, row.name],
    }
    options = {name: as_text(value) for name, value in spec.options.items() if value is not None}
    sections = [
        ("Metrics", _numbers(run) if run else {}, "metric"),
        ("Options of the method", options, "option"),
        ("Training", _training(run) if run else {}, "setting"),
    ]
    return html.render(
        "card.md.j2",
        about=yaml.safe_dump(about, sort_keys=False, allow_unicode=True),
        warning=run.metrics.get("warning", "") if run else "",
        name=name,
        licence=licence,
        row=row,
        model=_model(spec, run.metrics["rank"] if run else rank_of(folder), run),
        sections=sections,
        own=spec.net == "custom",
    )


def _training(run: Run) -> dict[str, str]:
    """Settings of data and training that can change the result; the data are named elsewhere."""
    config, apart = run.config, {"data", *settings("place")}
    names = [name for name in settings() if section_of(name) is not RunConfig and name not in apart]
    training = {name: as_text(config[name]) for name in names if config[name] is not None}
    if "steps" in training:
        del training["epochs"]
    if config["init"] == "random":
        del training["init_steps"]
    return training


def _numbers(run: Run) -> dict[str, str]:
    found = run.metrics
    numbers = {}
    if (error := found["validation_error"]) is not None:
        numbers["mean squared error of test samples"] = as_text(error)
        if (share := share_of_variance(found)) is not None:
            about = "the same, as a share of their variance about the mean training sample"
            numbers[about] = percent(share)
    numbers |= {value.label: metrics.with_spread(value) for value in metrics.read(run.folder)}
    return {**numbers, "training time": duration(found["seconds"])}


def _model(spec: Spec, rank: int | None, run: Run | None) -> dict[str, str]:
    known = {
        "rank": None if rank is None else f"{rank} of {spec.latent_dim}",
        "numbers in a code": str(spec.code_dim or spec.latent_dim),
        "samples": _samples(spec),
        "networks": spec.net,
        "data": shown_name(run.metrics["data"]) if run else None,
        "fingerprint of the data": spec.data_fingerprint,
        "latentrank": __version__,
    }
    return {name: text for name, text in known.items() if text}


def _samples(spec: Spec) -> str:
    """Shape, dtype and range of the samples that the model takes."""
    shape = f"({', '.join(map(str, ('N', *spec.input_shape)))})"
    made = spec.preprocessing
    if made is None:
        return shape
    bounds = f", {made.low:g} to {made.high:g}" if made.bounded else ""
    return f"{shape} {made.dtype}{bounds}"
