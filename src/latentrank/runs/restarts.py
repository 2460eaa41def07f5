"""Several trainings from different initial weights, the best of which becomes the run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from latentrank import methods
from latentrank.config import RunConfig
from latentrank.distributed import is_first_process
from latentrank.errors import InputError
from latentrank.filenames import CONFIG, METRICS, RESTARTS
from latentrank.methods.rank_target import rank_target
from latentrank.models.spec import Spec
from latentrank.runs.folder import Run


def check(n_init: int, spec: Spec) -> None:
    """Refuse repeated trainings if all would be equal, or the lowest error would not be the best.

    Raises:
        InputError: more than one training is requested, which would be pointless.

    Example:
        >>> check(3, Spec(method="pca", input_shape=(6,), latent_dim=2))
        Traceback (most recent call last):
        latentrank.errors.InputError: n_init is 3, but pca is solved in closed form; leave it out.
    """
    if n_init > 1 and (reason := _objection(spec)):
        raise InputError(f"n_init is {n_init}, but {reason}; leave it out.")


def _objection(spec: Spec) -> str:
    row = methods.get(spec.method)
    if row.closed_form:
        return f"{row.name} is solved in closed form"
    if row.game is not None:
        return f"{row.name} has no validation error to choose by"
    if spec.net == "custom":
        return "your own networks would start from the same weights in each training"
    target = rank_target(row.name, row.rank_search, spec.latent_dim, spec.options)
    if target.auto:
        return "the rank is searched for, and the lowest error would belong to a larger rank"
    return "" if target.error is None else "all trainings have the same target_error"


def keep_best(config: RunConfig, folder: Path, train: Callable[[RunConfig, Path], None]) -> Run:
    """Train `n_init` times in subfolders and move the best training up into the folder.

    Finished trainings are kept if this is interrupted. All of them use the data as split by the
    run's own seed. `metrics.json` gets `restarts`: seed and validation error of each.

    Args:
        config: resolved; the run's own.
        folder: folder of the run.
        train: trains, or resumes, with a configuration in a folder.

    Raises:
        InputError: a training diverges, or `train` raises it for another reason.
    """
    parts = []
    for number, training in enumerate(config.training.restarts):
        part = folder / RESTARTS / str(number)
        if not _is_done(part, config):
            train(config.model_copy(update={"training": training}), part)
        parts.append(part)
    if is_first_process():
        _move_up(parts, folder, config)
    return Run(folder)


def _is_done(part: Path, config: RunConfig) -> bool:
    """Whether a training has finished with as many epochs as are now requested."""
    if not (part / CONFIG).is_file():
        return False
    run = Run(part)
    return run.finished and run.settings.training.length == config.training.length


def _move_up(parts: list[Path], folder: Path, config: RunConfig) -> None:
    """Move the best up in repeatable steps; the last, `metrics.json`, finishes the run."""
    found: list[dict[str, Any]] = [Run(part).metrics for part in parts]
    errors = [metrics["validation_error"] for metrics in found]
    best = errors.index(min(errors))
    for path in parts[best].iterdir():
        if path.name not in (CONFIG, METRICS):
            target = folder / path.name
            shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
            path.rename(target)
    record = {
        "seeds": [training.seed for training in config.training.restarts],
        "errors": errors,
        "ranks": [metrics["rank"] for metrics in found],
        "kept": best,
    }
    seconds = round(sum(metrics["seconds"] for metrics in found), 2)
    values = {**found[best], "seconds": seconds, "restarts": record}
    Run(folder).write_metrics(values)
    shutil.rmtree(folder / RESTARTS)
