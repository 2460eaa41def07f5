"""The model card of a shared model: what it is, how good it is, and how to load it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Facts:
    """The contents of a card.

    Attributes:
        spec: of the model.
        rank: of its codes; None if unknown.
        data: name of the data, without a path; empty if unknown.
        numbers: metrics by name, as text.
        training: settings of the training by name, as text.
        warning: a reason to doubt the run's results; empty for none.
    """

    spec: Spec
    rank: int | None = None
    data: str = ""
    numbers: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, str] = field(default_factory=dict)
    warning: str = ""


def facts_of(folder: Path, run: Run | None = None) -> Facts:
    """What is known about a saved model, and about the run that trained it.

    Args:
        folder: folder of the model.
        run: the finished run.

    Raises:
        InputError: the model is damaged.
    """
    spec = spec_of(folder)
    if run is None:
        return Facts(spec, rank_of(folder))
    found, config = run.metrics, run.config
    training = {name: as_text(config[name]) for name in _settings() if config[name] is not None}
    if "steps" in training:
        del training["epochs"]
    if config["init"] == "random":
        del training["init_steps"]
    return Facts(
        spec,
        found["rank"],
        shown_name(found["data"]),
        _numbers(run),
        training,
        found.get("warning", ""),
    )


def _settings() -> list[str]:
    """Settings of data and training that can change the result; the data are named elsewhere."""
    apart = {"data", *settings("place")}
    return [name for name in settings() if section_of(name) is not RunConfig and name not in apart]


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


def card(facts: Facts, name: str = "", licence: str | None = None) -> str:
    """The card, as Markdown with the metadata that the Hub reads.

    Args:
        facts: its contents.
        name: of the model, `"user/name"`.
        licence: of the weights as the Hub knows it, such as `"mit"`.

    Example:
        >>> text = card(Facts(Spec(method="lorae", input_shape=(6,), latent_dim=3), rank=2))
        >>> text.splitlines()[0], "| rank | 2 of 3 |" in text
        ('---', True)
    """
    row = methods.get(facts.spec.method)
    about = {
        "library_name": "latentrank",
        **({"license": licence} if licence else {}),
        "pipeline_tag": "feature-extraction",
        "tags": ["latentrank", "autoencoder", "dimensionality-reduction", row.name],
    }
    sections = [
        ("Metrics", facts.numbers, "metric"),
        ("Options of the method", _options(facts.spec), "option"),
        ("Training", facts.training, "setting"),
    ]
    return html.render(
        "card.md.j2",
        about=yaml.safe_dump(about, sort_keys=False, allow_unicode=True),
        facts=facts,
        name=name,
        licence=licence,
        row=row,
        model=_model(facts),
        sections=sections,
        own=facts.spec.net == "custom",
    )


def _model(facts: Facts) -> dict[str, str]:
    spec = facts.spec
    width = spec.code_dim or spec.latent_dim
    rank = {} if facts.rank is None else {"rank": f"{facts.rank} of {spec.latent_dim}"}
    data = {"data": facts.data} if facts.data else {}
    print_ = {"fingerprint of the data": spec.data_fingerprint} if spec.data_fingerprint else {}
    return {
        **rank,
        "numbers in a code": str(width),
        "samples": _samples(spec),
        "networks": spec.net,
        **data,
        **print_,
        "latentrank": __version__,
    }


def _samples(spec: Spec) -> str:
    """Shape, dtype and range of the samples that the model takes."""
    shape = f"({', '.join(map(str, ('N', *spec.input_shape)))})"
    made = spec.preprocessing
    if made is None:
        return shape
    bounds = f", {made.low:g} to {made.high:g}" if made.bounded else ""
    return f"{shape} {made.dtype}{bounds}"


def _options(spec: Spec) -> dict[str, str]:
    return {name: as_text(value) for name, value in spec.options.items() if value is not None}
