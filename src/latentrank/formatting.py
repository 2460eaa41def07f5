"""Formatting of values, time spans and names of files for the terminal and reports."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any


def as_text(value: Any) -> str:
    r"""Format a value for a reader: few digits, no Python syntax.

    Args:
        value: a number, string, boolean, list or None.

    Example:
        >>> [as_text(value) for value in (None, True, 0.0012345678, 60000, [1, 2])]
        ['–', 'yes', '0.001235', '60\u202f000', '1, 2']
    """
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(as_text(item) for item in value) or "\N{EN DASH}"
    return str(value)


def first_of(names: Sequence[Any], most: int = 10) -> str:
    """The first of several names, and how many more there are.

    Example:
        >>> first_of(["a", "b", "c"], 2)
        'a, b and 1 more'
    """
    more = len(names) - most
    return ", ".join(map(str, names[:most])) + (f" and {more} more" if more > 0 else "")


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    Example:
        >>> counted(1, "seed"), counted(3, "seed")
        ('1 seed', '3 seeds')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Format a time span in its two largest units.

    Args:
        seconds: from 0.

    Example:
        >>> [duration(span) for span in (8.43, 252, 7500)]
        ['8.4 s', '4 min 12 s', '2 h 5 min']
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    rounded = round(seconds)
    if rounded < 3600:
        return f"{rounded // 60} min {rounded % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def readable(names: Iterable[Any]) -> list[str]:
    r"""Names of files as text that can be written: what is not UTF-8 is read as Windows-1252.

    Args:
        names: as `os.listdir` returns them; others are converted to text.

    Example:
        >>> readable([b"gr\xfcn".decode("utf-8", "surrogateescape"), "blau"])
        ['grün', 'blau']
    """
    texts = map(str, names)
    return [_decoded(text) if _UNDECODED.search(text) else text for text in texts]


#: What Python makes of bytes in names of files that are no text.
_UNDECODED = re.compile("[\udc80-\udcff]")


def _decoded(name: str) -> str:
    stored = name.encode("utf-8", "surrogateescape")
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored.decode("cp1252", "replace")


def mean_and_spread(mean: float, spread: float | None = None) -> str:
    """Format a mean with its standard deviation, to two digits of the latter.

    Args:
        mean: over repetitions, or a single value.
        spread: their standard deviation; omitted if None, NaN or below rounding.

    Returns:
        The text; values below 1e-12 are rounding errors and shown as such.

    Example:
        >>> [mean_and_spread(*pair) for pair in ((12.0, 0.0), (12.5, 0.71), (0.1005, 0.00071))]
        ['12', '12.50 ± 0.71', '0.10050 ± 0.00071']
        >>> [mean_and_spread(*pair) for pair in ((3e-16,), (1.2345e-7, 4e-9), (60000, 1200))]
        ['< 1e-12', '(1.235 ± 0.040)e-07', '60000 ± 1200']
    """
    if mean and abs(mean) < 1e-12:
        return "< 1e-12" if mean > 0 else "> \N{MINUS SIGN}1e-12"
    if spread is None or not math.isfinite(spread) or spread <= 1e-9 * abs(mean):
        integral = float(mean).is_integer() and abs(mean) < 1e15
        return as_text(int(mean) if integral else float(mean))
    power = math.floor(math.log10(max(abs(mean), spread)))
    scale = 1.0 if -5 < power < 7 else 10.0**power
    mean, spread = mean / scale, spread / scale
    places = max(0, 1 - math.floor(math.log10(spread)))
    text = f"{mean:.{places}f} \N{PLUS-MINUS SIGN} {spread:.{places}f}"
    return text if scale == 1.0 else f"({text})e{power:+03d}"
