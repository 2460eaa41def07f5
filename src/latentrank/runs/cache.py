"""Cached runs: named by content, stored in a folder, and never trained twice.

A finished run is reused, an interrupted one resumed, and one being trained by another process is
waited for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from latentrank import data, runs
from latentrank.config import SCHEMA, RunConfig, settings
from latentrank.data.folders import every_file, stamp_of
from latentrank.data.readers import numpy_files
from latentrank.errors import InputError
from latentrank.filenames import CONFIG
from latentrank.io import digest
from latentrank.runs.configure import short_name
from latentrank.runs.locking import locked

if TYPE_CHECKING:
    # importing Lightning takes seconds, which using a trained model should not
    from lightning.pytorch import Callback

Stamps = tuple[tuple[Path, tuple[int, int] | None], ...]


class PlannedRun(NamedTuple):
    """A requested run.

    Attributes:
        name: name for progress messages.
        group: runs of one group take about the same time.
        config: its configuration.
        folder: its run folder, existing or not.
    """

    name: str
    group: str
    config: RunConfig
    folder: Path

    @property
    def so_far(self) -> tuple[float, float]:
        """The completed share, and the seconds that it took; zeros if it has not begun."""
        try:
            history = runs.Run(self.folder).history
        except (OSError, ValueError, InputError):
            return 0.0, 0.0
        units, total = self.config.training.length
        unit = units.removesuffix("s")  # name of the history's column
        if not len(history.get(unit, ())):
            return 0.0, 0.0
        seconds = history.get("seconds", [0.0])
        return min(1.0, float(history[unit][-1]) / total), float(seconds[-1])


def is_done(training: PlannedRun) -> bool:
    """Whether it is finished."""
    folder = training.folder
    return (folder / CONFIG).is_file() and runs.Run(folder).finished


def content(config: RunConfig) -> dict[str, Any]:
    """Settings that determine the result of a run and differ from the defaults of method and data.

    Machine settings are excluded, and data enter by their content. Adding a setting with a default
    to the library therefore does not change it.

    Example:
        >>> plain = RunConfig(method="lorae", data="shapes", device="cpu")
        >>> content(plain)
        {'schema': 1, 'method': 'lorae', 'data': 'shapes', 'options': {}, 'settings': {}}
        >>> content(plain.updated({"epochs": 3}))["settings"]
        {'epochs': 3}
    """
    source, known = config.data.source, data.DATASETS
    width = known.get(source).description.latent_dim if source in known else None
    usual = RunConfig(method=config.method, data=source, latent_dim=width)
    return {
        "schema": SCHEMA,
        "method": config.method,
        "data": source if source in data.names() else fingerprint(source),
        "options": config.options.model_dump(mode="json", exclude_defaults=True),
        "settings": {
            name: config.get(name)
            for name in settings()
            if name not in ("method", "data", *settings("place"))
            and config.get(name) not in (usual.get(name), None)
        },
    }


def fingerprint(source: str) -> str:
    """A digest of the content of a file, or of all files in a folder, and of a name inside it.

    Returns:
        Hexadecimal digits; a digest of the text if nothing exists there, as for `hf:NAME`.
    """
    path, inner = data.place(source)
    if not path.exists():
        return digest(source)
    whole = _digest_of(path.parent, stamps(source))
    return whole if inner is None else digest([whole, inner.strip("/")])


def stamps(source: str) -> Stamps:
    """The files at a path, each with a stamp that changes with it; None if there is none."""
    path, _ = data.place(source)
    files = [*every_file(path), *numpy_files.sidecars(path)]
    return tuple((file, stamp_of(file) if file.is_file() else None) for file in files)


@lru_cache(maxsize=16)
def _digest_of(parent: Path, files: Stamps) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for file, stamp in files:
        digest.update(str(file.relative_to(parent)).encode())
        if stamp is not None:
            with file.open("rb") as opened:
                hashlib.file_digest(opened, lambda: digest)
    return digest.hexdigest()


def folder_name(config: RunConfig, trained: bool = True) -> str:
    """A descriptive name of a run, ending in a digest of its content.

    Args:
        config: configuration of the run.
        trained: whether it is trained; untrained ones are stored separately.

    Example:
        >>> config = RunConfig(method="lorae", data="blobs", options={"penalty": 0.1})
        >>> folder_name(config)[:-11]
        'blobs-lorae-penalty-0.1-seed-0'
    """
    about = content(config)
    options = [part for name, value in about["options"].items() for part in (name, str(value))]
    seed = str(config.training.seed)
    words = [short_name(config.data.source), config.method, *options, "seed", seed]
    return f"{re.sub(r'[^A-Za-z0-9.]+', '-', '-'.join(words))}-{digest([about, trained])[:10]}"


def train(
    training: PlannedRun,
    progress: bool = False,
    *,
    waiting: Callable[[], None] = lambda: None,
    callbacks: Sequence[Callback] = (),
) -> None:
    """Train a run, or resume it; nothing happens if it is finished.

    If another process is training the same run, wait for it.

    Args:
        training: the requested run.
        progress: show a progress line.
        waiting: called about once a second while another process trains the same run; an exception
            ends the wait.
        callbacks: additional Lightning callbacks.

    Raises:
        InputError: the configuration or the data are invalid, or training diverges.
    """
    if is_done(training):
        return
    folder = training.folder
    with locked(folder, waiting):
        if is_done(training):
            return
        if (folder / CONFIG).is_file():
            where = {name: training.config.get(name) for name in settings("place")}
            runs.resume(folder, where, progress=progress, callbacks=callbacks)
        else:
            runs.train(training.config, folder, progress=progress, callbacks=callbacks)
