"""Fitted estimators as files that run no code, and as what pickle can hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from latentrank.errors import InputError
from latentrank.io import atomic_write, write_text
from latentrank.models.base import LatentModel
from latentrank.models.spec import Spec
from latentrank.serialization import skeleton

Networks = tuple[nn.Module, nn.Module] | None

_DESCRIPTION, _ARRAYS = "estimator.json", "estimator.safetensors"
_FORMAT = 1


class PackedModel(NamedTuple):
    """A model as description and weights: spectral normalisation, for one, cannot be pickled."""

    spec: Spec
    weights: dict[str, Tensor]

    @classmethod
    def of(cls, model: LatentModel) -> PackedModel:
        """Of a model, whose weights are shared."""
        return cls(model.spec, model.state_dict())

    def unpack(self, networks: Networks = None) -> LatentModel:
        """The model again, in evaluation mode.

        Args:
            networks: encoder and decoder of the user's own, where it was built with such.
        """
        encoder, decoder = networks or (None, None)
        model = skeleton(self.spec, encoder, decoder)
        model.load_state_dict(self.weights)
        return model.eval().requires_grad_(False)


def write(folder: Path, description: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write what an estimator keeps beside its model.

    Args:
        folder: where; it exists.
        description: plain values, for JSON.
        arrays: by name.

    Raises:
        InputError: a value that JSON cannot hold, or the folder cannot be written.
    """
    try:
        text = json.dumps({"format": _FORMAT, **description}, indent=2, default=_plain)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The estimator cannot be written ({error}); give its parameters as plain values."
        ) from None
    contiguous = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    with atomic_write(folder / _ARRAYS) as temporary:
        save_file(contiguous, temporary)
    write_text(folder / _DESCRIPTION, text + "\n")


def read(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What `write` wrote.

    Args:
        folder: where it is.

    Raises:
        InputError: no estimator was saved there, or its files are damaged.
    """
    try:
        description = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        arrays = load_file(folder / _ARRAYS)
    except FileNotFoundError as error:
        raise InputError(
            f"There is no estimator in {folder} ({Path(str(error.filename)).name} is missing); "
            "give a folder that its save wrote, or load a model with latentrank.load."
        ) from None
    except (OSError, ValueError, RecursionError, SafetensorError):
        raise InputError(f"The estimator in {folder} is damaged; save it again.") from None
    if not isinstance(description, dict) or description.pop("format", None) != _FORMAT:
        raise InputError(f"The estimator in {folder} is of another format; fit it again.")
    return description, arrays


def _plain(value: Any) -> Any:
    """NumPy's numbers, as grid searches set them, as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} of type {type(value).__name__} is no plain value")
