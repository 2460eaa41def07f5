"""The command `latentrank`: errors become one sentence and an exit status."""

from __future__ import annotations

import errno
import io
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

try:
    import typer

    from latentrank.advice import naming_options_of, spoken
    from latentrank.cli import Stopped, app
    from latentrank.errors import InputError, described, own_failure
except KeyboardInterrupt:  # imports take a moment
    sys.stderr.write("latentrank: Stopped.\n")
    sys.exit(130)

# Click's UsageError, whose location depends on the release of Typer.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: as typed after `latentrank`; by default those of this process.

    Returns:
        The exit status: 0 done, 2 bad input, 130 stopped by Ctrl-C, 1 a failure of ours.

    Example:
        >>> main(["--version"])
        latentrank ...
        0
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    # --debug in any position: it is usually appended to a failed command.
    arguments_left = [argument for argument in given if argument != "--debug"]
    debug = len(arguments_left) < len(given)
    _print_any_character()
    group: Any = typer.main.get_command(app)
    command = group.commands.get(next(iter(arguments_left), None))
    with naming_options_of(command), nullcontext() if debug else _warnings_as_sentences():
        return _run(group, arguments_left, debug)


def _run(group: Any, arguments_left: Sequence[str], debug: bool) -> int:
    """Run a command of the group; an error becomes a sentence, and the exit status says whose."""
    try:
        _check_not_empty(arguments_left)
        # Typer's own `main` would turn Ctrl-C and a closed pipe into a status without a word.
        with group.make_context("latentrank", arguments_left) as context:
            group.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except (InputError, _UsageError) as error:
        if debug:
            traceback.print_exc()
        return _say(_sentence(error), 2)
    except Stopped as stop:
        return _say(str(stop), 130)
    except KeyboardInterrupt:
        return _say("Stopped.", 130)
    except (BrokenPipeError, SystemExit) as error:
        # The reader of our output, such as head, has closed the pipe; rich then exits.
        if not any(isinstance(one, BrokenPipeError) for one in (error, error.__context__)):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, OSError) and error.errno in _FULL:
            return _say(f"Something could not be written ({error.strerror}); free some space.", 2)
        if failure := own_failure(error):
            return _say(failure, 2)
        return _say(f"Internal error ({described(error)}); {_where(debug)}", 1)
    return 0


#: Errors of a full disk, and of a user's share of one.
_FULL = (errno.ENOSPC, errno.EDQUOT)


def _print_any_character() -> None:
    """Print what the terminal's encoding lacks as `?`, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextmanager
def _warnings_as_sentences() -> Iterator[None]:
    """A context in which our own warnings are printed without the place in our code."""
    usual = warnings.formatwarning

    def formatted(
        message: Warning | str, category: type[Warning], filename: str, *rest: Any, **more: Any
    ) -> str:
        if issubclass(category, UserWarning) and Path(__file__).parent in Path(filename).parents:
            return f"latentrank: Warning: {spoken(' '.join(str(message).split()))}\n"
        return usual(message, category, filename, *rest, **more)

    warnings.formatwarning = formatted
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _check_not_empty(arguments: Sequence[str]) -> None:
    """Refuse an empty value, mostly that of an unset variable; as a path it would be `.`."""
    for number, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if not argument.strip() or (name.startswith("--") and equals and not value.strip()):
            before = name if equals else ["latentrank", *arguments][number]
            raise InputError(f"The value after {before} is empty; give one, or leave it out.")


def _say(sentence: str, status: int) -> int:
    if sys.stderr is not None:  # closed
        sys.stderr.write(f"latentrank: {sentence}\n")
    return status


def _sentence(error: Exception) -> str:
    """The error on one line, with advice in the options of the command."""
    message = _refused_value(error) or getattr(error, "format_message", error.__str__)()
    return spoken(" ".join(message.split()))


#: What a value should be, by the type of pydantic's error.
_WANTED = {
    "int_parsing": "an integer",
    "float_parsing": "a number",
    "greater_than_equal": "at least {ge:g}",
    "greater_than": "more than {gt:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "less than {lt:g}",
}


def _refused_value(error: Exception) -> str | None:
    """A sentence on a value that Typer refused with pydantic, whose words lack the value."""
    found: list[Any] = getattr(error.__cause__, "errors", list)()
    option = getattr(error, "param", None)
    if not isinstance(error, _UsageError) or not found or option is None:
        return None
    from latentrank.methods.option_types import reason

    first, name = found[0], max(option.opts, key=len)
    if first["type"] not in _WANTED:
        return f"{name}: {reason(first)}."
    wanted = _WANTED[first["type"]].format(**first.get("ctx", {}))
    return f"{name} is {first['input']!r}, expected {wanted}."


def _where(debug: bool) -> str:
    """The location of the traceback, for a bug report."""
    if debug:
        return "the traceback is above."
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="latentrank-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(traceback.format_exc())
    except OSError:
        return "--debug shows the traceback."
    return f"the traceback is in {Path(file.name)}, and --debug shows it."


if __name__ == "__main__":
    sys.exit(main())
