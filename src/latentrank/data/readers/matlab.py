"""MATLAB's `.mat` files of every version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import loadmat

from latentrank.data.arrays import Contents, Meaning
from latentrank.data.readers import hdf5, named
from latentrank.data.readers.optional import need, reading


@reading("a MATLAB file")
def read(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """Arrays by name, up to version 7.2 with SciPy, later versions as HDF5."""
    try:
        found = loadmat(path)
    except NotImplementedError:  # raised by SciPy for version 7.3
        return _read_hdf5(path, inner, meaning)
    held = {name: x for name, x in found.items() if not name.startswith("__")}
    return named.contents(str(path), held, meaning, inner)


def _read_hdf5(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    h5py = need("h5py", "fields", path)
    with h5py.File(path, "r") as file:
        # MATLAB writes arrays in column-major order, so HDF5 sees their axes reversed
        held = {
            name: np.asarray(hdf5.values(x, path)).T
            for name, x in hdf5.arrays(file, h5py).items()
            if not name.startswith("#")
        }
    return named.contents(str(path), held, meaning, inner)
