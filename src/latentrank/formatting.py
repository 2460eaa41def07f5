"""Values and time spans as a reader wants them, in the terminal and in reports."""

from __future__ import annotations

from typing import Any


def as_text(value: Any) -> str:
    r"""A value as a reader wants it: few digits, no Python signs.

    Args:
        value: a number, text, truth value, list or None.

    Returns:
        The text.

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


def duration(seconds: float) -> str:
    """A time span in the two largest units that matter.

    Args:
        seconds: from 0.

    Returns:
        The text.

    Example:
        >>> [duration(span) for span in (8.43, 252, 7500)]
        ['8.4 s', '4 min 12 s', '2 h 5 min']
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"
