"""Search over settings with Optuna: each trial is a run folder, and machines can share a study."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from latentrank import metrics, runs
from latentrank.config import RunConfig
from latentrank.errors import InputError, need
from latentrank.io import csv_text, digest, make_folder, parse_value, write_text
from latentrank.metrics import Subject
from latentrank.runs.cache import PlannedRun, content
from latentrank.runs.configure import short_name
from latentrank.runs.executor import Say, at_once, train_all

_MOST_LISTED = 10_000  # combinations of choices


@dataclass(frozen=True)
class Search:
    """The search space of one setting.

    Attributes:
        name: name of the setting or method option.
        low: lower bound, None for choices.
        high: upper bound.
        log: whether to search on a log scale.
        choices: the values, if it is not a range.
    """

    name: str
    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def first(self) -> Any:
        """Sample a value."""
        return self.choices[0] if self.choices else self.low

    @property
    def values(self) -> Sequence[Any] | None:
        """All possible values; None for a continuous range."""
        if self.choices:
            return self.choices
        if isinstance(self.low, int) and isinstance(self.high, int):
            return range(self.low, self.high + 1)
        return None


class Trial(NamedTuple):
    """A finished trial.

    Attributes:
        number: number in the study, from 0.
        values: value of the metric of each aim.
        best: whether no other trial is at least as good in all aims and better in one: with one
            aim the best trials, with two the Pareto front.
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
        """Value of the metric of the first aim."""
        return self.values[0]


class Aim(NamedTuple):
    """A metric to optimise.

    Attributes:
        metric: as `latentrank.metrics.parse` reads it.
        direction: `"minimize"` or `"maximize"`.
    """

    metric: str
    direction: str = "minimize"


def parse_search(text: str) -> Search:
    """Parse a search space: a range, a log-scale range, or choices.

    Args:
        text: `"NAME=LOW..HIGH"`, `"NAME=LOW..HIGH:log"` or `"NAME=A,B,C"`; a range between
            integers has whole values.

    Raises:
        InputError: it cannot be read, or the range is empty.

    Example:
        >>> parse_search("penalty=1e-5..1e-1:log")
        Search(name='penalty', low=1e-05, high=0.1, log=True, choices=())
        >>> parse_search("solver=svd,polar").choices
        ('svd', 'polar')
    """
    name, equals, span = text.partition("=")
    name = name.strip().lstrip("-").replace("-", "_")
    if not equals or not name or not span:
        raise _unreadable(text)
    if ".." not in span:
        return Search(name, choices=tuple(parse_value(part.strip()) for part in span.split(",")))
    span, colon, scale = span.partition(":")
    low, high = (parse_value(end.strip()) for end in span.split("..", 1))
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (low, high))
    if not numbers or (colon and scale != "log"):
        raise _unreadable(text)
    if not low < high or (colon and low <= 0):
        raise InputError(
            f"The search {text} runs from {low} to {high}; give the smaller number first, and a "
            "positive one with :log."
        )
    return Search(name, low, high, bool(colon))


