"""Train a model on a data set, with checkpoints, history and resumption."""

from __future__ import annotations

import logging
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, LambdaCallback, ProgressBar
from lightning.pytorch.callbacks import Checkpoint as AnyCheckpoint
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

from latentrank import distributed
from latentrank.config import TrainConfig
from latentrank.data import DataModule, Dataset
from latentrank.errors import InputError
from latentrank.filenames import CHECKPOINTS, HISTORY, LAST_CHECKPOINT
from latentrank.formatting import counted
from latentrank.models.base import LatentModel
from latentrank.models.pca import PCA
from latentrank.torch_state import isolated, own_defaults
from latentrank.training.adversarial import AdversarialModule
from latentrank.training.callbacks import History, LogTerms, ProgressLine, checked
from latentrank.training.checkpoints import Checkpoint, CheckpointFiles
from latentrank.training.closed_form import solve
from latentrank.training.geodesic import start_of
from latentrank.training.machine import (
    kept_memory,
    quick_device_check,
    resolve_precision,
    use_fast_layout,
)
from latentrank.training.module import TrainingModule
from latentrank.training.rank_search import PeriodicSearch
from latentrank.training.second_stage import SecondStage
from latentrank.training.stopping import BestWeights, FiniteWeights, Patience

_IMAGE_AXES = 3

#: Cost of a training step in forward passes: one forward, and two for the backward pass.
_PASSES = 3

#: How a model is trained, by `LatentModel.trained_by`.
MODULES: dict[str, Callable[[Any, TrainConfig], TrainingModule]] = {
    "gradient": TrainingModule,
    "adversarial": AdversarialModule,
}


@own_defaults()
def fit(
    model: LatentModel,
    dataset: Dataset,
    config: TrainConfig,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool = True,
    callbacks: list[Callback] | None = None,
) -> History:
    """Train `model` in place; afterwards it is finalized, on the CPU, and in evaluation mode.

    Args:
        model: the autoencoder.
        dataset: data to train and validate on.
        config: training settings.
        folder: where history and checkpoints are written; None writes neither.
        resume: continue from the newest checkpoint in `folder`.
        progress: show a progress line on standard error.
        callbacks: additional Lightning callbacks.

    Returns:
        The history, one row per validation.

    Raises:
        InputError: the data do not fit the model, there is nothing to resume, or training
            diverged; the model then has the weights of the last validation.

    Example:
        >>> import numpy as np, latentrank
        >>> from latentrank.data import Dataset, Split
        >>> x = np.random.default_rng(0).normal(size=(64, 5)).astype(np.float32)
        >>> data = Dataset("noise", Split(x), Split(x[:16]), bounded=False)
        >>> model = latentrank.build("ae", (5,), latent_dim=2, bounded=False)
        >>> history = fit(model, data, TrainConfig(epochs=2), progress=False)
        >>> len(history.rows), model.training
        (2, False)
    """
    if not isinstance(dataset, Dataset):
        raise InputError(
            f"The data are a {type(dataset).__name__}, expected a Dataset; make one with "
            "latentrank.data.load(...)."
        )
    if not isinstance(config, TrainConfig):
        raise InputError(
            f"config is of type {type(config).__name__}, expected a TrainConfig; write "
            "TrainConfig(epochs=...)."
        )
    if dataset.shape != model.spec.input_shape:
        raise InputError(
            f"The model takes samples of shape {model.spec.input_shape}, but those of "
            f"{dataset.name} are {dataset.shape}; build a model for that shape."
        )
    if min(len(dataset.train), len(dataset.test)) < 2:
        raise InputError(
            f"{dataset.name} has {counted(len(dataset.train), 'sample')} to train on and "
            f"{len(dataset.test)} to test on, expected at least two of each; give more."
        )
    ends_bounded = model.spec.bounded and model.spec.net not in ("custom", "linear")
    if ends_bounded and not dataset.preprocessing.bounded:
        warnings.warn(
            f"The model's outputs are bounded, but the values of {dataset.name} are not, so it "
            "cannot reproduce them; build it with bounded=False.",
            stacklevel=2,
        )
    if config.n_init > 1:
        raise InputError(
            f"n_init is {config.n_init}, but fit trains only the model that it is given; use "
            "latentrank.train or LowRankAutoencoder."
        )
    config = config.resolved(model.spec.method)
    start = start_of(model, config)
    if model.trained_by == "closed form":
        _learn_from(model, dataset)
        return solve(cast(PCA, model), dataset, folder)
    checkpoint = _checkpoint(folder) if resume else None
    precision = resolve_precision(config.precision, config.machine.device)
    config = config.model_copy(update={"precision": precision})
    history = History(folder / HISTORY if folder else None)
    module, good = MODULES[model.trained_by](model, config), FiniteWeights()
    watching: list[Callback] = [_beginning(), *([] if start is None else [start])]
    watching += [LogTerms(), good, *_stopping(module), history, *checked(callbacks)]
    if progress:
        where = "" if precision == "32-true" else f", {precision}"
        watching.append(ProgressLine(f"{model.spec.method} on {Path(dataset.name).name}{where}"))
    if folder is not None:
        watching.append(Checkpoint(folder / CHECKPOINTS))
    with _quiet():
        trainer = _trainer(_lengthened(config, module.second_stage), folder, watching)
    if module.second_stage is not None and isinstance(trainer.strategy, DDPStrategy):
        # In the second stage the encoder has no gradient. Which name Lightning gives to data
        # parallelism depends on the device and on who asks, if the strategy is auto.
        trainer.strategy._ddp_kwargs["find_unused_parameters"] = True
    _learn_from(model, dataset)
    with isolated(config.seed):  # preparing may draw random numbers
        model.train().bottleneck.prepare(len(dataset.train))
        if len(dataset.shape) == _IMAGE_AXES:
            use_fast_layout(model)
    data = DataModule(
        dataset, config.batch_size, seed=config.seed, preprocessing=model.preprocessing
    )
    threads = model.threads(config.batch_size, _PASSES, config.machine.threads)
    # Each step seeds torch's generators. The caller's next model must not start from that seed.
    own_draws = isolated(config.seed, _seeded_cards(trainer))
    with quick_device_check(), kept_memory(), own_draws, _quiet(), threads as history.threads:
        try:
            _run(trainer, module, data, checkpoint)
        except Exception as error:
            good.explain(module, folder, error)
            if "more than 1 value per channel" in str(error):  # BatchNorm
                raise InputError(
                    f"The last of {len(dataset.train)} samples in batches of {config.batch_size} "
                    "is alone, and batch normalisation cannot train on one; choose another "
                    "batch_size."
                ) from error
            raise
        finally:
            distributed.finish()
            model.cpu().eval().to(memory_format=torch.contiguous_format)
    history.precision = precision
    if start is not None:
        history.reports["geodesic_start"] = start.report
    if module.search is not None:
        history.reports["rank_search"] = module.search.report(model)
    return history


