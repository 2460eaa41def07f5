"""`.npy` and `.npz` files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from latentrank.data.arrays import Contents, Meaning, Part
from latentrank.data.readers import named
from latentrank.data.views import Array
from latentrank.errors import InputError


def read_npy(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """One memory-mapped array, with optional `NAME.labels.npy` and `NAME.parameters.npy`."""
    return Contents([Part(str(path), open_npy(path), _sidecar(path, "labels"),
                          _sidecar(path, "parameters"))])  # fmt: skip


def read_npz(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """Arrays by name, see `latentrank.data.readers.named`."""
    try:
        with np.load(path) as archive:
            held = {name: archive[name] for name in archive}
    except Exception as error:  # zipfile, zlib and numpy raise different errors
        raise _damaged(path, error) from error
    return named.contents(str(path), held, meaning, inner)


def _sidecar(path: Path, what: str) -> Array | None:
    sidecar = path.with_suffix(f".{what}.npy")
    return open_npy(sidecar) if sidecar.exists() else None


def open_npy(path: Path) -> Array:
    """The array in a `.npy` file, memory-mapped.

    Raises:
        InputError: it is damaged or holds Python objects.
    """
    try:
        # not np.load, which accepts other contents; an .npy file holds one array
        mapped: Array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # pickle and numpy raise different errors
        raise _damaged(path, error) from error
    return mapped


def _damaged(path: Path, error: Exception) -> InputError:
    if "allow_pickle" in str(error) or "Python objects" in str(error):
        return InputError(
            f"{path} holds Python objects; expected numbers: "
            "save it again with a numeric dtype such as float32, and labels that are text with "
            "astype(str)."
        )
    return InputError(
        f"{path} is not a complete NumPy file ({str(error).rstrip('.')}); save it again."
    )
