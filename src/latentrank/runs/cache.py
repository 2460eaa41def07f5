"""One training: named by its content, kept in a folder, and never made twice.

Whoever asks for the same training finds it done; whatever was interrupted goes on where it
stopped; and what another process trains already is waited for.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from latentrank import data, methods, runs
from latentrank.config import RunConfig
from latentrank.errors import InputError
from latentrank.runs.locking import locked

if TYPE_CHECKING:
    # importing Lightning takes seconds, which using a trained model should not
    from lightning.pytorch import Callback

Settings = dict[str, Any]

# Settings that say where a run is computed, and not what comes out.
_MACHINE = ("device", "devices", "strategy", "loggers", "data_root", "download")


class Training(NamedTuple):
    """One training that is to be there.

    Attributes:
        name: what it is, for the reader of the progress.
        group: trainings of one group take about as long as each other.
        config: everything that decides it.
        folder: where it is, or will be.
    """

    name: str
    group: str
    config: RunConfig
    folder: Path

    @property
    def fraction(self) -> float:
        """How much of it is behind, between 0 and 1, by its last validation."""
        try:
            history = runs.Run(self.folder).history
        except (OSError, ValueError, InputError):
            return 0.0  # not begun
        units, whole = self.config.length
        unit = units.removesuffix("s")  # as the history's column is called
        return min(1.0, float(history[unit][-1]) / whole) if unit in history else 0.0


def is_done(training: Training) -> bool:
    """Whether nothing is left to train."""
    return (training.folder / "metrics.json").is_file()


def content(config: RunConfig) -> Settings:
    """All that decides what comes out of a run, with the defaults of method and data filled in.

    Args:
        config: of the run.

    Example:
        >>> from latentrank.config import check
        >>> one, other = (check(v, "x") for v in (
        ...     {"method": "lorae", "data": "shapes", "device": "cpu"},
        ...     {"method": "lorae", "data": "shapes", "options": {"penalty": 1e-3}},
        ... ))
        >>> content(one) == content(other)
        True
    """
    row = methods.get(config.method)
    widths = {described.name: described.latent_dim for described in data.describe()}
    kept = {name: v for name, v in config.model_dump().items() if name not in _MACHINE}
    return {
        **kept,
        "options": methods.resolve(config.method, config.options),
        "latent_dim": config.latent_dim or widths.get(config.data),
        "learning_rate": config.learning_rate or row.learning_rate,
        "weight_decay": row.weight_decay if config.weight_decay is None else config.weight_decay,
    }


def folder_name(config: RunConfig, trained: bool = True) -> str:
    """A name that says what a run is, ending in a digest of its whole content.

    Args:
        config: of the run.
        trained: whether it is trained; what is not is kept apart.

    Example:
        >>> from latentrank.config import check
        >>> config = check({"method": "lorae", "data": "blobs", "options": {"penalty": 0.1}}, "x")
        >>> folder_name(config)[:-11]
        'blobs-lorae-penalty-0.1-seed-0'
    """
    whole = json.dumps([content(config), trained], sort_keys=True, default=str)
    digest = hashlib.sha256(whole.encode()).hexdigest()[:10]
    options = [part for name, value in config.options.items() for part in (name, str(value))]
    words = [Path(config.data).stem, config.method, *options, "seed", str(config.seed)]
    return f"{re.sub(r'[^A-Za-z0-9.]+', '-', '-'.join(words))}-{digest}"


def train(
    training: Training,
    progress: bool = False,
    *,
    waiting: Callable[[], None] = lambda: None,
    callbacks: Sequence[Callback] = (),
) -> None:
    """Train what is asked for, from the start or from where it stopped; nothing if it is there.

    Where another process trains the same, its end is waited for.

    Args:
        training: what is to be there.
        progress: show a progress line.
        waiting: called about once a second while another process trains the same; what it raises
            ends the wait.
        callbacks: further callbacks of Lightning's.

    Raises:
        InputError: the configuration or the data cannot be used, or the training diverges.
    """
    if is_done(training):
        return
    folder = training.folder
    with locked(folder, waiting):
        if is_done(training):
            return
        if (folder / "config.yaml").is_file():
            machine = {name: getattr(training.config, name) for name in _MACHINE}
            runs.resume(folder, machine, progress=progress, callbacks=callbacks)
        else:
            runs.train(training.config, folder, progress=progress, callbacks=callbacks)
