"""The table of a comparison as CSV and LaTeX."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from latentrank.io import csv_text
from latentrank.report.columns import Column, measures

_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"$<$", ">": r"$>$", "\N{PLUS-MINUS SIGN}": r"$\pm$", "\N{EN DASH}": "--",
    "\N{MINUS SIGN}": "$-$", "\N{NARROW NO-BREAK SPACE}": r"\,",
}  # fmt: skip


def to_csv(columns: Sequence[Column]) -> str:
    """Every number of every method, one per row.

    Returns:
        CSV with the columns `method`, `metric`, `mean`, `std` (empty for one seed) and `seeds`,
        numbers at full precision.
    """
    rows = (
        (
            column.name,
            name,
            repr(value.mean),
            repr(value.spread) if math.isfinite(value.spread) else "",
            value.n,
        )
        for column, found in zip(columns, measures(columns), strict=True)
        for name, value in found.items()
    )
    return csv_text(("method", "metric", "mean", "std", "seeds"), rows)


def to_latex(header: Sequence[str], rows: Sequence[Sequence[str]], best: Mapping[int, int]) -> str:
    r"""A table for a paper; needs the package `booktabs`.

    Args:
        header: a name for every column, the first empty.
        rows: cells as text.
        best: row index to the index of the cell in bold.

    Returns:
        A `tabular` environment.

    Example:
        >>> print(to_latex(["", "ae", "lorae"], [["rank", "9 ± 1", "3"]], {0: 2}))
        \begin{tabular}{lrr}
        \toprule
         & ae & lorae \\
        \midrule
        rank & 9 $\pm$ 1 & \textbf{3} \\
        \bottomrule
        \end{tabular}
        <BLANKLINE>
    """
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}", r"\toprule"]
    lines += [" & ".join(map(_tex, header)) + r" \\", r"\midrule"]
    for index, row in enumerate(rows):
        cells = [_tex(text) for text in row]
        if index in best:
            cells[best[index]] = rf"\textbf{{{cells[best[index]]}}}"
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _tex(text: str) -> str:
    r"""Escape text for LaTeX.

    Example:
        >>> print(_tex("a_b ± 3 %"))
        a\_b $\pm$ 3 \%
    """
    return "".join(_TEX.get(letter, letter) for letter in text)
