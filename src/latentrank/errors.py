"""The exception for input that cannot be used."""

from __future__ import annotations

import difflib
import importlib
import inspect
import itertools
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Sequence
from importlib.metadata import distributions
from numbers import Integral, Real
from pathlib import Path
from types import ModuleType
from typing import Any, cast

#: Maximum length of a message in characters: lists of names fit, a damaged file's contents do not.
_LONGEST = 1000


class InputError(ValueError):
    r"""Input that cannot be used, with the reason and the remedy in one sentence.

    The sentence says what was given, what was expected, and what to do. The command line
    prints it without a traceback and exits with status 2; from Python it is a `ValueError`.

    A message may quote files and other libraries: it is kept to one line of printable text, and
    a longer message is shortened in the middle.

    Example:
        >>> raise InputError("latent_dim is 0, expected an integer of at least 1; raise it.")
        Traceback (most recent call last):
        latentrank.errors.InputError: latent_dim is 0, expected an integer of at least 1; raise it.
        >>> print(InputError("a.csv holds \x1b[2J,\n which is no number."))
        a.csv holds ?[2J, which is no number.
    """

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        if len(line) > _LONGEST:
            line = f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"
        super().__init__("".join(letter if letter.isprintable() else "?" for letter in line))

    def _render_traceback_(self) -> list[str]:
        """What IPython and notebooks show instead of a traceback: the caller's lines only."""
        frames = traceback.extract_tb(self.__traceback__)
        here = str(Path(__file__).parent)
        own = itertools.takewhile(lambda frame: not frame.filename.startswith(here), frames)
        callers = [frame for frame in own if "IPython" not in Path(frame.filename).parts]
        return ["".join(traceback.format_list(callers)) + f"{type(self).__name__}: {self}"]


class NotFiniteError(InputError):
    """Numbers that are NaN or infinite; while a model is trained, it has diverged."""


def unknown(kind: str, given: str, known: Iterable[str]) -> InputError:
    """Build the error for an unknown name, with suggestions.

    Args:
        kind: what the name refers to, such as `"method"`.
        given: the unknown name.
        known: the names that exist.

    Example:
        >>> print(unknown("method", "lorea", ["lorae", "irmae"]))
        There is no method 'lorea'; did you mean 'lorae'? Known: lorae, irmae.
    """
    names = list(known)
    close = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f"; did you mean '{close[0]}'?" if close else "."
    return InputError(f"There is no {kind} '{given}'{hint} Known: {', '.join(names)}.")


def check_known(kind: str, given: str, known: Iterable[str]) -> None:
    """Reject a name that does not exist.

    Args:
        kind: what the name refers to, such as `"method"`.
        given: the name.
        known: the names that exist.

    Raises:
        InputError: see `unknown`.

    Example:
        >>> check_known("split", "tets", ["train", "test"])
        Traceback (most recent call last):
        latentrank.errors.InputError: There is no split 'tets'; did you mean 'test'? Known: ...
    """
    names = list(known)
    if given not in names:
        raise unknown(kind, str(given), names)


