"""The command `latentrank` itself: its help, its groups of commands, and how it stops.

Modules are imported inside the commands, so that help and mistakes answer at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from latentrank import __version__
from latentrank.cli.output import console

app = typer.Typer(
    name="latentrank",
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Groups of commands in the help.
TRAIN, INSPECT, GENERATE, CATALOGUE = "Train", "Inspect a run", "Use a run", "Catalogue"


class Stopped(Exception):  # noqa: N818 - no error, the user's wish
    """A command was stopped with Ctrl-C, and this is how to go on."""


@app.callback(invoke_without_command=True)
def main(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", metavar="", help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", metavar="", help="Show the traceback of what goes wrong.")
    ] = False,
) -> None:
    """Autoencoders whose latent space has low rank: find it, use it, compare.

    latentrank train lorae --data shapes        train a model and write its report
    latentrank methods                          what can be trained
    latentrank datasets                         what it can be trained on
    """
    if version:
        console.print(f"latentrank {__version__}")
    elif ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
