"""CSV and Parquet files: one sample per row, columns by name."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from latentrank.data.arrays import Contents, Meaning, Part
from latentrank.data.readers.named import LABELS, check
from latentrank.data.readers.optional import need, reading
from latentrank.data.splits import join, split_of
from latentrank.data.views import Array
from latentrank.errors import InputError

_SPLIT = ("split", "subset", "partition")


def read_csv(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """Columns separated by comma, semicolon or tab, with or without a header."""
    pandas = need("pandas", "tables", path)
    how = {"sep": _separator(path), "header": _header(path), "decimal": _decimal(path)}
    with reading(path, "a table"):
        frame = pandas.read_csv(path, comment="#", **how)
    return from_frame(str(path), frame, meaning)


def read_parquet(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """Columns of numbers, or one column of lists of them."""
    pandas = need("pandas", "tables", path)
    need("pyarrow", "tables", path)
    with reading(path, "a Parquet table"):
        frame = pandas.read_parquet(path)
    return from_frame(str(path), frame, meaning)


def has_names(path: Path) -> bool:
    """Whether the columns of a table have names."""
    return not path.name.lower().endswith((".csv", ".tsv", ".csv.gz")) or _header(path) == 0


def _lines(path: Path) -> list[str]:
    """The first two lines that are not comments."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with reading(path, "a table"), opened(path, "rt", encoding="utf-8-sig") as file:
        return list(islice((line for line in file if not line.startswith("#")), 2))


def _separator(path: Path) -> str:
    line = "".join(_lines(path)[:1])
    return max(",;\t", key=line.count) if any(s in line for s in ",;\t") else ","


def _header(path: Path) -> int | None:
    """0 if the first line is a header, None if it is numeric."""
    words = "".join(_lines(path)[:1]).strip().split(_separator(path))
    comma = _decimal(path) == ","
    return None if all(_is_number(w.replace(",", ".") if comma else w) for w in words) else 0


def _decimal(path: Path) -> str:
    """The decimal separator: a comma, as in 1,5, is possible unless commas separate columns."""
    comma = _separator(path) != "," and re.search(r"\d,\d", "".join(_lines(path)))
    return "," if comma else "."


def _is_number(word: str) -> bool:
    try:
        float(word.strip().strip('"') or "nan")
    except ValueError:
        return False
    return True


def from_frame(what: str, frame: Any, meaning: Meaning) -> Contents:
    """The samples in the columns of a data frame.

    Non-numeric columns other than labels and parameters are skipped, as is a first column that only
    numbers the rows. A column `label` or `class` holds labels, and one named `split` the names of
    the splits, unless the user specifies otherwise.

    Args:
        what: description of its origin, for messages.
        frame: a pandas data frame.
        meaning: roles of the columns.

    Raises:
        InputError: a column does not exist, or none is left for the samples.
    """
    frame = frame.rename(columns=str)
    names = list(frame.columns)
    meaning = meaning.within(names)
    wanted = [meaning.labels, *(meaning.parameters or ()), *(meaning.columns or ())]
    check("column", what, wanted, names)
    labels = meaning.labels or _called(names, LABELS)
    split = _split_column(frame, names)
    named = {labels, split, *(meaning.parameters or ())}
    columns = meaning.columns or tuple(
        name for name in names if name not in named and _has_numbers(frame, name)
    )
    lists = [name for name in columns if frame[name].dtype == object]
    if lists and meaning.columns is None:
        columns = tuple(lists[:1])
    if not columns:
        raise InputError(
            f"{what} has no columns of numbers for the samples; it has {', '.join(names)}."
        )
    x = np.stack(frame[columns[0]].to_list()) if lists else _matrix(frame, columns)
    over = [name for name in names if name not in {*columns, *named}]
    part = Part(
        what,
        x,
        None if labels is None else frame[labels].to_numpy(),
        None if not meaning.parameters else frame[list(meaning.parameters)].to_numpy(dtype=float),
    )
    said = [f"Labels are read from the column {labels}."] if labels and not meaning.labels else []
    if over:
        said.append(f"Unused columns: {_some(over)}.")
    parts, joined = _by_split(part, None if split is None else frame[split], meaning, what)
    kind = "table" if x.ndim == 2 and meaning.kind is None else None
    return Contents(parts, meaning.parameters, (*said, *joined), kind)


def _matrix(frame: Any, columns: Sequence[str]) -> Array:
    values = [frame[name].to_numpy() for name in columns]
    # nullable columns are objects in pandas
    values = [x.astype(np.float64) if x.dtype == object else x for x in values]
    return np.stack(values, axis=1, dtype=np.result_type(*{x.dtype for x in values}))


def _called(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    return next((name for name in names if name.strip().lower() in wanted), None)


def _split_column(frame: Any, names: Sequence[str]) -> str | None:
    name = _called(names, _SPLIT)
    known = name is not None and all(split_of(str(value)) for value in frame[name].unique())
    return name if known else None


def _has_numbers(frame: Any, name: str) -> bool:
    column = frame[name]
    if column.dtype == object:
        first = column.iloc[0] if len(column) else None
        return isinstance(first, list | np.ndarray)
    if column.dtype.kind not in "biuf":
        return False
    counts = bool((column.to_numpy() == np.arange(len(column))).all())
    return not (counts and name.startswith(("Unnamed", "index", "__index")))


def _some(names: Sequence[str], most: int = 10) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _by_split(part: Part, column: Any, meaning: Meaning, what: str) -> tuple[list[Part], list[str]]:
    if column is None:
        return [part], []
    places: Array = np.array([split_of(str(value)) for value in column])
    parts = {}
    for name in ("train", "validation", "test"):
        rows = np.flatnonzero(places == name)
        if len(rows):
            taken = [None if a is None else a[rows] for a in (part.labels, part.parameters)]
            parts[name] = Part(f"{what}: {name}", part.x[rows], *taken)
    return join(parts, meaning.validation, what)
