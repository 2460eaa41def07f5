"""Searching over settings with Optuna: each trial is a run folder, many machines share a study."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from latentrank import measures as measuring
from latentrank import runs
from latentrank.config import RunConfig
from latentrank.errors import InputError
from latentrank.io import parse_value
from latentrank.measures import Subject
from latentrank.runs.cache import Training, content
from latentrank.runs.executor import Say, at_once, train_all


@dataclass(frozen=True)
class Search:
    """One setting and where it is searched.

    Attributes:
        name: of the setting or the method's option.
        low: smallest value, None for choices.
        high: largest value.
        log: whether its logarithm is searched.
        choices: the values, where they are no range.
    """

    name: str
    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def first(self) -> Any:
        """A value that it can take."""
        return self.choices[0] if self.choices else self.low


class Trial(NamedTuple):
    """A finished trial.

    Attributes:
        number: in the study, from 0.
        value: of what is minimised.
        settings: those that were searched.
        folder: of its run, on the machine that trained it.
    """

    number: int
    value: float
    settings: dict[str, Any]
    folder: str


def parse_search(text: str) -> Search:
    """A search as it is typed: a range, a range of logarithms, or choices.

    Args:
        text: `"NAME=LOW..HIGH"`, `"NAME=LOW..HIGH:log"` or `"NAME=A,B,C"`; a range between
            whole numbers has whole values.

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
            f"The search {text} runs from {low} to {high}; give a smaller number first, and one "
            "above 0 with :log."
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
    minimise: str = "validation_error",
    storage: str | None = None,
    out: str | Path = "sweeps",
    cluster: str | None = None,
    say: Say = lambda text: None,
    progress: bool = False,
) -> list[Trial]:
    """Train with settings that Optuna proposes, and tell all trials of the study.

    A study is named by everything but the machine: whoever gives the same settings, searches and
    storage takes part in it.

    Args:
        given: settings that stay, by name, method and data among them.
        searches: settings that vary, one or more.
        trials: how many to add.
        minimise: a number of `metrics.json`, or a measure such as `"fd:gmm"`.
        storage: URL of the database that holds the study; by default a file in `out`.
        out: folder of the studies' runs.
        cluster: address of a Dask scheduler whose workers train; None for this machine.
        say: told how far it is.
        progress: show a progress line for each training.

    Returns:
        All finished trials of the study, the best first.

    Raises:
        InputError: optuna is not installed, settings that cannot be used, or a storage that
            cannot be reached.
    """
    optuna = _optuna()
    if trials < 1 or not searches:
        raise InputError(
            f"{trials} trials over {len(searches)} searches were asked for; give at least one "
            "of each, such as --search penalty=1e-5..1e-1:log."
        )
    if minimise not in METRICS:
        measuring.check(minimise)
    base = configured(given, searches, {search.name: search.first for search in searches})
    name = study_name(base, searches, minimise)
    folder = Path(out) / name
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(
            study_name=name,
            storage=storage or f"sqlite:///{folder / 'study.db'}",
            load_if_exists=True,
        )
    except Exception as error:  # what a storage raises depends on its driver
        raise InputError(
            f"The study's storage {storage} cannot be used ({str(error).splitlines()[0]}); give a "
            "URL such as sqlite:///study.db."
        ) from error

    count = at_once(base.machine.device, trials, cluster)
    for start in range(0, trials, count):
        asked = [study.ask() for _ in range(min(count, trials - start))]
        proposals = [_proposal(trial, given, searches, folder, say) for trial in asked]
        try:
            failed = train_all(proposals, lambda text: None, progress, cluster)
        except BaseException:  # Ctrl-C, too: nobody is working on these trials any more
            for trial in asked:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            raise
        for trial, training in zip(asked, proposals, strict=True):
            _settle(study, trial, training, failed.get(training.folder.name), minimise, say)
    done = [trial for trial in study.trials if trial.value is not None]
    if not done:
        raise InputError(
            f"None of {trials} trials ended with a {minimise}; the last one says: {_last(study)}"
        )
    found = [Trial(t.number, t.value, dict(t.params), t.user_attrs["folder"]) for t in done]
    return sorted(found, key=lambda trial: trial.value)


def _proposal(
    trial: Any, given: Mapping[str, Any], searches: Sequence[Search], folder: Path, say: Say
) -> Training:
    """The training of a new trial."""
    proposed = {search.name: _propose(trial, search) for search in searches}
    place = folder / f"trial-{trial.number}"
    trial.set_user_attr("folder", str(place))
    name = f"trial {trial.number}: {_told(proposed)}"
    say(name)
    return Training(name, "", configured(given, searches, proposed), place)


def _settle(
    study: Any, trial: Any, training: Training, reason: str | None, minimise: str, say: Say
) -> None:
    """Tell the study what a trial gave; one that diverges is a bad proposal, and not its end."""
    try:
        if reason:
            raise InputError(reason)
        found = value(runs.Run(training.folder), training.config, minimise)
    except InputError as error:
        trial.set_user_attr("reason", str(error))
        study.tell(trial, state=_optuna().trial.TrialState.FAIL)
        return
    study.tell(trial, found)
    say(f"trial {trial.number}: {minimise} {found:.4g}")


def _last(study: Any) -> str:
    return str(study.trials[-1].user_attrs.get("reason", "nothing"))


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise InputError(
            "A sweep needs optuna; install it with: pip install 'latentrank[sweep]'."
        ) from error
    return optuna


def configured(
    given: Mapping[str, Any], searches: Sequence[Search], proposed: Mapping[str, Any]
) -> RunConfig:
    """The configuration of a trial.

    Args:
        given: settings that stay.
        searches: those that vary.
        proposed: their values.

    Raises:
        InputError: settings or options that do not exist or cannot be used, or one that is both
            given and searched.
    """
    for search in searches:
        if search.name in given:
            raise InputError(f"{search.name} is both given and searched; leave one out.")
    return runs.configure({**given, **proposed})


def study_name(base: RunConfig, searches: Sequence[Search], minimise: str) -> str:
    """Data, method, and a digest of all that the study is about."""
    fixed = content(base)
    for search in searches:
        fixed["settings"].pop(search.name, None)
        fixed["options"].pop(search.name, None)
    about = json.dumps([fixed, [vars(s) for s in searches], minimise], sort_keys=True, default=str)
    digest = hashlib.sha256(about.encode()).hexdigest()[:8]
    return f"{Path(base.data.source).stem.replace(':', '-')}-{base.method}-{digest}"


#: Numbers of `metrics.json` that can be minimised.
METRICS = (
    "validation_error",
    "rank",
    "rank_training_codes",
    "effective_rank",
    "participation_ratio",
    "gap_rank",
    "seconds",
)


def value(trained: runs.Run, config: RunConfig, name: str) -> float:
    """What is minimised, of one run.

    Args:
        trained: the run.
        config: its configuration.
        name: a number of its metrics, or a measure.

    Raises:
        InputError: the run has no such number.
    """
    number = trained.metrics.get(name)
    if isinstance(number, int | float) and not isinstance(number, bool):
        return float(number)
    return measuring.measure(Subject(config, trained.folder), name)


def _propose(trial: Any, search: Search) -> Any:
    if search.choices:
        return trial.suggest_categorical(search.name, list(search.choices))
    if isinstance(search.low, int) and isinstance(search.high, int):
        return trial.suggest_int(search.name, search.low, search.high, log=search.log)
    return trial.suggest_float(search.name, search.low, search.high, log=search.log)


def _told(settings: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {v:.4g}" if isinstance(v, float) else f"{name} {v}" for name, v in settings.items()
    )
