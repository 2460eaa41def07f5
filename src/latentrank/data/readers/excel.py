"""Excel files: one sheet is a table, with the names of its columns in the first row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from latentrank.data.arrays import Contents, Meaning
from latentrank.data.readers.tables import check_different, from_frame
from latentrank.errors import InputError, check_known, need
from latentrank.formatting import first_of


def read(path: Path, inner: str | None, meaning: Meaning) -> Contents:
    """The first sheet, or the one named in `FILE.xlsx:/SHEET`."""
    pandas = need("pandas", "tables", f"Reading {path}")
    need("openpyxl", "tables", f"Reading {path}")
    told = []
    with pandas.ExcelFile(path, engine="openpyxl") as book:
        sheets = [str(name) for name in book.sheet_names]
        sheet = inner.strip("/") if inner else sheets[0]
        check_known(f"sheet in {path} called", sheet, sheets)
        others = [name for name in sheets if name != sheet]
        if others and not inner:
            told.append(f"The sheet {sheet} is read; unused sheets: {first_of(others)}.")
        first = pandas.read_excel(book, sheet_name=sheet, header=None, nrows=1)
        if first.empty:
            raise InputError(f"{path} has nothing in its sheet {sheet}; name one: {path}:/SHEET.")
        names = [name for name in first.iloc[0] if isinstance(name, str)]
        check_different(str(path), names)
        if not names:
            told.append("The first row holds no text and is read as a sample.")
        frame = pandas.read_excel(book, sheet_name=sheet, header=0 if names else None)
    found = from_frame(str(path), frame, meaning)
    return replace(found, notes=(*told, *found.notes))
