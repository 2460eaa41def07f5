"""The metadata of an exported file."""

from __future__ import annotations

import json
from typing import Any

import torch

from latentrank import __version__
from latentrank.export.parts import NAMES, dtype_of, layout_of, needs_watching
from latentrank.models.base import LatentModel
from latentrank.preprocessing import Preprocessing

_OUTPUTS = {"encoder": "code", "autoencoder": "reconstruction"}


def description(model: LatentModel, part: str, **more: Any) -> str:
    """The metadata, as JSON.

    Args:
        model: as `latentrank.export.deployed` returns it.
        part: one of `PARTS`.
        **more: further entries.
    """
    given, made = NAMES[part]
    known = model.statistics.known
    about = {
        "latentrank": __version__,
        "torch": torch.__version__,
        "part": part,
        "method": model.spec.method,
        "latent_dim": model.spec.latent_dim,
        "code_dim": model.latent_dim,
        "rank": model.rank() if known else None,
        "data_fingerprint": model.spec.data_fingerprint,
        **more,
        "input": _port(model, part, given),
        "output": _port(model, part, made),
        "spec": model.spec.model_dump(mode="json"),
    }
    return json.dumps(about)


def _port(model: LatentModel, part: str, name: str) -> dict[str, Any]:
    """What goes in or comes out: its name, shape, dtype, layout and range."""
    if name == "codes":
        return {"name": name, "shape": ["N", model.latent_dim], "dtype": "float32", "range": None}
    spec = model.spec
    made = spec.preprocessing or Preprocessing()
    port: dict[str, Any] = {
        "name": name,
        "shape": ["N", *made.own_shape(spec.input_shape)],
        "layout": layout_of(spec),
        "dtype": str(dtype_of(made)).removeprefix("torch."),
        "range": None if made.bounds is None else list(made.bounds),
    }
    if name == "x" and needs_watching(spec, part):
        port["outside_range"] = f"the {_OUTPUTS[part]} of such a sample is NaN"
    return port
