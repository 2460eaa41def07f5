"""Advice for the command line: messages name settings as in Python, such as `layout=NHW`."""

from __future__ import annotations

import re
from typing import Any

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
        >>> with_options("give layout=NHW.", commands["reproduce"])
        'give layout=NHW.'
    """
    options = {one.name: one for one in command.params if one.param_type_name == "option"}

    def written(match: re.Match[str]) -> str:
        option = options.get(match[1])
        if option is None:
            return match[0]
        return option.opts[0] if option.is_flag else f"{option.opts[0]} {match[2]}".rstrip()

    return _SETTING.sub(written, sentence)
