"""Readers of data files, in one table by suffix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from latentrank.data import pages
from latentrank.data.arrays import Contents, Meaning
from latentrank.data.readers import (
    excel,
    hdf5,
    matlab,
    netcdf,
    nifti,
    numpy_files,
    tables,
    tensors,
    zarr_files,
)
from latentrank.data.readers.reading import reading, unnamed


class Reader(NamedTuple):
    """A file format.

    Args:
        suffixes: suffixes in lower case.
        parse: maps file, path inside it or None, and the user's description to the contents.
        kind: what such a file is, in error messages.
        holds: named arrays of several roles, variables of the same samples, or sheets of named
            columns, of which `FILE:/NAME` names one; or named columns, or one array.
        in_folders: whether such files in a folder are data, not notes on them.
    """

    suffixes: tuple[str, ...]
    parse: Callable[[Path, str | None, Meaning], Contents]
    kind: str
    holds: Literal["arrays", "variables", "sheets", "columns", "array"] = "array"
    in_folders: bool = True

    def read(self, path: Path, inner: str | None, meaning: Meaning) -> Contents:
        """The contents of a file; libraries read lazily, so any error in it may be the file's.

        Raises:
            InputError: it cannot be read, or holds no arrays of which `inner` could be one.
        """
        if inner and self.holds in ("columns", "array"):
            instead = "choose columns with columns=" if self.holds == "columns" else "leave it out"
            raise unnamed(path, inner, self.kind, instead)
        with reading(path, self.kind):
            return self.parse(path, inner, meaning)


READERS = (
    Reader((".npy",), numpy_files.read_npy, "one NumPy array"),
    Reader((".npz",), numpy_files.read_npz, "NumPy arrays by name", "arrays"),
    Reader(tables.TEXTS, tables.read_csv, "a table", "columns"),
    Reader(tables.PLAIN_TEXTS, tables.read_csv, "a table", "columns", in_folders=False),
    Reader((".parquet", ".pq"), tables.read_parquet, "a Parquet table", "columns"),
    Reader((".xlsx",), excel.read, "an Excel file", "sheets"),
    Reader((".h5", ".hdf5", ".he5"), hdf5.read, "an HDF5 file", "arrays"),
    Reader((".zarr", ".zarr.zip"), zarr_files.read, "a Zarr store", "arrays"),
    Reader((".nc", ".nc4", ".cdf"), netcdf.read, "a netCDF file", "variables"),
    Reader((".mat",), matlab.read, "a MATLAB file", "arrays"),
    Reader((".pt", ".pth"), tensors.read_torch, "PyTorch tensors, without running code", "arrays"),
    Reader((".safetensors",), tensors.read_safetensors, "safetensors", "arrays"),
    Reader((".nii", ".nii.gz"), nifti.read, "a NIfTI volume"),
    Reader((".tif", ".tiff", ".gif"), pages.read, "images, one per page"),
)
_BY_SUFFIX = {suffix: reader for reader in READERS for suffix in reader.suffixes}


def find(path: Path) -> Reader | None:
    """The reader for a file name; None if there is none.

    Example:
        >>> find(Path("A.NPY")).kind
        'one NumPy array'
    """
    suffix = suffix_of(path.name)
    return None if suffix is None else _BY_SUFFIX[suffix]


def suffix_of(name: str) -> str | None:
    """The longest readable suffix of a name; None if there is none."""
    fitting = [suffix for suffix in _BY_SUFFIX if name.lower().endswith(suffix)]
    return max(fitting, key=len, default=None)


def suffixes(in_folders: bool = False) -> list[str]:
    """All readable suffixes, or those of files that are data wherever they are in a folder."""
    return [suffix for suffix, reader in _BY_SUFFIX.items() if reader.in_folders or not in_folders]
