"""One training: named by its content, kept in a folder, and never made twice.

Whoever asks for the same training finds it done; whatever was interrupted is resumed; and what
another process is training is waited for.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from latentrank import data, runs
from latentrank.config import SCHEMA, MachineConfig, RunConfig, section_of, settings
from latentrank.errors import InputError
from latentrank.runs.locking import locked

if TYPE_CHECKING:
    # importing Lightning takes seconds, which using a trained model should not
    from lightning.pytorch import Callback


class Training(NamedTuple):
    """One training that is wanted.

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
        """How much of it is done, between 0 and 1, by its last validation."""
        try:
            history = runs.Run(self.folder).history
        except (OSError, ValueError, InputError):
            return 0.0  # not begun
        units, total = self.config.training.length
        unit = units.removesuffix("s")  # as the history's column is called
        return min(1.0, float(history[unit][-1]) / total) if unit in history else 0.0


def is_done(training: Training) -> bool:
    """Whether nothing is left to train."""
    folder = training.folder
    return (folder / runs.folder.CONFIG).is_file() and runs.Run(folder).finished


def content(config: RunConfig) -> dict[str, Any]:
    """What decides the outcome of a run and differs from the defaults of method and data.

    Settings that only say where it runs are left out, and data count by their content. A setting
    that is added to the library with a default therefore leaves the content as it was.

    Args:
        config: of the run.

    Example:
        >>> plain = RunConfig(method="lorae", data="shapes", device="cpu")
        >>> content(plain)
        {'schema': 1, 'method': 'lorae', 'data': 'shapes', 'options': {}, 'settings': {}}
        >>> content(plain.updated({"epochs": 3}))["settings"]
        {'epochs': 3}
    """
    source = config.data.source
    usual = RunConfig(method=config.method, data=source, latent_dim=_usual_width(source))
    return {
        "schema": SCHEMA,
        "method": config.method,
        "data": source if source in data.names() else fingerprint(source),
        "options": config.options.model_dump(mode="json", exclude_defaults=True),
        "settings": {
            name: config.get(name)
            for name in settings()
            if _decides(name) and config.get(name) not in (usual.get(name), None)
        },
    }


def _decides(name: str) -> bool:
    machine = section_of(name) is MachineConfig or name in ("data_root", "download")
    return not machine and name not in ("method", "data")


def _usual_width(source: str) -> int | None:
    widths = {described.name: described.latent_dim for described in data.describe()}
    return widths.get(source)


@lru_cache(maxsize=64)
def fingerprint(source: str) -> str:
    """A digest of the content of a file, or of all files in a folder.

    Args:
        source: a path.

    Returns:
        Hexadecimal digits; those of the path where there is nothing.
    """
    path = Path(source).expanduser()
    digest = hashlib.blake2b(digest_size=12)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        digest.update(str(file.relative_to(path.parent)).encode())
        if file.is_file():
            with file.open("rb") as opened:
                while block := opened.read(2**22):
                    digest.update(block)
    return digest.hexdigest()


def folder_name(config: RunConfig, trained: bool = True) -> str:
    """A name that says what a run is, ending in a digest of its content.

    Args:
        config: of the run.
        trained: whether it is trained; what is not is kept apart.

    Example:
        >>> config = RunConfig(method="lorae", data="blobs", options={"penalty": 0.1})
        >>> folder_name(config)[:-11]
        'blobs-lorae-penalty-0.1-seed-0'
    """
    about = content(config)
    text = json.dumps([about, trained], sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    options = [part for name, value in about["options"].items() for part in (name, str(value))]
    seed = str(config.training.seed)
    words = [Path(config.data.source).stem, config.method, *options, "seed", seed]
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
        training: what is wanted.
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
        if (folder / runs.folder.CONFIG).is_file():
            where = {n: training.config.get(n) for n in settings() if _is_place(n)}
            runs.resume(folder, where, progress=progress, callbacks=callbacks)
        else:
            runs.train(training.config, folder, progress=progress, callbacks=callbacks)


def _is_place(name: str) -> bool:
    return section_of(name) is MachineConfig or name in ("data_root", "download")
