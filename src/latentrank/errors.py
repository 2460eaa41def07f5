"""The one exception that means: what was given cannot be used, and here is what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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
