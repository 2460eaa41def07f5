"""The command `latentrank`: errors become one sentence and an exit status."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import typer

from latentrank.cli import Stopped, app
from latentrank.errors import InputError

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
    try:
        return int(app(arguments_left, prog_name="latentrank", standalone_mode=False) or 0)
    except (InputError, _UsageError) as error:
        if debug:
            traceback.print_exc()
        return _say(_sentence(error), 2)
    except Stopped as stop:
        return _say(str(stop), 130)
    except (KeyboardInterrupt, typer.Abort):
        return _say("Stopped.", 130)
    except BrokenPipeError:
        # The reader of our output, such as head, has closed the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            traceback.print_exc()
        return _say(f"Internal error ({_name(error)}); {_where(debug)}", 1)


def _say(sentence: str, status: int) -> int:
    sys.stderr.write(f"latentrank: {sentence}\n")
    return status


def _sentence(error: Exception) -> str:
    """The error on one line."""
    message = getattr(error, "format_message", error.__str__)
    return " ".join(message().split())


def _name(error: Exception) -> str:
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message[:200]}" if message else type(error).__name__


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
