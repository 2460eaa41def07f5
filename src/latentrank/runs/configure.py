"""Building a configuration from settings by name, YAML files and defaults."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from latentrank import data, methods
from latentrank.config import RunConfig, TrainConfig, settings
from latentrank.data import Dataset
from latentrank.distributed import is_first_process
from latentrank.errors import InputError
from latentrank.io import expanded, read_yaml


def configure(given: Mapping[str, Any], file: str | Path | None = None) -> RunConfig:
    """Build a configuration from settings by name, over a YAML file, over the defaults.

    Options of the method are given among the settings, or under `options`.

    Args:
        given: settings and options by name, such as those of a command line.
        file: a YAML file.

    Raises:
        InputError: a name that is neither a setting nor an option of the method (the message
            suggests the nearest one); a value out of range; no method or no data; or a file with
            the options of another method.

    Example:
        >>> configure({"method": "lorae", "data": "shapes", "penalty": 0.1}).options.penalty
        0.1
    """
    above = with_one_length(_flat(given))
    below = _flat({} if file is None else read_yaml(file))
    values = {**below, **above}
    for name, choice in (
        ("method", "choose one from latentrank methods"),
        ("data", "give the path of yours with data=, or a name from latentrank datasets"),
    ):
        if values.get(name) is None:
            raise InputError(f"No {name} is given; {choice}.")
    method = str(values["method"])
    if below["options"] and str(below.get("method", method)) != method:
        raise InputError(
            f"{file} has options of {below['method']}, but the method is {method}; leave "
            "them out of the file, or use its method."
        )
    options = {**below["options"], **above["options"]}
    _check_options(options, method)
    return RunConfig(**{**values, "options": options})


def with_one_length(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that override others: a length in epochs resets one in steps, and the reverse.

    Raises:
        InputError: both lengths are given.

    Example:
        >>> with_one_length({"epochs": 3, "seed": 1})
        {'epochs': 3, 'steps': None, 'seed': 1}
    """
    usual = {name: TrainConfig.model_fields[name].default for name in ("epochs", "steps")}
    asked = [f"{name} is {given[name]}" for name in usual if given.get(name) is not None]
    if len(asked) > 1:
        raise InputError(f"{' and '.join(asked)}; leave one out.")
    return {**(usual if asked else {}), **given}


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name, with all other names under `options`."""
    options = values.get("options") or {}
    if not isinstance(options, Mapping):
        raise InputError(f"options is {options!r}; give names and values, such as 'penalty: 1e-3'.")
    known: dict[str, Any] = {}
    rest = dict(options)
    for name, value in values.items():
        if name == "options":
            continue
        if name in RunConfig.model_fields and isinstance(value, Mapping):
            known |= _leaves(value)
        else:
            (known if name in settings() else rest)[name] = value
    return {**known, "options": rest}


def _leaves(section: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a section and its nested sections, by name."""
    found: dict[str, Any] = {}
    for name, value in section.items():
        name = "data" if name == "source" else name
        found |= _leaves(value) if isinstance(value, Mapping) else {name: value}
    return found


def _check_options(options: Mapping[str, Any], method: str) -> None:
    """Reject options that the method does not have, suggesting a setting or option."""
    own = methods.get(method).options.model_fields
    for name in options:
        if name not in own:
            close = difflib.get_close_matches(name, [*own, *settings()], 1, 0.6)
            hint = f"did you mean '{close[0]}'? " if close else ""
            raise InputError(
                f"There is no setting '{name}' and {method} has no such option; "
                f"{hint}Options of {method}: {', '.join(own) or 'none'}."
            )


def resolve(config: RunConfig, dataset: Dataset) -> RunConfig:
    """Resolve a configuration: fill in what depends on the data, and make paths absolute.

    This happens once, at the start of a run; afterwards every value is set.

    Raises:
        InputError: a resolved value is invalid.
    """
    root = config.data.data_root
    return config.updated(
        {
            "data": absolute_source(config.data.source),
            "data_root": None if root is None else absolute(root),
            "latent_dim": config.latent_dim or dataset.latent_dim,
            "net": config.net or dataset.net,
        }
    )


def default_folder(config: RunConfig, parent: str | Path = "runs") -> Path:
    """A folder for a new run, named after its data and method.

    Returns:
        A path that does not exist yet: `DATA-METHOD`, or `DATA-METHOD-2` and so on.

    Example:
        >>> default_folder(RunConfig(method="ae", data="My data/big one.npy")).name
        'big-one-ae'
    """
    name = re.sub(r"[^A-Za-z0-9._]+", "-", short_name(config.data.source)).strip("-.") or "data"
    stem = f"{name}-{config.method}"
    folder, count = Path(parent) / stem, 1
    newest = folder
    while folder.exists():
        count += 1
        newest, folder = folder, Path(parent) / f"{stem}-{count}"
    # In distributed training, the first process creates the folder before it starts the others.
    return folder if is_first_process() else newest


def short_name(source: str) -> str:
    """The last part of a name or path of data, with the last part of a name inside a file.

    Example:
        >>> short_name("data/sim.h5:/fields/T"), short_name("curves:stairs")
        ('sim-T', 'curves:stairs')
    """
    path, inner = data.place(source)
    name = (path.name if path.is_dir() else path.stem) or path.resolve().name
    return name if inner is None else f"{name}-{PurePosixPath(inner).name}"


def shown_name(source: str) -> str:
    """The last part of a name or path of data, with the full name inside a file.

    Example:
        >>> shown_name("data/sim.h5:/fields/T"), shown_name("data/x.npy")
        ('sim.h5:/fields/T', 'x.npy')
    """
    path, inner = data.place(source)
    return path.name if inner is None else f"{path.name}:{inner}"


def absolute_source(source: str) -> str:
    """A path of data that is valid in any working folder; names of data stay as they are."""
    is_name = source in data.names() or not data.place(source)[0].exists()
    return source if is_name else absolute(source)


def absolute(path: str) -> str:
    """A path that is valid in any working folder; a link at its end stays one.

    What a link leads to may have another name, without a suffix, and other files beside it.
    """
    place = expanded(path)
    whole = place.name in ("", "..")
    return str(place.resolve() if whole else place.parent.resolve() / place.name)
