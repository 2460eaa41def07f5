"""Checks before training: data that cannot be read, and metrics that no row can have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from latentrank import data, metrics
from latentrank.data import Dataset
from latentrank.errors import InputError
from latentrank.reproduce.plan import Job
from latentrank.runs.cache import is_done
from latentrank.runs.executor import Say
from latentrank.runs.folder import load_data


def check(
    jobs: Sequence[Job],
    say: Say,
    weights: Mapping[str, Path] | None = None,
    download: bool = False,
) -> None:
    """Refuse data that cannot be read, and columns of a part that would stay empty.

    A column that only some rows of the part can have is kept, and `say` reports the other rows. It
    also reports missing weights, which may be added later: finished trainings are kept.

    Args:
        jobs: every measurement of a recipe, as `plan` lists them.
        say: called with a message for each cell that will be empty.
        weights: weights files by the name of the features.
        download: whether weights may be downloaded.

    Raises:
        InputError: your own data, needed for training, cannot be read or lack a column; or no row
            of a part can have one of its metrics.
    """
    loaded: dict[str, Dataset | None] = {}
    cells: dict[tuple[str, str], dict[str, InputError | None]] = defaultdict(dict)
    for job in jobs:
        about = str(job.config.data)
        if about not in loaded and (_is_own(job) or _needs_data(job)):
            loaded[about] = _loaded(job)
        for column, metric in job.metrics.items():
            reasons = cells[job.part, column]
            if job.row not in reasons:
                reasons[job.row] = _impossible(job, metric, loaded.get(about))
    for (part, column), reasons in cells.items():
        known = {row: reason for row, reason in reasons.items() if reason is not None}
        if len(known) == len(reasons):
            reason = next(iter(known.values()))
            raise InputError(f"The column {column} of {part} would stay empty: {reason}")
        for row, reason in known.items():
            say(f"{column} of {row} ({part}): {reason}")
    for features, (job, metric) in _on_features(jobs).items():
        try:
            metrics.check_weights(job.subject(weights, download), metric)
        except InputError as error:
            say(f"metrics on {features}: {error}")


def _on_features(jobs: Sequence[Job]) -> dict[str, tuple[Job, str]]:
    """A job and a metric for each set of features that metrics are measured on."""
    found = {metrics.parse(m).features: (job, m) for job in jobs for m in job.metrics.values()}
    return {features: job for features, job in found.items() if features}


def _is_own(job: Job) -> bool:
    return job.config.data.source not in data.names()


def _needs_data(job: Job) -> bool:
    """Whether the data determine if the job can have its metrics."""
    needs = (need for text in job.metrics.values() for need in metrics.parse(text).metric.needs)
    return not metrics.OF_METHOD.issuperset(needs)


def _loaded(job: Job) -> Dataset | None:
    """The data of a job; None for a named data set that is missing, which only its part needs."""
    try:
        return load_data(job.config)
    except InputError:
        if _is_own(job) and job.trained and not is_done(job.training):
            raise
        return None


def _impossible(job: Job, metric: str, dataset: Dataset | None) -> InputError | None:
    """Why a job cannot have a metric; None if it can, or if that is not known yet."""
    if dataset is None and not metrics.OF_METHOD.issuperset(metrics.parse(metric).metric.needs):
        return None
    try:
        metrics.check_possible(replace(job.subject(), loaded=dataset), metric)
    except InputError as error:
        return error
    return None
