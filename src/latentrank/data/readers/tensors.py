"""Tensors saved by PyTorch or safetensors; no code in them is executed."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from latentrank.data.arrays import Contents, Meaning, Part
from latentrank.data.plain import unwrapped
from latentrank.data.readers import named
from latentrank.errors import InputError


def read_torch(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """A tensor, a pair of samples and labels, or tensors by name."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle and zip raise various errors
        raise InputError(
            f"{path} cannot be read as tensors ({str(error).splitlines()[0].rstrip('.')}); save "
            "a tensor, or a dictionary of tensors x, y, ..."
        ) from error
    if isinstance(found, Tensor):
        return Contents([Part(str(path), unwrapped(found, str(path)))])
    tensors = isinstance(found, tuple | list) and all(isinstance(x, Tensor) for x in found)
    if tensors and 1 <= len(found) <= 2:
        found = dict(zip(("x", "y"), found, strict=False))
    if not isinstance(found, dict):
        raise InputError(
            f"{path} holds a {type(found).__name__}; expected a tensor, or a dictionary of "
            "tensors x, y, ..."
        )
    held = {
        str(name): unwrapped(x, str(name)) for name, x in found.items() if isinstance(x, Tensor)
    }
    return named.contents(str(path), held, meaning, inner)


def read_safetensors(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """Tensors by name."""
    with safe_open(path, "pt") as file:
        held = {name: unwrapped(file.get_tensor(name), name) for name in file.keys()}  # noqa: SIM118
    return named.contents(str(path), held, meaning, inner)