def _unreadable(text: str) -> InputError:
    return InputError(
        f"The search is {text}, expected NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=A,B,C, such as "
        "penalty=1e-5..1e-1:log."
    )


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
    arguments join the same study. No settings are trained twice, except that failed trials are
    tried again by another call, and proposals depend only on the seed and the earlier trials.

    Args:
        given: fixed settings by name, including method and data.
        searches: settings to search, one or more.
        trials: number of trials to add; fewer once all combinations of choices have been tried.
        minimise: metrics to minimise, such as `"fd:gmm"` or `["rank", "validation_error"]`.
        maximise: metrics to maximise, such as `"accuracy:100"`; without any metric, the
            validation error is minimised.
        storage: URL of the study's database; by default a file in `out`.
        out: folder for the runs of all studies.
        cluster: address of a Dask scheduler whose workers train; None for this machine.
        say: called with progress messages.
        progress: show a progress line for each run.

    Returns:
        All finished trials of the study, those of the Pareto front first, by their first aim. They
        are in `trials.csv` in the study's folder, too, and for two aims in the figure `front.png`.

    Raises:
        InputError: optuna is not installed, settings are invalid, or the storage cannot be reached.
    """
    optuna = _optuna()
    aims = _aims(minimise, maximise)
    if trials < 1 or not searches:
        raise InputError(
            f"{trials} trials over {len(searches)} searches were requested; give at least one "
            "of each, such as --search penalty=1e-5..1e-1:log."
        )
    base = configured(given, searches, {search.name: search.first for search in searches})
    name = study_name(base, searches, ", ".join(f"{aim.direction} {aim.metric}" for aim in aims))
    folder = Path(out) / name
    make_folder(folder)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(
            study_name=name,
            storage=storage or f"sqlite:///{folder / 'study.db'}",
            directions=[aim.direction for aim in aims],
            load_if_exists=True,
        )
    except Exception as error:  # errors of a storage depend on its driver
        raise InputError(
            f"The study's storage {storage} cannot be used ({str(error).splitlines()[0]}); give a "
            "URL such as sqlite:///study.db."
        ) from error
    # A restarted sampler would propose its first values again.
    study.sampler = optuna.samplers.TPESampler(seed=base.training.seed + len(study.trials))

    count = at_once(base.machine.device, trials, cluster)
    before, left = len(study.trials), trials
    while left > 0:
        asked = _new_trials(study, searches, base.training.seed, min(count, left), before)
        if not asked:
            say("all combinations have been tried")
            break
        left -= len(asked)
        proposals = [_training(trial, given, searches, folder) for trial in asked]
        for training in proposals:
            say(training.name)
        try:
            failed = train_all(proposals, lambda text: None, progress, cluster)
            for trial, training in zip(asked, proposals, strict=True):
                _settle(study, trial, training, failed.get(training.folder.name), aims, say)
        except BaseException:  # also on Ctrl-C: these trials are no longer running
            for trial in asked:
                study.tell(trial, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)
            raise
    found = _finished(study, aims[0])
    if not found:
        named = " and a ".join(aim.metric for aim in aims)
        reason = study.trials[-1].user_attrs.get("reason", "unknown")
        raise InputError(
            f"None of {trials} trials ended with a {named}; the last one failed: {reason}"
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
            raise InputError(f"{aim.metric} is given as an aim twice; leave one out.")
    return aims or [Aim("validation_error")]


def _finished(study: Any, first: Aim) -> list[Trial]:
    """The finished trials, the best ones first, then by the first aim."""
    best = {trial.number for trial in study.best_trials}
    sign = -1 if first.direction == "maximize" else 1
    found = [
        Trial(t.number, tuple(t.values), t.number in best, dict(t.params), t.user_attrs["folder"])
        for t in study.trials
        if t.state.name == "COMPLETE"
    ]
    return sorted(found, key=lambda trial: (not trial.best, sign * trial.values[0]))


def _write(found: Sequence[Trial], aims: Sequence[Aim], folder: Path) -> list[Path]:
    """Write the trials as CSV and, for two aims, the front as a figure."""
    from latentrank.report import figures
    from latentrank.report.style import write_figure

    names = [aim.metric for aim in aims]
    searched = [f"{name} (searched)" if name in names else name for name in found[0].settings]
    header = ("trial", *names, "best", *searched, "run")
    rows = ((t.number, *t.values, t.best, *t.settings.values(), t.folder) for t in found)
    write_text(folder / "trials.csv", csv_text(header, rows))
    if len(aims) != 2:
        return [folder / "trials.csv"]
    points = np.array([trial.values for trial in found])
    figure = figures.pareto_front(points, np.array([trial.best for trial in found]), names)
    return [folder / "trials.csv", write_figure(figure, folder / "front.png")]


def _training(
    trial: Any, given: Mapping[str, Any], searches: Sequence[Search], folder: Path
) -> PlannedRun:
    """The run of a new trial."""
    place = folder / f"trial-{trial.number}"
    trial.set_user_attr("folder", str(place))
    name = f"trial {trial.number}: {_listed(trial.params)}"
    return PlannedRun(name, "", configured(given, searches, trial.params), place)


def _settle(
    study: Any, trial: Any, training: PlannedRun, reason: str | None, aims: Sequence[Aim], say: Say
) -> None:
    """Report the result to the study; a diverging trial does not end it."""
    try:
        if reason:
            raise InputError(reason)
        subject = Subject(training.config, training.folder)
        found = [metrics.measure(subject, aim.metric).value for aim in aims]
    except InputError as error:
        trial.set_user_attr("reason", str(error))
        say(f"trial {trial.number} failed: {error}")
        study.tell(trial, state=_optuna().trial.TrialState.FAIL)
        return
    study.tell(trial, found)
    named = zip(aims, found, strict=True)
    say(f"trial {trial.number}: " + ", ".join(f"{a.metric} {value:.4g}" for a, value in named))


def _new_trials(
    study: Any, searches: Sequence[Search], seed: int, count: int, before: int
) -> list[Any]:
    """New trials with untried settings; fewer once all combinations have been tried."""
    found: list[Any] = []
    while len(found) < count and (trial := _new_trial(study, searches, seed, before)) is not None:
        found.append(trial)
    return found


def _new_trial(study: Any, searches: Sequence[Search], seed: int, before: int) -> Any | None:
    tried = _tried(study, before)
    while len(tried) < _combinations(searches):
        trial = study.ask()
        proposed = {search.name: _propose(trial, search) for search in searches}
        if digest(proposed) not in tried:
            return trial
        study.tell(trial, state=_optuna().trial.TrialState.PRUNED)
        if left := _untried(searches, tried):
            study.enqueue_trial(random.Random(seed + len(study.trials)).choice(left))
    return None


def _tried(study: Any, before: int) -> set[str]:
    """Settings of trials that are finished or running, or have failed after the first `before`.

    What failed in an earlier call is tried again: its cause may have been corrected.
    """
    return {
        digest(trial.params)
        for trial in study.trials
        if trial.state.name in ("COMPLETE", "RUNNING")
        or (trial.state.name == "FAIL" and trial.number >= before)
    }


def _combinations(searches: Sequence[Search]) -> float:
    """The number of different settings; infinite if a range is continuous."""
    return math.prod(math.inf if s.values is None else len(s.values) for s in searches)


def _untried(searches: Sequence[Search], tried: Collection[str]) -> list[dict[str, Any]]:
    """The remaining settings, if few enough to list."""
    if _combinations(searches) > _MOST_LISTED:
        return []
    names = [search.name for search in searches]
    every = itertools.product(*(search.values or () for search in searches))
    settings = (dict(zip(names, values, strict=True)) for values in every)
    return [one for one in settings if digest(one) not in tried]


def _optuna() -> Any:
    return need("optuna", "sweep", "A sweep")


def configured(
    given: Mapping[str, Any], searches: Sequence[Search], proposed: Mapping[str, Any]
) -> RunConfig:
    """The configuration of a trial.

    Args:
        given: fixed settings.
        searches: searched settings.
        proposed: values of the searched settings.

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
    return f"{short_name(base.data.source).replace(':', '-')}-{base.method}-{about}"


def _propose(trial: Any, search: Search) -> Any:
    if search.choices:
        return trial.suggest_categorical(search.name, list(search.choices))
    if search.values is not None:
        return trial.suggest_int(search.name, search.low, search.high, log=search.log)
    return trial.suggest_float(search.name, search.low, search.high, log=search.log)


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {v:.4g}" if isinstance(v, float) else f"{name} {v}" for name, v in settings.items()
    )