def _learn_from(model: LatentModel, dataset: Dataset) -> None:
    """Prepare a model for the data that it learns from; a refused training leaves it unchanged."""
    learned_from: dict[str, Any] = {
        "data_fingerprint": dataset.fingerprint,
        "reading": dataset.reading,
        "conventions": dataset.axes.conventions,
    }
    if model.spec.preprocessing is None:
        learned_from["preprocessing"] = dataset.preprocessing
    model.spec = model.spec.model_copy(update=learned_from)
    model.float()  # like the data; the trainer's precision converts both


def _seeded_cards(trainer: pl.Trainer) -> list[int]:
    """The GPU on which steps seed the random generator, if they run in this process alone."""
    device = trainer.strategy.root_device
    alone = type(trainer.strategy) is SingleDeviceStrategy
    return [device.index or 0] if alone and device.type == "cuda" else []


def _run(
    trainer: pl.Trainer, module: TrainingModule, data: DataModule, checkpoint: Path | None
) -> None:
    """Run Lightning's fit, translating its errors and its handling of Ctrl-C."""
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except Exception as error:
        # An error before training begins comes from the checkpoint.
        if checkpoint is None or module.begun or isinstance(error, InputError):
            raise
        if "current_epoch" in str(error):
            raise InputError(
                f"epochs is {trainer.max_epochs}, but the training has gone beyond that; give more."
            ) from None
        raise InputError(
            f"The checkpoint {checkpoint} contains more than tensors and settings, is damaged, or "
            f"belongs to another model, and was not loaded; train from the start."
        ) from error
    except SystemExit:
        # Lightning exits on Ctrl-C and ignores further ones; whether to exit is the caller's
        # decision.
        signal.signal(signal.SIGINT, on_interrupt)
        raise KeyboardInterrupt from None


def _beginning() -> Callback:
    """The first callback of a training: its checkpoint, if any, has been restored."""
    return LambdaCallback(on_train_start=lambda trainer, module: setattr(module, "begun", True))


