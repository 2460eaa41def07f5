"""NIfTI volumes, by NiBabel."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from latentrank.data.arrays import Contents, Meaning, Part, refuse_unused
from latentrank.data.readers.reading import reading
from latentrank.data.views import Array
from latentrank.errors import InputError, need


def read(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """A series of volumes `(X, Y, Z, N)`; a sample is `(1, X, Y, Z)`."""
    refuse_unused(str(path), **meaning.names)
    volumes = volume(path)
    if volumes.ndim != 4:
        raise InputError(
            f"{path} holds one volume of shape {volumes.shape}; expected a series (X, Y, Z, N), "
            "or give a folder of such files."
        )
    return Contents([Part(str(path), np.moveaxis(volumes, 3, 0)[:, None])], kind="volumes")


def volume(path: Path) -> Array:
    """The values of a NIfTI file, scaled according to its header."""
    nibabel = need("nibabel", "nifti", f"Reading {path}")
    with reading(path, "a NIfTI volume"):
        scaled: Array = np.asanyarray(nibabel.load(path).dataobj)
    return scaled
