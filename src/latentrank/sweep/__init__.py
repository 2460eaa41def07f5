"""Search over settings with Optuna: each trial is a run folder, and machines can share a study."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock

from latentrank import data, metrics, runs
from latentrank.config import RunConfig
from latentrank.errors import InputError, need
from latentrank.io import csv_text, digest, make_folder, write_text
from latentrank.metrics import Subject
from latentrank.runs.cache import PlannedRun, content, folder_name
from latentrank.runs.configure import short_name
from latentrank.runs.executor import Say, at_once, train_all
from latentrank.runs.worker import command_lock, is_running
from latentrank.sweep.searches import Search, combinations, parse_search, propose, untried

__all__ = ["Aim", "Search", "Trial", "configured", "parse_search", "study_name", "sweep"]

#: Attributes of a trial: its run folder, and the lock file of the command that trains it.
_FOLDER, _COMMAND = "folder", "command"


class Trial(NamedTuple):
    """A finished trial.

    Attributes:
        number: number in the study, at least 0.
        values: value of the metric of each objective.
        best: whether no other trial is at least as good in all objectives and better in one: with
            one objective the best trials, with two the Pareto front.
        settings: the searched settings.
        folder: folder of its run, on the machine that trained it.
    """

    number: int
    values: tuple[float, ...]
    best: bool
    settings: dict[str, Any]
    folder: str

    @property
    def value(self) -> float:
        """Value of the metric of the first objective."""
        return self.values[0]


class Aim(NamedTuple):
    """A metric to optimise.

    Attributes:
        metric: as `latentrank.metrics.parse` reads it.
        direction: `"minimize"` or `"maximize"`.
    """

    metric: str
    direction: str = "minimize"


def sweep(
    given: Mapping[str, Any],
    searches: Sequence[Search],
    trials: int,
    *,
    minimise: str | Sequence[str] = (),
    maximise: str | Sequence[str] = (),
    storage: str | None = None,
    out: str | Path = "sweeps",
    cluster: str | None = None,
    say: Say = lambda text: None,
    progress: bool = False,
) -> list[Trial]:
    """Train with settings that Optuna proposes, and return all trials of the study.

    A study is identified by its settings, searches and storage, excluding machine settings: equal
    arguments join the same study. Trials whose call was interrupted or killed are resumed first. No
    settings are trained twice, except that another call repeats failed trials. Proposals depend
    only on the seed and the earlier trials.

    Args:
        given: fixed settings by name, including method and data.
        searches: settings to search, one or more.
        trials: number of trials to finish; fewer once all combinations of choices have been tried.
        minimise: metrics to minimise, such as `"fd:gmm"` or `["rank", "validation_error"]`.
        maximise: metrics to maximise, such as `"accuracy:100"`; without any metric, the
            validation error is minimised.
        storage: URL of the study's database; by default a file in `out`.
        out: folder for the runs of all studies.
        cluster: address of a Dask scheduler whose workers train; None for this machine.
        say: called with progress messages.
        progress: show a progress line for each run.

    Returns:
        All finished trials of the study, the Pareto front first, ordered by the first objective.
        They are also written to `trials.csv` in the study's folder and, for two objectives, drawn
        in `front.png`.

    Raises:
        InputError: optuna is not installed, settings are invalid, data or method cannot have a
            metric, weights of its features are missing, or the storage cannot be reached.
    """
    optuna = _optuna()
    aims = _aims(minimise, maximise)
    if trials < 1 or not searches:
        raise InputError(
            f"{trials} trials over {len(searches)} searches were requested; give at least one "
            "of each, such as a search penalty=1e-5..1e-1:log."
        )
    for index, search in enumerate(searches):
        if search.name in (other.name for other in searches[:index]):
            raise InputError(f"{search.name} is searched twice; give one search for it.")
    base = configured(given, searches, {search.name: search.first for search in searches})
    name = study_name(base, searches, ", ".join(f"{aim.direction} {aim.metric}" for aim in aims))
    folder = Path(out) / name
    subject = Subject(base, folder, download=base.data.download)
    if base.data.source not in data.names():
        _ = subject.dataset  # refused before each trial fails on it
    for aim in aims:
        metrics.check_possible(subject, aim.metric)
        metrics.check_weights(subject, aim.metric)
    make_folder(folder)
    with FileLock(folder / ".study.lock"):  # two commands at once would both create the tables
        study = _study(name, storage or f"sqlite:///{folder / 'study.db'}", aims)
    # A restarted sampler would propose its first values again.
    study.sampler = optuna.samplers.TPESampler(seed=base.training.seed + len(study.trials))

    count = at_once(base.machine.device, trials, cluster)
    before, left, reason = len(study.trials), trials, "unknown"
    with command_lock(folder) as command:
        interrupted = _interrupted(study, folder)
        while left > 0:
            size = min(count, left)
            batch, interrupted = interrupted[:size], interrupted[size:]
            new = iter(lambda: _new_trial(study, searches, base.training.seed, before), None)
            batch += islice(new, size - len(batch))
            if not batch:
                say("all combinations have been tried")
                break
            left -= len(batch)
            planned = [_planned(trial, given, searches, folder) for trial in batch]
            for trial, run in zip(batch, planned, strict=True):
                _claim(trial, run, command)
                say(run.name)
            failed = train_all(planned, lambda text: None, progress, cluster)
            for trial, run in zip(batch, planned, strict=True):
                reason = _settle(study, trial, run, failed, aims, say) or reason
    found = _finished(study, aims[0])
    if not found:
        named = " and ".join(aim.metric for aim in aims)
        raise InputError(
            f"None of {trials} trials ended with a value of {named}; the last one failed: {reason}"
        )
    for path in _write(found, aims, folder):
        say(str(path))
    return found


def _aims(minimise: str | Sequence[str], maximise: str | Sequence[str]) -> list[Aim]:
    lows, highs = ([a] if isinstance(a, str) else a for a in (minimise, maximise))
    aims = [Aim(metric) for metric in lows] + [Aim(metric, "maximize") for metric in highs]
    for index, aim in enumerate(aims):
        metrics.check(aim.metric)
        if aim.metric in (other.metric for other in aims[:index]):
            raise InputError(f"{aim.metric} is given as an objective twice; leave one out.")
    return aims or [Aim("validation_error")]


def _study(name: str, storage: str, aims: Sequence[Aim]) -> Any:
    """A new study, or the existing one of this name."""
    optuna = _optuna()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return optuna.create_study(
            study_name=name,
            storage=storage,
            directions=[aim.direction for aim in aims],
            load_if_exists=True,
        )
    except Exception as error:  # errors of a storage depend on its driver
        raise InputError(
            f"The study's storage {storage} cannot be used ({str(error).splitlines()[0]}); give a "
            "URL such as sqlite:///study.db."
        ) from error


def _finished(study: Any, first: Aim) -> list[Trial]:
    """The finished trials, the best ones first, then by the first aim."""
    best = {trial.number for trial in study.best_trials}
    sign = -1 if first.direction == "maximize" else 1
    found = [
        Trial(t.number, tuple(t.values), t.number in best, dict(t.params), t.user_attrs[_FOLDER])
        for t in study.trials
        if t.state.name == "COMPLETE"
    ]
    return sorted(found, key=lambda trial: (not trial.best, sign * trial.values[0]))


def searched_names(found: Sequence[Trial], aims: Sequence[str]) -> list[str]:
    """Headings of the searched settings, distinct from those of the aims.

    Example:
        >>> searched_names([Trial(0, (2.0,), True, {"rank": 2, "seed": 0}, "")], ["rank"])
        ['rank (searched)', 'seed']
    """
    return [f"{name} (searched)" if name in aims else name for name in found[0].settings]


def _write(found: Sequence[Trial], aims: Sequence[Aim], folder: Path) -> list[Path]:
    """Write the trials as CSV and, for two aims, the front as a figure."""
    from latentrank.report import figures
    from latentrank.report.style import write_figure

    names = [aim.metric for aim in aims]
    header = ("trial", *names, "best", *searched_names(found, names), "run")
    rows = ((t.number, *t.values, t.best, *t.settings.values(), t.folder) for t in found)
    write_text(folder / "trials.csv", csv_text(header, rows))
    if len(aims) != 2:
        return [folder / "trials.csv"]
    points = np.array([trial.values for trial in found])
    figure = figures.pareto_front(points, np.array([trial.best for trial in found]), names)
    return [folder / "trials.csv", write_figure(figure, folder / "front.png")]


def _interrupted(study: Any, folder: Path) -> list[Any]:
    """Trials in this folder whose command was interrupted or killed."""
    return [
        trial
        for trial in study.trials
        if trial.state.name == "RUNNING"
        and Path(trial.user_attrs.get(_FOLDER, "none")).is_dir()  # not of another machine
        and not is_running(folder / trial.user_attrs[_COMMAND])
    ]


def _planned(
    trial: Any, given: Mapping[str, Any], searches: Sequence[Search], folder: Path
) -> PlannedRun:
    """The run of a trial, in a folder named by its content, so that no two settings share one."""
    config = configured(given, searches, trial.params)
    name = f"trial {trial.number}: {_listed(trial.params)}"
    return PlannedRun(name, "", config, folder / f"trial-{folder_name(config)}")


def _claim(trial: Any, run: PlannedRun, command: Path) -> None:
    """Note where and by which command a new trial is trained, so that it can be resumed."""
    if _FOLDER not in trial.user_attrs:
        trial.set_user_attr(_COMMAND, command.name)
        trial.set_user_attr(_FOLDER, str(run.folder))
        make_folder(run.folder)


def _settle(
    study: Any,
    trial: Any,
    run: PlannedRun,
    failed: Mapping[str, str],
    aims: Sequence[Aim],
    say: Say,
) -> str:
    """Report a trial's result to the study, and return the reason if it failed."""
    number = trial.number
    try:
        if reason := failed.get(run.folder.name):
            raise InputError(reason)
        subject = Subject(run.config, run.folder, download=run.config.data.download)
        found = [metrics.measure(subject, aim.metric).value for aim in aims]
    except InputError as error:
        say(f"trial {number} failed: {error}")
        state = _optuna().trial.TrialState.FAIL
        study.tell(number, state=state, skip_if_finished=True)
        return str(error)
    # it may have been finished by another command, which resumed it at the same time
    study.tell(number, found, skip_if_finished=True)
    named = zip(aims, found, strict=True)
    say(f"trial {number}: " + ", ".join(f"{a.metric} {value:.4g}" for a, value in named))
    return ""


