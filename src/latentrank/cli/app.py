"""The command `latentrank`: its help, its command groups, and interruption.

Modules are imported inside the commands, so that help and usage errors appear immediately.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand
from typer.models import CommandFunctionType

from latentrank import __version__
from latentrank.cli.narrow import Command, Group
from latentrank.cli.output import console
from latentrank.io import expanded


class _App(typer.Typer):
    """An application whose help is legible in a terminal of any width.

    Its commands expand `~` in paths, which a shell leaves as it is in `--out=~/runs/a`.
    """

    def command(
        self,
        name: str | None = None,
        *,
        cls: type[TyperCommand] | None = Command,
        **settings: Any,
    ) -> Callable[[CommandFunctionType], CommandFunctionType]:
        """Typer's decorator, with this package's class of commands unless another is given."""
        added = super().command(name, cls=cls, **settings)

        def decorated(command: CommandFunctionType) -> CommandFunctionType:
            added(_with_paths(command))
            return command

        return decorated


def _with_paths(command: CommandFunctionType) -> CommandFunctionType:
    """The same command, called with expanded paths."""

    @functools.wraps(command)
    def wrapped(**values: Any) -> Any:
        return command(**{name: _expanded(value) for name, value in values.items()})

    return cast(CommandFunctionType, wrapped)


def _expanded(value: Any) -> Any:
    if isinstance(value, list):
        return [_expanded(one) for one in value]
    return expanded(value) if isinstance(value, Path) else value


app = _App(
    name="latentrank",
    cls=Group,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Groups of commands in the help.
TRAIN, INSPECT, GENERATE, CATALOGUE = "Train", "Inspect a run", "Use a run", "Catalogue"


def option(text: str, metavar: str | None = None, **how: Any) -> Any:
    """An option with a value.

    Args:
        text: its description.
        metavar: placeholder for the value in the help.
        **how: further arguments of `typer.Option`.
    """
    return typer.Option(help=text, metavar=metavar, **how)


def flag(text: str, *names: str) -> Any:
    """An option without a value; by default it has a name and its negation.

    Args:
        text: its description.
        *names: such as `"--force"`, for one without a negation.
    """
    return typer.Option(*names, help=text, metavar="")


class Stopped(Exception):  # noqa: N818 - requested by the user, not an error
    """A command was stopped with Ctrl-C; the message explains how to continue."""


@app.callback(invoke_without_command=True)
def main(
    ctx: typer.Context,
    version: Annotated[bool, flag("Print the version.", "--version")] = False,
    debug: Annotated[bool, flag("Show the traceback of an error.", "--debug")] = False,
) -> None:
    """Autoencoders with a low-rank latent space: train, inspect, compare and use them.

    latentrank train lorae --data shapes        train a model and write its report
    latentrank methods                          list the methods
    latentrank datasets                         list the data sets
    """
    if version:
        console.print(f"latentrank {__version__}")
    elif ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
