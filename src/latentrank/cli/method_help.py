"""Help on a method: its loss, its defaults and its options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand

from latentrank.cli.output import console, new_table, print_pairs

if TYPE_CHECKING:
    from rich.table import Table

    from latentrank.methods import Method

_WORDS = "latentrank.words"


class MethodCommand(TyperCommand):
    """A command whose help shows the options of the METHOD given before `--help`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, and keep the arguments for the help."""
        ctx.meta[_WORDS] = [word for word in args if not word.startswith("-")]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The usual help, plus the options of the named method."""
        from latentrank.methods import METHODS

        super().format_help(ctx, formatter)
        for word in ctx.meta.get(_WORDS, []):
            if word in METHODS:
                show(METHODS.get(word))
                break


def show(method: Method) -> None:
    """Print a method's summary, its training defaults and its options."""
    console.print(f"[bold]{method.name}[/bold]  {method.summary}")
    console.print(f"{method.paper[:1].upper()}{method.paper[1:]}", style="dim")
    print_pairs({"loss": loss(method), "training": training(method)})
    if method.options.model_fields:
        console.print(options_table(method))


def loss(method: Method) -> str:
    """The loss as a sum of weights and terms.

    Example:
        >>> from latentrank import methods
        >>> loss(methods.get("lorae")), loss(methods.get("nsgan"))
        ('mse + penalty x nuclear_norm', 'non-saturating game')
    """
    if method.closed_form:
        return "none: solved in closed form"
    if method.game is not None:
        return f"{method.game} game"
    terms = [f"{term.weight} x {term.name}" for term in method.terms]
    return " + ".join([method.reconstruction, *terms])


def training(method: Method) -> str:
    """Default optimiser and learning rate."""
    if method.closed_form:
        return "one pass over the data"
    decay = f", weight decay {method.weight_decay:g}" if method.weight_decay else ""
    return f"Adam, learning rate {method.learning_rate:g}{decay}, networks chosen by the data"


def options_table(method: Method) -> Table:
    """A row for each option of a method: type and range, default, description."""
    from latentrank.methods.option_types import expected

    table = new_table("option", "value", "default", "description")
    for name, field in method.options.model_fields.items():
        default = "" if field.default is None else str(field.default)
        value = expected(method.options, name)
        table.add_row(f"--{name.replace('_', '-')}", value, default, field.description or "")
    return table
