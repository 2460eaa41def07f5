"""Training as configured, into a run folder, and resuming it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from latentrank import data, methods
from latentrank.config import RunConfig, check
from latentrank.data import Dataset, to_float
from latentrank.distributed import is_first_process
from latentrank.errors import InputError
from latentrank.io import write_yaml
from latentrank.linalg import rank_of_spectrum, spectrum
from latentrank.models.autoencoder import Autoencoder
from latentrank.models.gan import GAN, HEALTH_SAMPLES
from latentrank.runs.configure import absolute
from latentrank.runs.folder import CODES, Run, batches, load_data, validation_error
from latentrank.serialization import save

if TYPE_CHECKING:
    # importing Lightning takes seconds, which using a trained model should not
    from latentrank.training.callbacks import History


# What may differ from the run's configuration when it is gone on with.
CHANGEABLE = (
    "epochs", "steps", "patience", "validate_every", "precision", "device", "devices", "strategy",
    "loggers", "data_root", "download",
)  # fmt: skip


def train(
    config: RunConfig, folder: str | Path, *, resume: bool = False, progress: bool = True
) -> Run:
    """Train as configured and leave a run folder behind.

    Args:
        config: the method, the data, and how it is trained.
        folder: where; a new folder, or with `resume` that of an interrupted run.
        resume: go on from the newest checkpoint.
        progress: show a progress line.

    Returns:
        The run. Of several processes only the first writes, and only its run is finished.

    Raises:
        InputError: the configuration cannot be used, or the folder holds a run already.
    """
    folder = Path(folder)
    methods.resolve(config.method, config.options)
    dataset = load_data(config, progress)
    resolved = resolve(config, dataset)
    model = _model(resolved, dataset)
    if not resume and is_first_process():
        start(config, folder, dataset)
    try:
        return _train(model, resolved, folder, dataset, resume, progress)
    except InputError:
        _remove_if_nothing_was_done(folder)
        raise


def resume(
    folder: str | Path, changes: Mapping[str, Any] | None = None, *, progress: bool = True
) -> Run:
    """Go on with an interrupted run, or train a finished one for longer.

    It goes on from the newest checkpoint; a run that was interrupted before its first one
    starts again.

    Args:
        folder: of the run.
        changes: settings to change, of those in `CHANGEABLE`.
        progress: show a progress line.

    Returns:
        The run.

    Raises:
        InputError: there is no run, it is finished, or a setting cannot be changed any more.
    """
    run = Run(folder)
    before, given = run.settings, dict(changes or {})
    for name in given:
        if name not in CHANGEABLE:
            raise InputError(
                f"{name} of the run in {run.folder} cannot be changed any more; leave it out, or "
                "train a new run."
            )
    config = check({**before.model_dump(), **given}, "the command line")
    (unit, done), (new_unit, asked) = before.length, config.length
    if run.finished and (new_unit != unit or asked <= done):
        raise InputError(
            f"The run in {run.folder} is finished; to train it for longer, give more {unit} than "
            f"its {done}."
        )
    dataset = load_data(config, progress)
    model = _model(config, dataset)

    def begin() -> None:
        """From here on, the run is another one: until then it is as it was."""
        if is_first_process():
            write_yaml(run.folder / "config.yaml", config.model_dump())
            (run.folder / "metrics.json").unlink(missing_ok=True)
            (run.folder / CODES).unlink(missing_ok=True)

    begun = (run.folder / "checkpoints" / "last.ckpt").is_file()
    return _train(model, config, run.folder, dataset, begun, progress, begin)


def _model(config: RunConfig, dataset: Dataset) -> Autoencoder:
    """The untrained model of a resolved configuration."""
    from lightning.pytorch import seed_everything

    seed_everything(config.seed, verbose=False)
    options = dict(config.options)
    if "samples" in options:
        options["samples"] = len(dataset.train)
    model = methods.build(
        config.method,
        dataset.shape,
        int(config.latent_dim or dataset.latent_dim),
        config.net or dataset.net,
        dataset.bounded,
        **options,
    )
    model.spec = model.spec.with_units(dataset.mean, dataset.std)
    return model


def _train(
    model: Autoencoder,
    config: RunConfig,
    folder: Path,
    dataset: Dataset,
    from_checkpoint: bool,
    progress: bool,
    begin: Callable[[], None] = lambda: None,
) -> Run:
    """Fit a model and write what came out; `begin` is called before its first step."""
    from lightning.pytorch.callbacks import LambdaCallback

    from latentrank.training import fit

    history = fit(
        model,
        dataset,
        config,
        folder=folder,
        resume=from_checkpoint,
        progress=progress,
        callbacks=[LambdaCallback(on_train_start=lambda trainer, module: begin())],
    )
    return finish(folder, config, model, dataset, history) if is_first_process() else Run(folder)


def _remove_if_nothing_was_done(folder: Path) -> None:
    """Leave no folder behind for a training that was refused before its first epoch."""
    if [path.name for path in folder.glob("*")] == ["config.yaml"] and is_first_process():
        (folder / "config.yaml").unlink()
        folder.rmdir()


def start(config: RunConfig, folder: Path, dataset: Dataset) -> RunConfig:
    """Make the folder of a new run and write its resolved configuration.

    Raises:
        InputError: there is a run already.
    """
    if (folder / "config.yaml").exists():
        raise InputError(
            f"There is a run in {folder} already; give another --out, or go on with "
            f"--resume {folder}."
        )
    resolved = resolve(config, dataset)
    write_yaml(folder / "config.yaml", resolved.model_dump())
    return resolved


def resolve(config: RunConfig, dataset: Dataset) -> RunConfig:
    """The configuration with every default that depends on method or data filled in."""
    row = methods.get(config.method)
    return config.model_copy(
        update={
            # A run is read again from any working folder.
            "data": config.data if config.data in data.names() else absolute(config.data),
            "data_root": None if config.data_root is None else absolute(config.data_root),
            "latent_dim": config.latent_dim or dataset.latent_dim,
            "net": config.net or dataset.net,
            "options": methods.resolve(config.method, config.options),
            "learning_rate": config.learning_rate or row.learning_rate,
            "weight_decay": row.weight_decay
            if config.weight_decay is None
            else config.weight_decay,
        }
    )


def finish(
    folder: Path, config: RunConfig, model: Autoencoder, dataset: Dataset, history: History
) -> Run:
    """Write the model and what was measured; the run counts as finished from then on."""
    save(model, folder)
    run = Run(folder)
    run._model, run._dataset = model, dataset
    run.keep_codes(model, dataset)
    codes = torch.from_numpy(run.codes("test"))
    if not bool(torch.isfinite(codes).all()):
        raise InputError(
            "The codes of the trained model hold values that are infinite or not numbers; lower "
            "the learning rate, or look for such values in the data."
        )
    values = spectrum(codes)
    metrics: dict[str, Any] = {
        "method": config.method,
        "data": config.data,
        "rank": int(rank_of_spectrum(values)),
        "rank_training_codes": model.rank(),
        "true_dimension": dataset.true_dimension,
        "latent_dim": model.latent_dim,
        "validation_error": None if isinstance(model, GAN) else validation_error(model, dataset),
        "effective_rank": rank_of_spectrum(values, "effective"),
        "participation_ratio": rank_of_spectrum(values, "participation"),
        "gap_rank": int(rank_of_spectrum(values, "gap")),
        "seconds": round(history.seconds, 2),
        "epochs": history.rows[-1]["epoch"] if history.rows else 0,
        "parameters": sum(p.numel() for p in model.parameters()),
        "singular_values": values.tolist(),
    }
    if isinstance(model, GAN):
        metrics |= _of_gan(model, dataset)
    elif doubts := _doubts(metrics, dataset):
        metrics["warning"] = " ".join(doubts)
    run.write("metrics.json", metrics | history.reports)
    return run


def _doubts(metrics: Mapping[str, Any], dataset: Dataset) -> list[str]:
    """Why the numbers of a run may not mean what they seem to."""
    doubts = []
    most = len(dataset.test) - 1
    if metrics["rank"] >= most < metrics["latent_dim"]:
        doubts.append(
            f"The codes of {most + 1} test samples cannot have a rank above {most}; that of the "
            f"training codes is {metrics['rank_training_codes']}."
        )
    constant = _error_of_the_mean(dataset)
    if not metrics["validation_error"] < constant:
        doubts.append(
            f"The reconstructions are no better than the mean of the data, whose error is "
            f"{constant:.3g}; train for longer, or lower the learning rate."
        )
    return doubts


def _error_of_the_mean(dataset: Dataset) -> float:
    """The validation error of the mean training sample."""
    total, squared, count = torch.zeros(dataset.shape, dtype=torch.float64), 0.0, 0
    for x in batches(dataset, "train"):
        total += x.double().sum(0)
    mean = total / len(dataset.train)
    for x in batches(dataset, "test"):
        squared += float((x.double() - mean).square().sum())
        count += x.numel()
    return squared / count


def _of_gan(model: GAN, dataset: Dataset) -> dict[str, Any]:
    """What the metrics of a GAN say more: what its ranks are of, and how the game ended."""
    health = model.health(to_float(dataset.test.x[:HEALTH_SAMPLES]))
    return {
        "rank_of": "discriminator features",
        "diversity": health.diversity if math.isfinite(health.diversity) else None,
        "discriminator_accuracy": health.accuracy,
        "collapsed": health.collapsed,
        "warning": health.warning,
    }