def check_all_known(kind: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Reject names of which one does not exist, see `check_known`."""
    names = list(known)
    for name in given:
        check_known(kind, name, names)


def check_count(value: object, name: str, most: int | None = None) -> None:
    """Reject a value that is not an integer of at least 1.

    Args:
        value: the value to check; NumPy integers are accepted.
        name: what to call it in the message.
        most: the largest value, if there is one.

    Raises:
        InputError: if `value` is not an integer, is below 1 or above `most`.

    Example:
        >>> check_count(0, "rank")
        Traceback (most recent call last):
        latentrank.errors.InputError: rank is 0, expected an integer of at least 1; choose one.
    """
    integral = isinstance(value, Integral) and not isinstance(value, bool)
    count = int(cast(int, value)) if integral else 0
    if count < 1 or (most is not None and count > most):
        numbers = "of at least 1" if most is None else f"from 1 to {most}"
        raise InputError(f"{name} is {value!r}, expected an integer {numbers}; choose one.")


#: Folders of code that is not the user's, by path and by name, unless it extends this library.
_INSTALLED = (str(Path(__file__).parent), sysconfig.get_path("stdlib"))
_OF_PACKAGES = {"site-packages", "dist-packages"}


def own_place(error: BaseException) -> str:
    """Where code of the user's own raised an error, as `FILE, line N`; empty if none did.

    Example:
        >>> own_place(ZeroDivisionError())
        ''
    """
    frames = [(f.filename, f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno))
    extensions = _extensions()
    own = [(file, line) for file, line in frames if _is_own(file, extensions)]
    return f"{own[-1][0]}, line {own[-1][1]}" if own else ""


def own_failure(error: BaseException) -> str:
    """The sentence on an error that code of the user's own raised; empty if none did.

    Example:
        >>> own_failure(ZeroDivisionError())
        ''
    """
    place = own_place(error)
    return f"The code in {place} failed ({described(error)}); correct it." if place else ""


def described(error: BaseException) -> str:
    """The class of an error and the start of its message.

    Example:
        >>> described(KeyError()), described(KeyError("a"))
        ('KeyError', "KeyError: 'a'")
    """
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message[:200]}" if message else type(error).__name__


def _is_own(file: str, extensions: Iterable[Path]) -> bool:
    path = Path(file)
    if not path.is_file() or file.startswith(_INSTALLED):
        return False
    return _OF_PACKAGES.isdisjoint(path.parts) or any(map(path.is_relative_to, extensions))


def _extensions() -> list[Path]:
    """Files and folders of the packages that add to this library by an entry point."""
    points = (point for package in distributions() for point in package.entry_points)
    added = (point.module for point in points if point.group.startswith("latentrank."))
    loaded = (sys.modules.get(module.partition(".")[0]) for module in added)
    files = (Path(module.__file__) for module in loaded if module and module.__file__)
    return [file.parent if file.name == "__init__.py" else file for file in files]


def check_returned(value: Any, kind: type, maker: Any, name: str = "") -> None:
    """Reject what a function or class of the user's own returned, if it has another type.

    Args:
        value: what it returned.
        kind: the type that it should have.
        maker: the function or class, whose place is named.
        name: what to call it; by default its own name.

    Raises:
        InputError: `value` is not of that type.

    Example:
        >>> def mine(): ...
        >>> check_returned(mine(), float, mine)
        Traceback (most recent call last):
        latentrank.errors.InputError: mine returned None, expected float; correct it.
    """
    if not isinstance(value, kind):
        found = "None" if value is None else f"a value of type {type(value).__name__}"
        name = name or getattr(maker, "__qualname__", str(maker))
        wanted = "a number" if kind is Real else kind.__name__
        raise InputError(
            f"{name}{_defined_at(maker)} returned {found}, expected {wanted}; correct it."
        )


def check_is(value: object, kind: type, what: str) -> None:
    """Reject what the user gave in place of an object of a class.

    Args:
        value: what was given.
        kind: the class.
        what: description of the value, to begin a sentence.

    Raises:
        InputError: `value` is not of that class.

    Example:
        >>> check_is("a", float, "The share")
        Traceback (most recent call last):
        latentrank.errors.InputError: The share is 'a', expected a value of type float; correct it.
    """
    if not isinstance(value, kind):
        raise InputError(
            f"{what} is {value!r}, expected a value of type {kind.__name__}; correct it."
        )


def check_takes(function: Any, arguments: Sequence[str], what: str) -> None:
    """Reject a function of the user's own that cannot be called with some arguments.

    Args:
        function: what will be called.
        arguments: names of the arguments, which are passed by position.
        what: description of the function, to begin a sentence.

    Raises:
        InputError: `function` cannot be called, or takes other arguments.

    Example:
        >>> check_takes(lambda codes: 0.0, ["code", "decoder"], "The function of the term 'size'")
        Traceback (most recent call last):
        latentrank.errors.InputError: The function of the term 'size' takes (codes), expected ...
    """
    if not callable(function):
        raise InputError(f"{what} is {function!r}, expected a function; correct it.")
    try:
        signature = inspect.signature(function)
    except ValueError:  # some compiled functions have none
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        taken = ", ".join(
            str(one.replace(annotation=one.empty)) for one in signature.parameters.values()
        )
        raise InputError(
            f"{what}{_defined_at(function)} takes ({taken}), expected "
            f"({', '.join(arguments)}); correct it."
        ) from None


def _defined_at(maker: Any) -> str:
    try:
        file, line = inspect.getsourcefile(maker), inspect.getsourcelines(maker)[1]
    except (OSError, TypeError):
        return ""
    return f" ({file}, line {line})" if file and _is_own(file, _extensions()) else ""


def need(package: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional package.

    Args:
        package: name to import.
        extra: extra of latentrank that installs it.
        purpose: what needs it, to begin a sentence.

    Raises:
        InputError: it is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        missing = (error.name or package).partition(".")[0]
        raise InputError(
            f"{purpose} needs {missing}; install it with: pip install 'latentrank[{extra}]'."
        ) from error
