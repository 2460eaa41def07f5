"""Help in a narrow terminal: descriptions go below the options, since words break beside them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Final

from rich.padding import Padding
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from latentrank.cli.output import bold, console

#: Width in characters from which Typer's tables of options are readable.
_WIDE: Final = 72


def is_narrow() -> bool:
    """Whether the terminal is too narrow for a table of options."""
    return console.width < _WIDE


def print_below(records: Iterable[tuple[str, str]]) -> None:
    """Print names with their descriptions below them."""
    for name, text in records:
        console.print(name)
        console.print(Padding(text, (0, 0, 0, 4)))


class Group(TyperGroup):
    """A group of commands whose option `--help` is shown without a type."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option `--help`."""
        return _without_type(super().get_help_option(ctx))


def _without_type(option: Any) -> Any:
    """An option without a value, beside which Typer would write `<bool>`."""
    if option is not None:
        option.metavar = ""
    return option


class Command(TyperCommand):
    """A command whose help has one column in a narrow terminal."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option `--help`, without a type."""
        return _without_type(super().get_help_option(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, in Typer's layout if the terminal is wide enough."""
        if not is_narrow():
            super().format_help(ctx, formatter)
            return
        console.print(self.get_usage(ctx))
        console.print()
        console.print(inspect.cleandoc(self.help or ""))
        panels: dict[str, list[tuple[str, str]]] = {}
        for one in self.get_params(ctx):
            usual = "Arguments" if one.param_type_name == "argument" else "Options"
            if (record := one.get_help_record(ctx)) is not None:
                panels.setdefault(getattr(one, "rich_help_panel", None) or usual, []).append(record)
        for panel, records in panels.items():
            console.print()
            console.print(bold(panel))
            print_below(records)
        if self.epilog:
            console.print()
            console.print(Text.from_markup(self.epilog))