def _stopping(module: TrainingModule) -> list[Callback]:
    """Callbacks for early stopping and for keeping the best weights, as configured."""
    config, method = module.config, module.model.spec.method
    acts = isinstance(module.search, PeriodicSearch)
    keep = config.keep or ("best" if config.patience is not None and not acts else "last")
    for name, value in (("patience", config.patience), ("keep", keep if keep == "best" else None)):
        if not module.model.reconstructs and value is not None:
            raise InputError(
                f"{name} is {value}, but {method} has no validation error; leave {name} out."
            )
    if keep == "best" and acts:
        raise InputError(
            "keep is best, but the rank is searched for during training: the lowest "
            "error would belong to a larger rank; leave keep out."
        )
    stopping: list[Callback] = [BestWeights()] if keep == "best" else []
    return stopping + (
        [] if config.patience is None else [Patience(config.patience, config.length)]
    )


def _lengthened(config: TrainConfig, stage: SecondStage | None) -> TrainConfig:
    """The configuration extended by a second stage."""
    if stage is None:
        return config
    return config.model_copy(update={"epochs": config.epochs + stage.epochs})


def _trainer(config: TrainConfig, folder: Path | None, callbacks: list[Callback]) -> pl.Trainer:
    cores = os.cpu_count() or 1
    if isinstance(config.machine.devices, int) and config.machine.devices > cores:
        # Lightning would start any number of processes on the CPU.
        raise InputError(
            f"devices is {config.machine.devices}, but this machine has {cores} cores; give fewer "
            "devices."
        )
    try:
        return pl.Trainer(
            accelerator=config.machine.device,
            devices=config.machine.devices,
            strategy=config.machine.strategy,
            precision=config.precision,  # type: ignore[arg-type]
            # The module counts steps: with max_steps Lightning repeats the end of the epoch when it
            # resumes, in another order of the data.
            max_epochs=-1 if config.steps else config.epochs,
            check_val_every_n_epoch=config.validate_every,
            num_sanity_val_steps=0,
            logger=_loggers(config, folder),
            callbacks=callbacks,
            plugins=[CheckpointFiles(), *_environment(config, folder)],
            enable_progress_bar=any(isinstance(one, ProgressBar) for one in callbacks),
            enable_model_summary=False,
            enable_checkpointing=any(isinstance(one, AnyCheckpoint) for one in callbacks),
            use_distributed_sampler=False,
            default_root_dir=folder,
        )
    except InputError:
        raise
    except (MisconfigurationException, ValueError, TypeError, RuntimeError, ImportError) as error:
        where, reason = config.machine, " ".join(str(error).split()).split(". ")[0].rstrip(".")
        asked = f"device {where.device}, devices {where.devices}, strategy {where.strategy}"
        raise InputError(
            f"Training cannot run with {asked}, precision {config.precision}: "
            f"{reason}; change one of them."
        ) from error


def _environment(config: TrainConfig, folder: Path | None) -> list[LightningEnvironment]:
    """Keep training on one device in this process, however many tasks the cluster's job has.

    Without this, Lightning takes the tasks of a SLURM job for the processes of one training.
    """
    alone = config.machine.devices == 1 and (folder is None or distributed.is_first_process())
    return [LightningEnvironment()] if alone else []


def _checkpoint(folder: Path | None) -> Path:
    path = (folder or Path()) / LAST_CHECKPOINT
    if not path.is_file():
        raise InputError(f"There is no checkpoint at {path}; train from the start instead.")
    return path


def _loggers(config: TrainConfig, folder: Path | None) -> Any:
    from lightning.pytorch import loggers

    made: list[Any] = []
    where = str(folder or Path.cwd())
    for name in config.machine.loggers:
        try:
            if name == "tensorboard":
                made.append(loggers.TensorBoardLogger(where, name="tensorboard", version=""))
            elif name == "wandb":
                made.append(loggers.WandbLogger(save_dir=where))
            else:
                made.append(loggers.MLFlowLogger(save_dir=where))
        except ModuleNotFoundError as error:
            raise InputError(
                f"The {name} logger is not installed; run: pip install 'latentrank[{name}]'."
            ) from error
    return made or False


_COVERED = (
    ".*does not have many workers.*",
    r".*`isinstance\(treespec, LeafSpec\)`.*",
    ".*exists and is not empty.*",
    ".*dirpath has changed.*",  # the run was moved
    ".*smaller than the logging interval.*",
    "GPU available but not used.*",
    # What the modules log is the same in every process already.
    r".*self\.log\('(train/|validation_error|rank|diversity|discriminator_accuracy|collapsed).*",
)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence those messages of Lightning that repeat the progress line and the report."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        for message in _COVERED:
            warnings.filterwarnings("ignore", message=message)
        try:
            for logger in loggers:
                logger.setLevel(logging.WARNING)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
