"""The start of a table in text: its encoding, separators, and where the names of columns are."""

from __future__ import annotations

import gzip
import re
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from latentrank.errors import InputError

_UTF_8 = "utf-8-sig"
_BLOCK = 2**20  # characters
# Shorter samples may increase, or count up, by chance
_MANY, _FEW = 7, 4


class Start(NamedTuple):
    """How a table in text begins, and what that says of its format.

    Attributes:
        comments: number of lines of comments, and of empty ones among them.
        comment: the last comment.
        lines: the two lines after them.
        encoding: of the text.
    """

    comments: int
    comment: str
    lines: tuple[str, str]
    encoding: str

    @classmethod
    def of(cls, path: Path) -> Start:
        """The start of a file.

        Raises:
            InputError: it is not text.
        """
        encoding = _encoding(path)
        with _opened(path, encoding) as file:
            count, comment, line = 0, "", file.readline()
            while line and (line.startswith("#") or not line.strip()):
                comment = line if line.strip() else comment
                count, line = count + 1, file.readline()
            return cls(count, comment, (line, file.readline()), encoding)

    @property
    def doubts(self) -> list[str]:
        """What was decided about the text that may be wrong, a sentence each."""
        told = []
        if self.encoding != _UTF_8:
            told.append(
                "The text is not UTF-8 and was read as Windows-1252; if names look wrong, save it "
                "again as UTF-8."
            )
        if self.names:
            told.append(f"Column names are read from the comment {self.comment.strip()}.")
        numbers = self.values(0)
        # Increasing numbers alone may be names, and others beside text a sample.
        if not self.names and len(numbers) and _increase(numbers) == self.all_numbers:
            read_as = "a sample" if self.header is None else "column names"
            told.append(f"The first line of numbers is read as {read_as}.")
        return told

    @property
    def separator(self) -> str:
        """Between columns."""
        line = self.lines[0]
        # Beside others, commas that all stand between digits are decimal ones.
        words = [word.replace(",", ".") for word in line.split()]
        others = any(s in line for s in ";\t") or all(map(is_number, words))
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
        return all(map(is_number, self._words(0)))

    @property
    def names(self) -> list[str] | None:
        """The names of the columns in the comment above a sample, as `numpy.savetxt` writes them.

        Example:
            >>> Start(2, "# x, y", ("1,2", "3,5"), "utf-8").names
            ['x', 'y']
            >>> Start(2, "# made by hand", ("1,2", "3,5"), "utf-8").names
        """
        names = [word.strip().strip('"') for word in self._split(self.comment.lstrip("#").strip())]
        different = len(set(names)) == len(names) == len(self._words(0))
        return names if different and self.all_numbers and not any(map(is_number, names)) else None

    @property
    def header(self) -> int | None:
        """0 if the first line is a header, None if it is a sample."""
        if self.names:
            return None
        first, second = self.values(0), self.values(1)
        if not self.all_numbers:
            # names beside a name may be numbers, such as years, but they increase
            sample = len(first) == len(second) and (np.diff(first) <= 0).any()
            return None if sample else 0
        # A few integers may count up by chance; without a second line they are the only sample.
        sure = len(second) > 0 and (len(first) >= _FEW or bool((second != np.rint(second)).any()))
        return 0 if _increase(first) and not _increase(second) and sure else None

    def values(self, line: int) -> NDArray[np.float64]:
        """The numbers in one of the lines; an index has no name."""
        found = [word.strip().strip('"') for word in self._words(line)]
        return np.array([float(w) for w in found if w and is_number(w)])

    def _words(self, line: int) -> list[str]:
        """The words of one of the lines, with a decimal point."""
        words = self._split(self.lines[line].strip("\r\n"))
        return [w.replace(",", ".") for w in words] if self.decimal == "," else words

    def _split(self, text: str) -> list[str]:
        return text.split() if self.separator == r"\s+" else text.split(self.separator)


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


def is_number(word: str) -> bool:
    """Whether a word is a number, or empty, which stands for a missing one."""
    try:
        float(word.strip().strip('"') or "nan")
    except ValueError:
        return False
    return True
