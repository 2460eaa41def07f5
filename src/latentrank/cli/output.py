"""Output of commands: tables, name-value pairs, and output paths."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from latentrank.advice import spoken
from latentrank.errors import InputError
from latentrank.io import atomic_write, csv_text, write_text
from latentrank.terminal import standard_error

if TYPE_CHECKING:
    from latentrank.runs import Run

# No markup: names of columns, files and folders may hold brackets, such as `velocity [m/s]`.
console = Console(highlight=False, markup=False)
messages = standard_error()

#: A width in characters that no table reaches.
_UNBOUNDED = 10_000


def bold(text: str) -> Text:
    """Bold text, for a cell or the start of a line."""
    return Text.assemble((text, "bold"))


def print_pairs(lines: Mapping[str, str | Text]) -> None:
    """Print names and values, one pair per line."""
    width = max(map(len, lines))
    for name, value in lines.items():
        console.print(Text.assemble("  ", (f"{name:<{width}}", "dim"), "  ", value), soft_wrap=True)


def print_status(text: str) -> None:
    """Print to stderr what a long command is doing, or cannot do."""
    messages.print(spoken(text), style="dim", soft_wrap=True)


def print_notes(*runs: Run) -> None:
    """Print to stderr what is missing from, or not known about, saved models."""
    for note in dict.fromkeys(note for run in runs for note in run.notes):
        messages.print(spoken(note))


def new_table(
    header: Sequence[str], rows: Iterable[Sequence[str | Text]], numbers: Container[int] = ()
) -> Table:
    """A table of text.

    Args:
        header: names of the columns; left out if all are empty.
        rows: the cells; the first column is not wrapped.
        numbers: indices of the columns that hold numbers, which are aligned on the right.
    """
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="dim",
        show_header=any(header),
    )
    for index, column in enumerate(header):
        number = index in numbers
        side: Literal["right", "left"] = "right" if number else "left"
        table.add_column(column, justify=side, no_wrap=number or index == 0, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def print_table(
    header: Sequence[str], rows: Iterable[Sequence[str | Text]], numbers: Container[int] = ()
) -> None:
    """Print a table in full, even if it is wider than the terminal; see `new_table`."""
    table = new_table(header, rows, numbers)
    unbounded = console.options.update(width=_UNBOUNDED)
    least = Measurement.get(console, unbounded, table).minimum
    if least > console.width:
        table.width = least
    console.print(table, crop=False)


def free_path(out: Path | None, usual: Path, suffixes: Sequence[str]) -> Path:
    """The output path: the default, which is overwritten, or `--out`, which must not exist."""
    if out is None:
        return usual
    if out.suffix not in suffixes:
        raise InputError(f"--out is {out}; expected a name ending in {_listed(suffixes)}.")
    if out.exists():
        raise InputError(f"{out} already exists; give another --out, or remove it.")
    return out


def _listed(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def write_npz(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name."""
    import numpy as np

    with atomic_write(path) as temporary:
        np.savez(temporary, **arrays)


def write_csv(path: Path, columns: Mapping[str, Any]) -> None:
    """Write arrays `(N,)` as the columns of a table, with their names in the first line."""
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    write_text(path, csv_text(columns, rows))
