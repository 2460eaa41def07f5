"""CSV and Parquet files: one sample per row, columns by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from latentrank.data.arrays import REMEDIES, Contents, Meaning, Part, text_of
from latentrank.data.axes import Axes, Axis, names_of_columns
from latentrank.data.plain import stacked
from latentrank.data.readers.named import LABELS, matrix
from latentrank.data.readers.reading import reading
from latentrank.data.readers.table_text import Start, is_number
from latentrank.data.splits import SPLIT_COLUMNS, join, rows_of, split_of
from latentrank.data.views import Array
from latentrank.errors import InputError, check_all_known, need
from latentrank.formatting import counted, first_of

#: Suffixes of tables in text.
TEXTS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
#: The same of files that may hold any other text, or bytes.
PLAIN_TEXTS = (".txt", ".dat")
_IDENTIFIERS = re.compile(r"(.*[\W_])?(id|idx|uuid|guid|index|identifier)|Unnamed.*|.*[a-z]I[dD]")
#: Columns by name; a data frame is one, though a slow one.
_Table = Mapping[str, Any]
_GROUPED = re.compile(r"[-+]?\d{1,3}([.,' ]\d{3})+([.,]\d+)?")  # 1,234,567.8


def read_csv(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """Columns separated by comma, semicolon, tab or spaces, with or without a header."""
    pandas = need("pandas", "tables", f"Reading {path}")
    start = Start.of(path)
    read = partial(
        pandas.read_csv,
        path,
        sep=start.separator,
        encoding=start.encoding,
        decimal=start.decimal,
        skiprows=start.comments,
        skipinitialspace=True,
    )
    frame, told = read(header=start.header), start.doubts
    if start.names:
        frame.columns = start.names
    elif start.header == 0:
        # pandas numbers names that stand there twice, and takes the first values of rows that are
        # longer than the header for their names
        header = read(header=None, nrows=1, dtype=str, keep_default_na=False)
        check_different(str(path), [name for name in header.iloc[0] if name.strip()])
        first = read(header=None, skiprows=start.comments + 1, nrows=1) if len(frame) else header
        if first.shape[1] > header.shape[1]:
            if frame.iloc[:, -1].isna().all():  # each row ends with a separator
                frame = read(header=0, index_col=False)
            else:
                _check_row_names(str(path), frame)
                told.append("The first column has no name and is read as the names of the rows.")
    found = from_frame(str(path), frame, meaning)
    return replace(found, notes=(*told, *found.notes))


def _check_row_names(what: str, frame: Any) -> None:
    """Refuse a table whose rows hold more than the header names, unless that can be their names."""
    index, named = frame.index, len(frame.columns)
    if index.nlevels > 1 or index.dtype.kind == "f" or not index.is_unique:
        raise InputError(
            f"{what} has {counted(named, 'column name')} above rows of {named + index.nlevels} "
            "values, expected as many; add the missing names."
        )


def read_parquet(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """Columns of numbers, or one column of lists of them."""
    pandas = need("pandas", "tables", f"Reading {path}")
    need("pyarrow", "tables", f"Reading {path}")
    # With threads, its memory grows with the square of the number of columns.
    return from_frame(str(path), pandas.read_parquet(path, use_threads=False), meaning)


def has_names(path: Path) -> bool:
    """Whether the columns of a table have names."""
    if not path.name.lower().endswith((*TEXTS, *PLAIN_TEXTS)):
        return True
    with reading(path, "a table"):
        start = Start.of(path)
        return start.header == 0 or bool(start.names)


def from_frame(what: str, frame: Any, meaning: Meaning) -> Contents:
    """The samples in the columns of a data frame.

    Non-numeric columns other than labels and parameters are skipped. So are identifiers: columns
    called `id`, `index` and the like with a different integer or text in each row. The first of
    them gives the samples their names, or else an index of different texts or dates does. A column
    `label` or `class` holds labels, and one named `split` the names of the splits, unless the user
    specifies otherwise.

    Raises:
        InputError: a column does not exist, none is left for the samples, or there are no rows.
    """
    names = [str(name) for name in frame.columns]
    check_different(what, names)
    if not len(frame):
        raise InputError(f"{what} has no rows, expected one for each sample; add some.")
    series = dict(zip(names, (column for _, column in frame.items()), strict=True))
    headed = bool(names_of_columns(names))
    if meaning.lenient and not headed:  # columns are in the order of training
        meaning = meaning._replace(columns=None)
    meaning = meaning.within(names)
    check_all_known(f"column in {what} called", meaning.asked, names)
    labels = meaning.labels or _called([n for n in names if n not in meaning.asked], LABELS)
    undivided = meaning.is_split or meaning.whole
    split = None if undivided else _split_column(series, names)
    named = {labels, split, *(meaning.parameters or ())}
    identifiers = [name for name in names if name not in named and _identifies(name, series[name])]
    rest = [name for name in names if name not in {*named, *identifiers}]
    columns = meaning.columns or _columns(what, series, rest, meaning)
    _check_numbers(what, series, columns, meaning)
    lists = any(_are_lists(series[name]) for name in columns)
    if lists and len(columns) > 1:
        raise InputError(
            f"columns names {first_of(columns)} of {what}, expected one column of lists alone, or "
            "columns of numbers; leave out the others."
        )
    x = _along(what, series[columns[0]]) if lists else _matrix(what, series, columns, meaning)
    parameters, parameter_names = parameters_of(what, series, meaning)
    named_after = identifiers[0] if identifiers else None
    used = {*columns, *named, named_after}
    over = [name for name in names if name not in used]
    part = Part(
        what,
        x,
        None if labels is None else series[labels].to_numpy(),
        parameters,
        _texts_of_index(frame) if named_after is None else _as_text(series[named_after]),
    )
    said = [f"Labels are read from the column {labels}."] if labels and not meaning.labels else []
    said.append(f"Columns of a sample ({len(columns)}): {first_of(columns)}.")
    if named_after is not None:
        said.append(f"Names of samples are read from the column {named_after}.")
    if over:
        said.append(f"Unused columns: {first_of(over)}.")
    if part.names is None and any(frame.index.names):
        unused = first_of([str(name) for name in frame.index.names])
        said.append(f"Unused index: {unused}; make it a column to use it, with reset_index().")
    parts, joined = _by_split(part, None if split is None else series[split], meaning, what)
    axes = Axes(tuple(map(Axis, columns)) if headed and not lists else ())
    return Contents(parts, parameter_names, (*said, *joined), axes=axes)


def _columns(what: str, table: _Table, rest: Sequence[str], meaning: Meaning) -> tuple[str, ...]:
    """The first of the columns of lists; without such, all columns of numbers."""
    numbers = [name for name in rest if _mostly_numbers(table[name])]
    _check_numbers(what, table, numbers, meaning)
    lists = [name for name in rest if _are_lists(table[name])]
    columns = lists[:1] or [name for name in rest if _are_numbers(table[name])]
    if not columns:
        raise InputError(
            f"{what} has no columns of numbers for the samples; it has {first_of(list(table))}: "
            "add some, or if these are labels, make them a column label of the samples' table."
        )
    return tuple(columns)


def check_different(what: str, names: Sequence[str]) -> None:
    """Refuse columns of the same name."""
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise InputError(f"{what} has several columns called {twice}; rename or drop them.")


def parameters_of(
    what: str, table: _Table, meaning: Meaning
) -> tuple[Array | None, tuple[str, ...] | None]:
    """The parameters of the samples, see `latentrank.data.readers.named.matrix`.

    Raises:
        InputError: a column holds no numbers.
    """
    names = meaning.parameters or ()
    _check_numbers(what, table, names, meaning)
    return matrix({name: _along(what, table[name]) for name in names})


def _along(what: str, column: Any) -> Array:
    """The numbers in a column, `(N,)`, or `(N, ...)` where its entries are lists."""
    if _are_lists(column):
        return stacked(column.to_list(), f"{what}, in its column {column.name},")
    return np.asarray(column.to_numpy(dtype=float))


def _or_leave_out(meaning: Meaning, columns: str) -> str:
    """The advice to choose columns, unless those of a trained model are needed."""
    return "" if meaning.lenient else f", or leave {columns} out with columns="


def _matrix(what: str, table: _Table, columns: Sequence[str], meaning: Meaning) -> Array:
    missing = {name: int(table[name].isna().sum()) for name in columns}
    if any(missing.values()):
        listed = [f"{name} ({count})" for name, count in missing.items() if count]
        raise InputError(
            f"{what} lacks values in {len(listed)} of its columns, {first_of(listed)}; "
            f"fill them in or drop those rows{_or_leave_out(meaning, 'these columns')}."
        )
    values = [table[name].to_numpy() for name in columns]
    # nullable columns are objects in pandas
    values = [x.astype(np.float64) if x.dtype == object else x for x in values]
    return np.stack(values, axis=1, dtype=np.result_type(*{x.dtype for x in values}))


def _check_numbers(what: str, table: _Table, names: Sequence[str], meaning: Meaning) -> None:
    """Refuse columns with text among their numbers, dates, and complex numbers."""
    for name in names:
        dtype = table[name].dtype
        if dtype.kind in "cmM":
            raise InputError(
                f"{what} has {dtype} in its column {name}, expected real numbers; "
                f"{REMEDIES[dtype.kind]}{_or_leave_out(meaning, 'this column')}."
            )
        for row, text in enumerate(_texts(table[name])):
            if text and not is_number(text):
                raise InputError(
                    f"{what} has text in its column {name} ({text!r} in row {row}, counted from "
                    f"0), expected numbers; correct it{_or_leave_out(meaning, 'this column')}."
                )


def _mostly_numbers(column: Any) -> bool:
    """Whether a column is text because of a few entries, or of thousands separators."""
    texts = [text for text in _texts(column) if text]
    numbers = sum(is_number(text) or _GROUPED.fullmatch(text) is not None for text in texts)
    return 2 * numbers > len(texts)


def _texts(column: Any) -> list[str]:
    """The entries of a column of text, where missing ones are empty; none of other columns."""
    if column.dtype.kind in "biufcmM" or _are_lists(column) or _are_numbers(column):
        return []
    return [text_of(value) for value in column]


def _called(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    return next((name for name in names if name.strip().lower() in wanted), None)


def _split_column(table: _Table, names: Sequence[str]) -> str | None:
    name = _called(names, SPLIT_COLUMNS)
    known = name is not None and all(split_of(str(value)) for value in table[name].unique())
    return name if known else None


def _are_lists(column: Any) -> bool:
    first = column.dropna().iloc[:1] if column.dtype == object else ()
    return any(isinstance(value, list | np.ndarray | Tensor) for value in first)


def _are_numbers(column: Any) -> bool:
    """Whether these are real numbers, of NumPy, pandas or Python, such as those of a database."""
    if column.dtype.kind not in "biufO" or hasattr(column, "cat") or column.isna().all():
        return False
    return column.dtype.kind != "O" or all(
        isinstance(value, Real | Decimal) for value in column.dropna()
    )


def _identifies(name: str, column: Any) -> bool:
    usual = _IDENTIFIERS.fullmatch(name) or _IDENTIFIERS.fullmatch(name.lower())
    return bool(usual and column.dtype.kind not in "bfM" and column.map(str).is_unique)


def _texts_of_index(frame: Any) -> Array | None:
    """The names of the rows; None where they are numbers or not all different."""
    index = frame.index
    named = index.nlevels == 1 and index.dtype.kind not in "biufc" and index.map(str).is_unique
    return _as_text(index) if named else None


def _as_text(values: Any) -> Array:
    return np.asarray(values.astype(str).to_numpy(dtype=str))


def _by_split(part: Part, column: Any, meaning: Meaning, what: str) -> tuple[list[Part], list[str]]:
    if column is None:
        return [part], []
    parts = {}
    for name, rows in rows_of([split_of(str(value)) for value in column]).items():
        taken = {kind: values[rows] for kind, values in part.metadata.items()}
        parts[name] = Part(f"{what}: {name}", part.x[rows], **taken, rows=rows)
    return join(parts, meaning.validation, what)
