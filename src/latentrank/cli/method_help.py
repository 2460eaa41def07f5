"""Help on a method: its loss, its defaults and its options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from latentrank.cli.narrow import Command, is_narrow, print_below
from latentrank.cli.output import bold, console, print_pairs, print_table

if TYPE_CHECKING:
    from latentrank.methods import Method

_WORDS = "latentrank.words"


class MethodCommand(Command):
    """A command whose help shows the options of the METHOD given before `--help`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, and keep the arguments for the help."""
        ctx.meta[_WORDS] = [word for word in args if not word.startswith("-")]
        return super().parse_args(ctx, args)

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
    console.print(bold(method.name) + f"  {method.summary}")
    console.print(f"{method.paper[:1].upper()}{method.paper[1:]}", style="dim")
    print_pairs({"loss": loss(method), "training": training(method), "networks": networks(method)})
    if is_narrow():
        print_below(
            (f"{name} {value}", f"{text}{f' [default: {default}]' * bool(default)}")
            for name, value, default, text in _rows(method)
        )
    elif method.options.model_fields:
        print_table(["option", "value", "default", "description"], _rows(method))


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
    """Default optimiser, rates and length.

    Example:
        >>> from latentrank import methods
        >>> training(methods.get("irmae-wd"))
        'adam, learning rate 0.0005, weight decay 1e-06, constant schedule, batches of 64'
    """
    from latentrank.config import TrainConfig

    if method.closed_form:
        return "one pass over the data"
    usual = TrainConfig().resolved(method.name)
    decay = f", weight decay {usual.weight_decay:g}" if usual.weight_decay else ""
    return (
        f"{usual.optimizer}, learning rate {usual.learning_rate:g}{decay}, {usual.schedule} "
        f"schedule, batches of {usual.batch_size}"
    )


def networks(method: Method) -> str:
    """Default networks, and what the method changes in them.

    Example:
        >>> from latentrank import methods
        >>> networks(methods.get("rae-sn")).partition(";")[2]
        ' the decoder is spectrally normalised'
    """
    if method.closed_form:
        return "none: linear maps"
    changes = {"encoder": method.prepare_encoder, "decoder": method.prepare_decoder}
    normalised = [part for part, change in changes.items() if change is not None]
    also = f"; the {' and the '.join(normalised)} is spectrally normalised" if normalised else ""
    return f"those of the data set, or given by --net{also}"


def _rows(method: Method) -> Iterator[tuple[str, str, str, str]]:
    """Option, value, default and description."""
    from latentrank.methods.option_types import expected

    for name, field in method.options.model_fields.items():
        default = "" if field.default is None else str(field.default)
        value = expected(method.options, name)
        yield f"--{name.replace('_', '-')}", value, default, field.description or ""