def _new_trial(study: Any, searches: Sequence[Search], seed: int, before: int) -> Any | None:
    """A trial with untried settings; None once all combinations have been tried."""
    tried = _tried(study, before)
    while len(tried) < combinations(searches):
        trial = study.ask()
        proposed = {search.name: propose(trial, search) for search in searches}
        if digest(proposed) not in tried:
            return trial
        study.tell(trial, state=_optuna().trial.TrialState.PRUNED)
        if left := untried(searches, tried):
            study.enqueue_trial(random.Random(seed + len(study.trials)).choice(left))
    return None


def _tried(study: Any, before: int) -> set[str]:
    """Settings of trials that are finished or running, or have failed after the first `before`.

    Trials that failed in an earlier call are tried again: the cause may have been corrected.
    """
    return {
        digest(trial.params)
        for trial in study.trials
        if trial.state.name in ("COMPLETE", "RUNNING")
        or (trial.state.name == "FAIL" and trial.number >= before)
    }


def _optuna() -> Any:
    return need("optuna", "sweep", "A sweep")


def configured(
    given: Mapping[str, Any], searches: Sequence[Search], proposed: Mapping[str, Any]
) -> RunConfig:
    """The configuration of a trial.

    Raises:
        InputError: settings or options do not exist or are invalid, or one is both given and
            searched.
    """
    for search in searches:
        if search.name in given:
            raise InputError(f"{search.name} is both given and searched; leave one out.")
    return runs.configure({**given, **proposed})


def study_name(base: RunConfig, searches: Sequence[Search], objective: str) -> str:
    """Data, method, and a digest of the study."""
    fixed = content(base)
    for search in searches:
        fixed["settings"].pop(search.name, None)
        fixed["options"].pop(search.name, None)
    about = digest([fixed, [vars(search) for search in searches], objective])[:8]
    name = re.sub("[:?]", "-", short_name(base.data.source))
    return f"{name}-{base.method}-{about}"


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {v:.4g}" if isinstance(v, float) else f"{name} {v}" for name, v in settings.items()
    )
