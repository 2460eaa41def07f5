"""CSV and Parquet files: one sample per row, columns by name."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from latentrank.data.arrays import REMEDIES, Contents, Meaning, Part, text_of
from latentrank.data.axes import Axes, Axis, are_numbered
from latentrank.data.plain import stacked
from latentrank.data.readers.named import LABELS, check
from latentrank.data.readers.named import columns as columns_of
from latentrank.data.readers.reading import reading
from latentrank.data.splits import SPLIT_COLUMNS, join, split_of
from latentrank.data.views import Array
from latentrank.errors import InputError, need
from latentrank.formatting import first_of

#: Suffixes of tables in text.
TEXTS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_IDENTIFIERS = re.compile(r"(.*[\W_])?(id|idx|uuid|guid|index|identifier)|Unnamed.*|.*[a-z]I[dD]")
# Shorter samples may increase, or count up, by chance
_MANY, _FEW = 7, 4
_NAMED = 10  # maximum number of columns to name
_UTF_8 = "utf-8-sig"
_BLOCK = 2**20  # characters
_GROUPED = re.compile(r"[-+]?\d{1,3}([.,' ]\d{3})+([.,]\d+)?")  # 1,234,567.8


def read_csv(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """Columns separated by comma, semicolon or tab, with or without a header."""
    pandas = need("pandas", "tables", f"Reading {path}")
    start = _Start.of(path)
    frame = pandas.read_csv(
        path,
        sep=start.separator,
        header=start.header,
        encoding=start.encoding,
        decimal=start.decimal,
        skiprows=start.comments,
        skipinitialspace=True,
    )
    found = from_frame(str(path), frame, meaning)
    return replace(found, notes=(*start.doubts, *found.notes))


def read_parquet(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """Columns of numbers, or one column of lists of them."""
    pandas = need("pandas", "tables", f"Reading {path}")
    need("pyarrow", "tables", f"Reading {path}")
    return from_frame(str(path), pandas.read_parquet(path), meaning)


def has_names(path: Path) -> bool:
    """Whether the columns of a table have names."""
    if not path.name.lower().endswith(TEXTS):
        return True
    with reading(path, "a table"):
        return _Start.of(path).header == 0


class _Start(NamedTuple):
    """How a table in text begins, and what that says of its format.

    Attributes:
        comments: number of lines of comments.
        lines: the two lines after them.
        encoding: of the text.
    """

    comments: int
    lines: tuple[str, str]
    encoding: str

    @classmethod
    def of(cls, path: Path) -> _Start:
        """The start of a file."""
        encoding = _encoding(path)
        with _opened(path, encoding) as file:
            count, line = 0, file.readline()
            while line.startswith("#"):
                count, line = count + 1, file.readline()
            return cls(count, (line, file.readline()), encoding)

    @property
    def doubts(self) -> list[str]:
        """What was decided about the text that may be wrong, a sentence each."""
        told = []
        if self.encoding != _UTF_8:
            told.append(
                "The text is not UTF-8 and was read as Windows-1252; if names look wrong, save it "
                "again as UTF-8."
            )
        numbers = self.values(0)
        # Increasing numbers alone may be names, and others beside text a sample.
        if len(numbers) and _increase(numbers) == self.all_numbers:
            read_as = "a sample" if self.header is None else "column names"
            told.append(f"The first line of numbers is read as {read_as}.")
        return told

    @property
    def separator(self) -> str:
        """Between columns."""
        line = self.lines[0]
        # Beside others, commas that all stand between digits are decimal ones.
        words = [word.replace(",", ".") for word in line.split()]
        others = any(s in line for s in ";\t") or all(map(_is_number, words))
        decimal = others and not re.search(r"(?<!\d),|,(?!\d)", line)
        separators = ";\t" if decimal else ",;\t"
        if any(s in line for s in separators):
            return max(separators, key=line.count)
        return r"\s+" if len(line.split()) > 1 else ","

    @property
    def decimal(self) -> str:
        """The decimal separator: a comma, as in 1,5, is possible unless commas separate columns."""
        comma = self.separator != "," and re.search(r"\d,\d", "".join(self.lines))
        return "," if comma else "."

    @property
    def all_numbers(self) -> bool:
        """Whether the first line could be a sample."""
        return all(map(_is_number, self._words(0)))

    @property
    def header(self) -> int | None:
        """0 if the first line is a header, None if it is a sample."""
        first, second = self.values(0), self.values(1)
        if not self.all_numbers:
            # names beside a name may be numbers, such as years, but they increase
            sample = len(first) == len(second) and (np.diff(first) <= 0).any()
            return None if sample else 0
        # a few integers may count up by chance
        sure = len(first) >= _FEW or bool((second != np.rint(second)).any())
        return 0 if _increase(first) and not _increase(second) and sure else None

    def values(self, line: int) -> NDArray[np.float64]:
        """The numbers in one of the lines; an index has no name."""
        found = [word.strip().strip('"') for word in self._words(line)]
        return np.array([float(w) for w in found if w and _is_number(w)])

    def _words(self, line: int) -> list[str]:
        """The words of one of the lines, with a decimal point."""
        text = self.lines[line].strip("\r\n")
        words = text.split() if self.separator == r"\s+" else text.split(self.separator)
        return [w.replace(",", ".") for w in words] if self.decimal == "," else words


def _opened(path: Path, encoding: str) -> TextIO:
    """A file of text, perhaps compressed."""
    opened: Any = gzip.open if path.suffix.lower() == ".gz" else open
    file: TextIO = opened(path, "rt", encoding=encoding)
    return file


def _encoding(path: Path) -> str:
    """UTF-8, or Windows-1252, as spreadsheets write, where the text is not UTF-8."""
    for encoding in (_UTF_8, "cp1252"):
        with suppress(UnicodeDecodeError), _opened(path, encoding) as file:
            if not any("\0" in block for block in iter(partial(file.read, _BLOCK), "")):
                return encoding
    raise InputError(f"{path} cannot be read as a table in UTF-8; save it again in that encoding.")


def _increase(values: NDArray[np.float64]) -> bool:
    """Whether numbers may name columns: they count up by one, or many increase, as times do."""
    steps = np.diff(values)
    counts = len(steps) > 0 and bool((steps == 1).all() and (values == np.rint(values)).all())
    return counts or (len(steps) >= _MANY and bool((steps > 0).all()))


def _is_number(word: str) -> bool:
    try:
        float(word.strip().strip('"') or "nan")
    except ValueError:
        return False
    return True


def from_frame(what: str, frame: Any, meaning: Meaning) -> Contents:
    """The samples in the columns of a data frame.

    Non-numeric columns other than labels and parameters are skipped. So are identifiers: columns
    called `id`, `index` and the like with a different integer or text in each row. The first of
    them gives the samples their names, or else an index of different texts or dates does. A column
    `label` or `class` holds labels, and one named `split` the names of the splits, unless the user
    specifies otherwise.

    Args:
        what: description of its origin, for messages.
        frame: a pandas data frame.
        meaning: roles of the columns.

    Raises:
        InputError: a column does not exist, none is left for the samples, or there are no rows.
    """
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{what} has several columns called {twice}; rename or drop them.")
    if not len(frame):
        raise InputError(f"{what} has no rows, expected one for each sample; add some.")
    frame = frame.set_axis(names, axis=1)
    headed = not are_numbered(names)
    if meaning.lenient and not headed:  # columns are in the order of training
        meaning = meaning._replace(columns=None)
    meaning = meaning.within(names)
    check("column", what, meaning.asked, names)
    labels = meaning.labels or _called(names, LABELS)
    split = None if meaning.is_split else _split_column(frame, names)
    named = {labels, split, *(meaning.parameters or ())}
    identifiers = [name for name in names if name not in named and _identifies(frame, name)]
    rest = [name for name in names if name not in {*named, *identifiers}]
    if meaning.columns is None:
        numbers = [name for name in rest if _mostly_numbers(frame[name])]
        _check_numbers(what, frame, numbers, meaning)
    columns = meaning.columns or tuple(name for name in rest if _has_numbers(frame, name))
    lists = [name for name in columns if _are_lists(frame[name])]
    if lists and meaning.columns is None:
        columns = tuple(lists[:1])
    if not columns:
        raise InputError(
            f"{what} has no columns of numbers for the samples; it has {first_of(names, _NAMED)}: "
            "add some, or if these are labels, make them a column label of the samples' table."
        )
    _check_numbers(what, frame, columns, meaning)
    x = (
        stacked(frame[columns[0]].to_list(), f"{what}, in its column {columns[0]},")
        if lists
        else _matrix(what, frame, columns, meaning)
    )
    along = parameters_of(what, frame, meaning)
    named_after = identifiers[0] if identifiers else None
    over = [name for name in names if name not in {*columns, *named, named_after}]
    part = Part(
        what,
        x,
        None if labels is None else frame[labels].to_numpy(),
        np.stack(list(along.values()), axis=1, dtype=float) if along else None,
        _texts_of_index(frame) if named_after is None else _as_text(frame[named_after]),
    )
    said = [f"Labels are read from the column {labels}."] if labels and not meaning.labels else []
    said.append(f"Columns of a sample ({len(columns)}): {first_of(columns, _NAMED)}.")
    if named_after is not None:
        said.append(f"Names of samples are read from the column {named_after}.")
    if over:
        said.append(f"Unused columns: {first_of(over, _NAMED)}.")
    parts, joined = _by_split(part, None if split is None else frame[split], meaning, what)
    axes = Axes(tuple(map(Axis, columns)) if headed and not lists else ())
    return Contents(parts, tuple(along) or None, (*said, *joined), axes=axes)


def parameters_of(what: str, frame: Any, meaning: Meaning) -> dict[str, Array]:
    """The parameters of each sample, `(N,)`, by name.

    Raises:
        InputError: a column holds no numbers.
    """
    names = meaning.parameters or ()
    _check_numbers(what, frame, names, meaning)
    return columns_of({name: _along(what, frame[name]) for name in names})


def _along(what: str, column: Any) -> Array:
    """A column of parameters, `(N,)`, or `(N, P)` where its entries are lists."""
    if _are_lists(column):
        return stacked(column.to_list(), f"{what}, in its column {column.name},")
    return np.asarray(column.to_numpy(dtype=float))


def _or_leave_out(meaning: Meaning, columns: str) -> str:
    """The advice to choose columns, unless those of a trained model are needed."""
    return "" if meaning.lenient else f", or leave {columns} out with columns="


def _matrix(what: str, frame: Any, columns: Sequence[str], meaning: Meaning) -> Array:
    missing = frame[list(columns)].isna().sum()
    if missing.any():
        listed = [f"{name} ({count})" for name, count in missing[missing > 0].items()]
        raise InputError(
            f"{what} lacks values in {len(listed)} of its columns, {first_of(listed, _NAMED)}; "
            f"fill them in or drop those rows{_or_leave_out(meaning, 'these columns')}."
        )
    values = [frame[name].to_numpy() for name in columns]
    # nullable columns are objects in pandas
    values = [x.astype(np.float64) if x.dtype == object else x for x in values]
    return np.stack(values, axis=1, dtype=np.result_type(*{x.dtype for x in values}))


def _check_numbers(what: str, frame: Any, names: Sequence[str], meaning: Meaning) -> None:
    """Refuse columns with text among their numbers, dates, and complex numbers."""
    for name in names:
        if frame[name].dtype.kind in "cmM":
            raise InputError(
                f"{what} has {frame[name].dtype} in its column {name}, expected real numbers; "
                f"{REMEDIES[frame[name].dtype.kind]}{_or_leave_out(meaning, 'this column')}."
            )
        for row, text in enumerate(_texts(frame[name])):
            if text and not _is_number(text):
                raise InputError(
                    f"{what} has text in its column {name} ({text!r} in row {row}, counted from "
                    f"0), expected numbers; correct it{_or_leave_out(meaning, 'this column')}."
                )


def _mostly_numbers(column: Any) -> bool:
    """Whether a column is text because of a few entries, or of thousands separators."""
    texts = [text for text in _texts(column) if text]
    numbers = sum(_is_number(text) or _GROUPED.fullmatch(text) is not None for text in texts)
    return 2 * numbers > len(texts)


def _texts(column: Any) -> list[str]:
    """The entries of a column of text, where missing ones are empty; none of other columns."""
    if column.dtype.kind in "biufcmM" or _are_lists(column) or _are_numbers(column):
        return []
    return [text_of(value) for value in column]


def _called(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    return next((name for name in names if name.strip().lower() in wanted), None)


def _split_column(frame: Any, names: Sequence[str]) -> str | None:
    name = _called(names, SPLIT_COLUMNS)
    known = name is not None and all(split_of(str(value)) for value in frame[name].unique())
    return name if known else None


def _has_numbers(frame: Any, name: str) -> bool:
    column = frame[name]
    return _are_lists(column) or _are_numbers(column)


def _are_lists(column: Any) -> bool:
    first = column.dropna().iloc[:1] if column.dtype == object else ()
    return any(isinstance(value, list | np.ndarray | Tensor) for value in first)


def _are_numbers(column: Any) -> bool:
    """Whether these are real numbers, of NumPy, pandas or Python, such as those of a database."""
    if hasattr(column, "cat"):
        return False
    present = column.dropna()
    objects = column.dtype.kind == "O"
    numbers = column.dtype.kind in "biuf" or (
        objects and all(isinstance(value, Real | Decimal) for value in present)
    )
    return numbers and len(present) > 0


def _identifies(frame: Any, name: str) -> bool:
    column = frame[name]
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
    places: Array = np.array([split_of(str(value)) for value in column])
    parts = {}
    for name in ("train", "validation", "test"):
        rows = np.flatnonzero(places == name)
        if len(rows):
            taken = {kind: values[rows] for kind, values in part.metadata.items()}
            parts[name] = Part(f"{what}: {name}", part.x[rows], **taken)
    return join(parts, meaning.validation, what)
