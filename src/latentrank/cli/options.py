"""Command-line options shared by commands, derived from the configuration fields."""

from __future__ import annotations

import functools
import inspect
import runpy
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperOption

from latentrank.cli.app import option
from latentrank.cli.narrow import Command
from latentrank.config import (
    DataConfig,
    MachineConfig,
    RunConfig,
    TrainConfig,
    section_of,
    settings,
)
from latentrank.errors import InputError
from latentrank.filenames import SPEC
from latentrank.io import expanded, parse_value

if TYPE_CHECKING:
    from latentrank.runs import Run


class DensityCommand(Command):
    """A command with the option `--density`, whose help lists the installed densities.

    They are looked up only when the help is shown.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with the names replacing `NAMES`."""
        from latentrank import density

        for one in self.params:
            if isinstance(one, TyperOption) and one.name == "density":
                one.help = (one.help or "").replace("NAMES", ", ".join(density.names()))
        super().format_help(ctx, formatter)


RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a finished run, or of a saved model.")
]
Data = Annotated[
    str | None,
    option("Data for a saved model, or the new location of a run's data if they moved.", "PATH"),
]
Networks = Annotated[
    str | None,
    option(
        "For a model with your own networks: a function that returns encoder and decoder.",
        "FILE.py:FUNCTION",
    ),
]
Seed = Annotated[int, option("Random seed for sampling.", min=0)]


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Add every setting of a run to a command as an option, with its description as help.

    Args:
        command: takes `ctx` and `settings`, the settings given on the command line by name.
    """
    fields = [name for name in settings() if name != "method"]
    fields.sort(key=lambda name: list(_PANELS).index(section_of(name)))
    own = inspect.signature(command, eval_str=True)
    parameters = [p for p in own.parameters.values() if p.name != "settings"]

    @functools.wraps(command)
    def wrapped(ctx: typer.Context, **values: Any) -> None:
        every = {name: values.pop(name) for name in fields}
        given = {name: value for name, value in every.items() if _is_given(ctx, name)}
        command(ctx=ctx, settings=given, **values)

    parameters += [_option(name) for name in fields]
    wrapped.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
    return wrapped


#: Help headings of the sections of the configuration, in order.
_PANELS: dict[Any, str] = {
    RunConfig: "Model",
    DataConfig: "Data",
    TrainConfig: "Training",
    MachineConfig: "Machine",
}


def _is_given(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _option(name: str) -> inspect.Parameter:
    """A setting as a Typer option."""
    field = settings()[name]
    text = field.description or ""
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    declared: list[str] = []
    more: dict[str, Any] = {}
    kind: Any = _without_none(field.annotation)
    if typing.get_origin(kind) is list:
        # Repeated for each value.
        kind, declared, more = list[str], [f"--{name.rstrip('s')}"], {"metavar": "NAME"}
    elif isinstance(kind, types.UnionType):
        kind, default, more = str, str(default), {"parser": parse_value, "metavar": "N|auto"}
    elif kind is bool:
        more = {"metavar": ""}
    info = typer.Option(
        *declared,
        help=text[:1].upper() + text[1:] + "." * (not text.endswith(".")),
        rich_help_panel=_PANELS[section_of(name)],
        **more,
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
    )


def _without_none(annotation: Any) -> Any:
    kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
    if type(None) in typing.get_args(annotation) and len(kinds) == 1:
        return kinds[0]
    return annotation


def extra_options(tokens: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Split arguments unknown to Typer into words and options.

    Args:
        tokens: such as `["lorae", "--penalty", "1e-3", "--no-fixed"]`.

    Returns:
        The words, and the options by name with values parsed as YAML; an option without a value is
        true, or false if its name begins with `no-`.

    Raises:
        InputError: a single dash.

    Example:
        >>> extra_options(["lorae", "--penalty", "1e-3", "--init-variance=2", "--no-fixed"])
        (['lorae'], {'penalty': 0.001, 'init_variance': 2, 'fixed': False})
    """
    words: list[str] = []
    options: dict[str, Any] = {}
    waiting = list(tokens)
    while waiting:
        token = waiting.pop(0)
        if not token.startswith("--"):
            words.append(token)
            continue
        name, equals, value = token[2:].partition("=")
        if not equals and waiting and not waiting[0].startswith("--"):
            equals, value = "=", waiting.pop(0)
        name = name.replace("-", "_")
        if equals:
            options[name] = parse_value(value)
        else:
            options[name.removeprefix("no_")] = not name.startswith("no_")
    return words, options


def opened(run: Path, data: str | None = None, networks: str | None = None) -> Run:
    """A finished run or a saved model.

    Args:
        run: its folder.
        data: data for a saved model, or the new location of a run's data.
        networks: `FILE.py:FUNCTION`, for a model with the user's own networks.
    """
    from latentrank import runs

    return runs.opened(run, data, **_own_networks(networks))


def all_opened(folders: Sequence[Path], data: str | None, networks: Sequence[str]) -> list[Run]:
    """Runs and saved models; `networks` are for those that have their own, in order."""
    from latentrank.serialization import spec_of

    own = [(folder / SPEC).is_file() and spec_of(folder).net == "custom" for folder in folders]
    if networks and len(networks) != sum(own):
        raise InputError(
            f"--networks is given for {len(networks)} models, expected once for each of the "
            f"{sum(own)} with custom networks."
        )
    left = iter(networks)
    return [
        opened(folder, data, next(left, None) if custom else None)
        for folder, custom in zip(folders, own, strict=True)
    ]


def _own_networks(text: str | None) -> dict[str, Any]:
    """The encoder and the decoder returned by a function in a user's file."""
    if text is None:
        return {}
    file, _, name = text.rpartition(":")
    if not (path := expanded(file)).is_file():
        raise InputError(
            f"--networks is {text}, expected FILE.py:FUNCTION with a file that exists; check it."
        )
    from latentrank import nets

    function = runpy.run_path(str(path)).get(name)
    if not callable(function):
        raise InputError(f"There is no function '{name}' in {file}; check --networks.")
    encoder, decoder = nets.pair_of(function(), function)
    return {"encoder": encoder, "decoder": decoder}
