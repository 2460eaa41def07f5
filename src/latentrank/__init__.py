"""Autoencoders whose latent space has low rank: build, train, find the rank, generate, export.

Names are imported on first use, so that `import latentrank` and the command line start at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latentrank import data, density, evaluation, linalg, methods, nets, report
    from latentrank.config import RunConfig, TrainConfig
    from latentrank.data import Dataset, Split
    from latentrank.errors import InputError
    from latentrank.estimator import LowRankAutoencoder
    from latentrank.hub import from_pretrained, push_to_hub, save_pretrained
    from latentrank.methods import build
    from latentrank.models.autoencoder import Autoencoder
    from latentrank.runs import Run
    from latentrank.runs.train import train
    from latentrank.serialization import load, save

__version__ = "0.1.0"

_MODULES = ("data", "density", "evaluation", "linalg", "methods", "nets", "report")
_HOMES = {
    "Autoencoder": "models",
    "Dataset": "data",
    "InputError": "errors",
    "LowRankAutoencoder": "estimator",
    "Run": "runs",
    "RunConfig": "config",
    "Split": "data",
    "TrainConfig": "config",
    "build": "methods",
    "from_pretrained": "hub",
    "load": "serialization",
    "push_to_hub": "hub",
    "save": "serialization",
    "save_pretrained": "hub",
    "train": "runs.train",
}

__all__ = [  # noqa: RUF022 - grouped
    "Autoencoder",
    "Dataset",
    "InputError",
    "LowRankAutoencoder",
    "Run",
    "RunConfig",
    "Split",
    "TrainConfig",
    "build",
    "from_pretrained",
    "load",
    "push_to_hub",
    "save",
    "save_pretrained",
    "train",
    "data",
    "density",
    "evaluation",
    "linalg",
    "methods",
    "nets",
    "report",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"latentrank.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"latentrank.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'latentrank' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
