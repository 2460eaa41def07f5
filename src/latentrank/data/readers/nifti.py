"""NIfTI volumes, by NiBabel."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from latentrank.data.arrays import Contents, Meaning, Part, refuse_unused
from latentrank.data.readers.reading import reading
from latentrank.data.views import Array
from latentrank.errors import InputError, need

#: Of samples, by the number of axes with that of samples
LAYOUTS = {4: "NDHW", 5: "NDHWC"}


class File:
    """The values of a NIfTI file, scaled as its header says; read when they are used.

    The axes are turned to run to the right, to the front and up (RAS), as the header describes
    them: scanners and programs store them in different orders, which one model must not mix.

    Attributes:
        shape: `(1, X, Y, Z)`, or `(1, X, Y, Z, C)` of several values at each place; of a series,
            `(N, X, Y, Z)`.
        dtype: of the scaled values.
        turned: whether the file has other axes.

    Args:
        path: the file.
        series: whether a fourth axis is that of samples.
    """

    def __init__(self, path: Path, series: bool = False) -> None:
        self._series = series
        nibabel = need("nibabel", "nifti", f"Reading {path}")
        self.path = path
        with reading(path, "a NIfTI volume"):
            image = nibabel.load(path)
            self._orientations: Any = nibabel.orientations
            self._values, self._turn = image.dataobj, _turn(image, nibabel.orientations)
            self.dtype: np.dtype[Any] = np.asanyarray(self._values[(0,) * self._values.ndim]).dtype
            empty: Array = np.broadcast_to(np.int8(0), self._values.shape)
            self.shape: tuple[int, ...] = self._placed(empty).shape
        self.turned = self._turn is not None

    @property
    def nbytes(self) -> int:
        """Like that of an array."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Array:
        values: Array = np.asarray(self)[index]
        return values

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        with reading(self.path, "a NIfTI volume"):
            return np.asarray(self._placed(np.asanyarray(self._values)), dtype=dtype)

    def _placed(self, values: Array) -> Array:
        """The axes in order, with samples first and without further ones of one place."""
        while values.ndim > 3 and 1 in values.shape[3:]:
            values = values.squeeze(3 + values.shape[3:].index(1))
        if self._turn is not None:
            values = self._orientations.apply_orientation(values, self._turn)
        return np.moveaxis(values, 3, 0) if self._series and values.ndim == 4 else values[None]


def _turn(image: Any, orientations: Any) -> Array | None:
    """How to turn a volume to RAS; None if it need not, or cannot, be turned."""
    header = image.header
    known = any(int(header.get(code, 0)) > 0 for code in ("sform_code", "qform_code"))
    if not known or image.dataobj.ndim < 3:
        return None
    turn: Array = orientations.io_orientation(image.affine)
    same = np.isnan(turn).any() or (turn == [[0, 1], [1, 1], [2, 1]]).all()
    return None if same else turn


def notes(files: list[File]) -> tuple[str, ...]:
    """A note on the files whose axes were turned, if there are any."""
    count = sum(file.turned for file in files)
    return (f"NIfTI files whose axes were turned to RAS: {count}.",) if count else ()


def read(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """A volume `(X, Y, Z)`, or a series of them `(X, Y, Z, N)`; a sample is `(X, Y, Z)`."""
    refuse_unused(str(path), **meaning.names)
    file = File(path, series=True)
    if len(file.shape) != 4:
        raise InputError(
            f"{path} holds an array of shape {file.shape[1:]}; expected a volume (X, Y, Z) or a "
            "series (X, Y, Z, N)."
        )
    return Contents([Part(str(path), file[:])], notes=notes([file]), layout=LAYOUTS[4])
