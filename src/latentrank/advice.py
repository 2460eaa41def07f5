"""How settings are named in messages: as in Python, such as `layout=NHW`, or as options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

#: The command that the user gave, as Typer builds it; None in Python.
_command: ContextVar[Any] = ContextVar("command", default=None)

#: A setting in a message, except inside a call and among the options of a density.
_SETTING = re.compile(r"(?<![\w.(:,])([a-z_]+)=(?!\.\.\.)([\w/:-]*)")


def with_options(sentence: str, command: Any) -> str:
    """A message with the settings that it recommends written as options of a command.

    A setting for which the command has no option stays as it is: it may belong to a file that the
    command reads.

    Args:
        sentence: the message.
        command: the command that failed, as Typer builds it.

    Example:
        >>> import typer
        >>> from latentrank.cli import app
        >>> commands = typer.main.get_command(app).commands
        >>> with_options("give layout=NHW, or leave it out with columns=.", commands["train"])
        'give --layout NHW, or leave it out with --columns.'
        >>> with_options("allow it with download=True.", commands["evaluate"])
        'allow it with --download.'
        >>> with_options("give some with read_data(...).", commands["report"])
        'give some with --data.'
        >>> with_options("give layout=NHW.", commands["reproduce"])
        'give layout=NHW.'
    """
    options = {one.name: one for one in command.params if one.param_type_name == "option"}
    if "data" in options:
        sentence = sentence.replace("read_data(...)", "--data")

    def written(match: re.Match[str]) -> str:
        option = options.get(match[1])
        if option is None:
            return match[0]
        return option.opts[0] if option.is_flag else f"{option.opts[0]} {match[2]}".rstrip()

    return _SETTING.sub(written, sentence)


@contextmanager
def naming_options_of(command: Any) -> Iterator[None]:
    """Within the context, `spoken` names settings as options of a command.

    Args:
        command: the command that the user gave, as Typer builds it; None if there is none.
    """
    token = _command.set(command)
    try:
        yield
    finally:
        _command.reset(token)


def spoken(sentence: str) -> str:
    """A message in the user's terms: with options while a command runs, else unchanged.

    Example:
        >>> spoken("allow it with download=True.")
        'allow it with download=True.'
    """
    command = _command.get()
    return sentence if command is None else with_options(sentence, command)
