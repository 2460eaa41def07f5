"""From settings by name, YAML files and defaults to one configuration."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentrank import data, methods
from latentrank.config import RunConfig, check
from latentrank.distributed import is_first_process
from latentrank.errors import InputError
from latentrank.io import read_yaml

if TYPE_CHECKING:
    # importing Lightning takes seconds, which using a trained model should not
    pass


def default_folder(config: RunConfig, parent: str | Path = "runs") -> Path:
    """A folder for a new run, named after its data and method.

    Args:
        config: of the run.
        parent: the folder that holds runs.

    Returns:
        A path where nothing is yet: `DATA-METHOD`, or `DATA-METHOD-2` and so on.

    Example:
        >>> default_folder(check({"method": "ae", "data": "My data/big one.npy"}, "x")).name
        'big-one-ae'
    """
    path = Path(config.data).expanduser()
    name = path.stem if path.suffix in (".npy", ".npz", ".zip") else path.name
    if config.data not in data.names():
        name = name or path.resolve().name
    stem = f"{re.sub(r'[^A-Za-z0-9._]+', '-', name).strip('-.') or 'data'}-{config.method}"
    folder, count = Path(parent) / stem, 1
    newest = folder
    while folder.exists():
        count += 1
        newest, folder = folder, Path(parent) / f"{stem}-{count}"
    # The first of several processes has made the folder before it starts the others.
    return folder if is_first_process() else newest


def configure(given: Mapping[str, Any], file: str | Path | None = None) -> RunConfig:
    """A configuration from settings by name, over those of a YAML file, over the defaults.

    Options of the method stand among the settings, or in the file also under `options`.

    Args:
        given: settings and options by name, such as those of a command line.
        file: a YAML file.

    Raises:
        InputError: a name that is neither a setting nor an option of the method, with the
            nearest that is one; a value out of range; no method or no data; or a file with the
            options of another method.

    Example:
        >>> configure({"method": "lorae", "data": "shapes", "penalty": 0.1}).options
        {'penalty': 0.1}
    """
    written, over = _split(given), _split({} if file is None else read_yaml(file))
    values = {**over, **written}
    for name, command in (("method", "methods"), ("data", "datasets")):
        if values.get(name) is None:
            raise InputError(
                f"No {name} is given; name one of those that latentrank {command} lists."
            )
    method = str(values["method"])
    methods.get(method)
    if over["options"] and str(over.get("method", method)) != method:
        raise InputError(
            f"{file} holds options of {over['method']}, and the method is to be {method}; leave "
            "them out of the file, or name no other method."
        )
    for layer, source in ((over, str(file)), (written, "the command line")):
        _check_options(layer["options"], method)
        check({**layer, "method": method, "data": values["data"]}, source)
    return check({**values, "options": {**over["options"], **written["options"]}}, "the settings")


def _split(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name, with whatever is none of them under `options`."""
    options = values.get("options") or {}
    if not isinstance(options, Mapping):
        raise InputError(f"options is {options!r}; give names and values, such as 'penalty: 1e-3'.")
    settings = {name: v for name, v in values.items() if name in RunConfig.model_fields}
    rest = {name: v for name, v in values.items() if name not in RunConfig.model_fields}
    return {**settings, "options": {**options, **rest}}


def _check_options(options: Mapping[str, Any], method: str) -> None:
    """Refuse options that the method does not have, and values of another kind than theirs."""
    own = methods.options(method)
    for name in options:
        if name not in own:
            close = difflib.get_close_matches(name, [*own, *RunConfig.model_fields], 1, 0.5)
            hint = f"did you mean '{close[0]}'? " if close else ""
            raise InputError(
                f"There is no setting '{name}' and {method} has no such option; "
                f"{hint}Options of {method}: {', '.join(own)}."
            )
    methods.resolve(method, options)


def absolute(path: str) -> str:
    """A path that holds in any working folder."""
    return str(Path(path).expanduser().resolve())
