"""Training into a run folder, and resuming."""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from latentrank import methods
from latentrank.advice import spoken
from latentrank.config import RunConfig, settings
from latentrank.data import Dataset
from latentrank.distributed import is_first_process
from latentrank.errors import InputError
from latentrank.filenames import (
    CHECKPOINTS,
    CODES,
    CONFIG,
    ERRORS,
    LAST_CHECKPOINT,
    METRICS,
    PARTS_OF_A_RUN,
    REPORT,
    RESTARTS,
)
from latentrank.io import expanded, remove_file, remove_leftovers, write_yaml
from latentrank.models.base import LatentModel
from latentrank.models.spec import READING
from latentrank.runs import restarts
from latentrank.runs.configure import resolve, with_one_length
from latentrank.runs.folder import Run, load_data
from latentrank.runs.locking import locked
from latentrank.runs.measured import measured
from latentrank.serialization import save
from latentrank.terminal import standard_error
from latentrank.torch_state import isolated, own_defaults

if TYPE_CHECKING:
    # importing Lightning takes seconds, which using a trained model should not
    from lightning.pytorch import Callback

    from latentrank.training.callbacks import History


@own_defaults()
def train(
    config: RunConfig,
    folder: str | Path,
    *,
    dataset: Any = None,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> Run:
    """Train a model and write a run folder.

    Args:
        config: the method, the data, and the training settings.
        folder: a new folder.
        dataset: data already in memory, as `latentrank.data.load` takes them; their entry in
            `config` is then only a name.
        encoder: your own network, see `latentrank.build`.
        decoder: your own network, if `encoder` is given.
        progress: show a progress line.
        callbacks: additional Lightning callbacks.

    Returns:
        The run. In distributed training only the first process writes, and only its run is
        finished.

    Raises:
        InputError: the configuration is invalid, the folder already contains a run, or another
            process is training in it.
    """
    if not isinstance(config, RunConfig):
        raise InputError(
            f"config is of type {type(config).__name__}, expected a RunConfig; write "
            "train(RunConfig(method=..., data=...), folder)."
        )
    folder = expanded(folder)
    with locked(folder):
        dataset = load_data(config, progress, dataset)
        trainings = _Trainings(dataset, progress, callbacks)
        resolved = resolve(config, dataset)
        model = new_model(resolved, dataset, encoder, decoder)
        restarts.check(resolved.training.n_init, model.spec)
        if is_first_process():
            start(resolved, folder)
        try:
            if resolved.training.n_init > 1:
                run = trainings.best(resolved, folder)
            else:
                run = trainings.fit(model, resolved, folder)
        except Exception:
            _remove_if_nothing_was_done(folder)
            raise
    if progress and is_first_process():
        _say(dataset)
    return run


def resume(
    folder: str | Path,
    changes: Mapping[str, Any] | None = None,
    *,
    dataset: Any = None,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> Run:
    """Resume an interrupted run, or train a finished one for longer.

    It resumes from the newest checkpoint. A run interrupted before its first one starts again.

    Args:
        folder: of the run.
        changes: settings to change, of `latentrank.config.settings("resumable")`; others may be
            given as they are.
        dataset: the data, if the run was trained on data in memory.
        encoder: your own network, if the run was trained with one.
        decoder: your own network, if `encoder` is given.
        progress: show a progress line.
        callbacks: additional Lightning callbacks.

    Raises:
        InputError: there is no run, it is finished or has no checkpoint, a setting cannot be
            changed, its data have changed, or another process is training in its folder.
    """
    run = Run(folder)
    with locked(run.folder):
        config = _changed(run, dict(changes or {}))
        if dataset is None:
            dataset = run.data_at(config, progress)
        else:
            dataset = load_data(config, progress, dataset)
        trainings = _Trainings(dataset, progress, callbacks)
        if config.training.n_init > 1:
            write_yaml(run.folder / CONFIG, config.model_dump(mode="json"))
            run = trainings.best(config, run.folder)
        else:
            run = trainings.resume(new_model(config, dataset, encoder, decoder), config, run)
    if progress and is_first_process():
        _say(dataset)
    return run


@dataclass(frozen=True)
class _Trainings:
    """The trainings of one call: one, or several of which the best is kept."""

    dataset: Dataset
    progress: bool
    callbacks: Sequence[Callback]

    def __post_init__(self) -> None:
        """Refuse invalid callbacks before anything is written."""
        from latentrank.training.callbacks import checked

        object.__setattr__(self, "callbacks", checked(self.callbacks))

    def fit(
        self,
        model: LatentModel,
        config: RunConfig,
        folder: Path,
        from_checkpoint: bool = False,
        begin: Callable[[], None] = lambda: None,
    ) -> Run:
        """Fit a model and write its metrics; `begin` is called before the first step."""
        from lightning.pytorch.callbacks import LambdaCallback

        from latentrank.training import fit

        beginning = LambdaCallback(on_train_start=lambda trainer, module: begin())
        history = fit(
            model,
            self.dataset,
            config.training,
            folder=folder,
            resume=from_checkpoint,
            progress=self.progress,
            callbacks=[beginning, *self.callbacks],
        )
        if not is_first_process():
            return Run(folder)
        return finish(folder, config, model, self.dataset, history)

    def resume(self, model: LatentModel, config: RunConfig, run: Run) -> Run:
        """Train from the newest checkpoint of a run, if it has one."""

        def begin() -> None:
            """Change the run's files, right before the first step: a failed start changes none."""
            if is_first_process():
                write_yaml(run.folder / CONFIG, config.model_dump(mode="json"))
                for name in (METRICS, CODES, REPORT, ERRORS):  # of the earlier weights
                    remove_file(run.folder / name)
                for place in (run.folder, run.folder / CHECKPOINTS):
                    remove_leftovers(place)

        return self.fit(model, config, run.folder, run.begun, begin)

    def best(self, config: RunConfig, folder: Path) -> Run:
        """The run with the lowest validation error of `n_init`; those already begun are resumed."""

        def one(settings: RunConfig, part: Path) -> None:
            model = new_model(settings, self.dataset)
            if (part / CONFIG).is_file():
                self.resume(model, settings, Run(part))
            else:
                start(settings, part)
                self.fit(model, settings, part)

        return restarts.keep_best(config, folder, one)


def _changed(run: Run, given: Mapping[str, Any]) -> RunConfig:
    """The configuration of a resumed run, with changed settings."""
    before = run.settings
    kept = {**before.flat(), **before.flat()["options"]}
    changes = {name: value for name, value in given.items() if name in settings("resumable")}
    for name, value in given.items():
        if name in changes or (name in kept and _same(kept[name], value)):
            continue
        was = f" is {kept[name]} and" if kept.get(name) is not None else ""
        raise InputError(
            f"{name} of the run in {run.folder}{was} cannot be changed; leave it out, or train a "
            "new run."
        )
    config = before.updated(with_one_length(changes))
    if run.finished and before.training.n_init > 1:
        raise InputError(
            f"The run in {run.folder} is the best of {before.training.n_init} trainings and "
            "cannot be continued; train a new run, for longer."
        )
    if run.finished and not run.begun:
        raise InputError(
            f"The run in {run.folder} is finished and has no checkpoint to continue from "
            f"({LAST_CHECKPOINT}); train a new run, for longer."
        )
    (unit, done), (new_unit, asked) = before.training.length, config.training.length
    if run.finished and (new_unit != unit or asked <= done):
        raise InputError(
            f"The run in {run.folder} is finished; to train it for longer, give more {unit} than "
            f"its {done}."
        )
    return config


def _same(kept: Any, given: Any) -> bool:
    """Whether a setting is given as it is in the run; options may be given as text."""
    try:
        return float(kept) == float(given)
    except (TypeError, ValueError):
        return str(kept) == str(given)


def start(resolved: RunConfig, folder: Path) -> None:
    """Create the folder of a new run and write its resolved configuration.

    Raises:
        InputError: there is a run already, or a file that the run would replace.
    """
    if (folder / CONFIG).exists():
        raise InputError(
            f"{folder} already contains a run; give another folder, or resume it with: "
            f"latentrank train --resume {shlex.quote(str(folder))}"
        )
    for name in PARTS_OF_A_RUN:
        if (folder / name).exists():
            raise InputError(
                f"{folder} contains a {name}, which the run would replace; give another folder."
            )
    write_yaml(folder / CONFIG, resolved.model_dump(mode="json"))


def new_model(
    config: RunConfig,
    dataset: Dataset,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
) -> LatentModel:
    """The untrained model of a resolved configuration.

    Args:
        config: resolved.
        dataset: determines shapes and preprocessing.
        encoder: your own network.
        decoder: your own network, if `encoder` is given.

    Raises:
        InputError: the configuration does not fit the data.
    """
    with _seeded(config.training.seed):
        return methods.build(
            config.method,
            dataset.shape,
            config.latent_dim or dataset.latent_dim,
            config.net or dataset.net,
            dataset.preprocessing.bounded,
            encoder=encoder,
            decoder=decoder,
            **config.options.model_dump(),
        )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Within this context, Python, NumPy and torch on the CPU draw from a seed.

    A user's own networks may draw from any of these. Afterwards their states are restored.
    """
    own, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002
    with isolated(seed):
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(own)
            np.random.set_state(numpys)  # noqa: NPY002


def _say(dataset: Dataset) -> None:
    """Print to stderr how the data were read."""
    for note in dataset.notes:
        _say_once(dataset.name, note)


@cache
def _say_once(name: str, note: str) -> None:
    """Print a note on data once, not for each training of a search or an experiment."""
    standard_error().print(spoken(note))


def _remove_if_nothing_was_done(folder: Path) -> None:
    """Remove the folder of a run that failed before its first epoch."""
    for part in folder.glob(f"{RESTARTS}/*"):
        _remove_if_nothing_was_done(part)
    with suppress(OSError):  # it does not exist, or is not empty
        (folder / RESTARTS).rmdir()
    if [path.name for path in folder.glob("*")] == [CONFIG] and is_first_process():
        (folder / CONFIG).unlink()
        folder.rmdir()


def finish(
    folder: Path, config: RunConfig, model: LatentModel, dataset: Dataset, history: History
) -> Run:
    """Write the model and its metrics, which marks the run as finished."""
    read = config.data.model_dump(include=set(READING), exclude_none=True)
    model.spec = model.spec.model_copy(update={"reading": {**model.spec.reading, **read}})
    save(model, folder)
    run = Run(folder).attach(model, dataset)
    run.write_codes()
    metrics: dict[str, Any] = {
        "method": config.method,
        "data": config.data.source,
        **measured(model, dataset, torch.from_numpy(run.codes("test"))),
        "seconds": round(history.seconds, 2),
        "training_precision": history.precision,
        "threads": history.threads,
        "epochs": history.rows[-1]["epoch"] if history.rows else 0,
    }
    start = history.reports.get("geodesic_start", {"reliable": True})
    if model.reconstructs and not start["reliable"]:
        metrics["warning"] = f"{start['message']} {metrics.get('warning', '')}".strip()
    run.write_metrics(metrics | history.reports)
    return run
