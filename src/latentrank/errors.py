"""The one exception that means: what was given cannot be used, and here is what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Integral


class InputError(ValueError):
    """Input that cannot be used, explained in one plain sentence.

    The sentence says what was given, what was expected, and what to do. The command line
    prints it without a traceback and exits with status 2; from Python it is a `ValueError`.

    Example:
        >>> raise InputError("latent_dim is 0, expected a whole number from 1; raise it.")
        Traceback (most recent call last):
        latentrank.errors.InputError: latent_dim is 0, expected a whole number from 1; raise it.
    """


def unknown(kind: str, given: str, known: Iterable[str]) -> InputError:
    """The error for a name that does not exist, with the nearest names that do.

    Args:
        kind: what the name stands for, such as `"method"`.
        given: the name as given.
        known: the names that exist.

    Returns:
        An `InputError` to raise.

    Example:
        >>> print(unknown("method", "lorea", ["lorae", "irmae"]))
        There is no method 'lorea'; did you mean 'lorae'? Known: lorae, irmae.
    """
    names = list(known)
    close = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return InputError(f"There is no {kind} '{given}'; {hint}Known: {', '.join(names)}.")


def check_count(value: object, name: str) -> None:
    """Refuse what is not a whole number from one.

    Args:
        value: as given; numpy's whole numbers will do, too.
        name: what to call it in the message.

    Raises:
        InputError: if `value` is not a whole number, or below one.

    Example:
        >>> check_count(0, "rank")
        Traceback (most recent call last):
        latentrank.errors.InputError: rank is 0, expected a whole number from 1; choose one.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < 1:
        raise InputError(f"{name} is {value!r}, expected a whole number from 1; choose one.")
