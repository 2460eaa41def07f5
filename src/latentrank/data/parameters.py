"""A table of parameters in a file, in the order in which a model's data have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latentrank.data import readers
from latentrank.data.arrays import UNSAID
from latentrank.data.own import place
from latentrank.data.readers import tables
from latentrank.errors import InputError


def parameter_names(known: Sequence[str] | None, count: int) -> list[str]:
    """The names of parameters, or numbers from 0 like those of other columns.

    Example:
        >>> parameter_names(None, 2), parameter_names(("x",), 1)
        (['parameter 0', 'parameter 1'], ['x'])
    """
    return list(known) if known else [f"parameter {i}" for i in range(count)]


def read(path: str | Path, width: int, names: Sequence[str] | None = None) -> NDArray[np.float64]:
    """Parameters from a `.npy` file or a table such as `.csv`, one row for each sample.

    Of a file of several arrays, `parameters` is taken, or `NAME` of `FILE:/NAME`. Columns of a
    table that have names are taken by them, in any order, where the names of the parameters are
    known.

    Args:
        path: the file.
        width: how many parameters there are, `P`.
        names: of the parameters, where known.

    Returns:
        `(N, P)` float64, not yet checked for NaN. One row of a single array is enough.

    Raises:
        InputError: there is no such file, it cannot be read, a named column is absent, or it does
            not hold `P` numbers in a row.
    """
    path, inner = place(str(path))
    reader = readers.find(path)
    if not path.is_file() or reader is None:
        wrong = "cannot be read as parameters" if path.is_file() else "does not exist"
        raise InputError(f"{path} {wrong}; give a .npy or .csv file with {width} numbers in a row.")
    meaning = UNSAID._replace(kind="table", lenient=True, whole=True)
    if reader.holds == "arrays":
        meaning = meaning._replace(columns=("parameters",))  # rather than samples beside them
    elif names and reader.holds in ("columns", "sheets") and tables.has_names(path):
        meaning = meaning._replace(columns=tuple(names))
    parts = reader.read(path, inner, meaning).parts
    beside = inner is None and all(part.parameters is not None for part in parts)
    values = np.concatenate([np.asarray(part.parameters if beside else part.x) for part in parts])
    if values.dtype.kind not in "biuf":
        raise InputError(f"{path} has dtype {values.dtype}, expected real numbers; convert it.")
    if values.ndim == 1:
        values = values.reshape(-1, width) if width in (1, len(values)) else values[:, None]
    if values.ndim != 2 or values.shape[1] != width:
        called = f" ({', '.join(names)})" if names else ""
        raise InputError(
            f"{path} has shape {values.shape}, expected (N, {width}), a row of parameters{called} "
            "for each sample; give as many columns."
        )
    return values.astype(np.float64)
