"""Train a model on a data set, with checkpoints, history and resumption."""

from __future__ import annotations

import logging
import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint

from latentrank.config import TrainConfig
from latentrank.data import DataModule, Dataset
from latentrank.errors import InputError
from latentrank.models.base import LatentModel
from latentrank.models.pca import PCA
from latentrank.training import second_stage
from latentrank.training.adversarial import AdversarialModule
from latentrank.training.callbacks import History, ProgressLine
from latentrank.training.closed_form import solve
from latentrank.training.module import TrainingModule
from latentrank.training.rank_search import callbacks as rank_search
from latentrank.training.second_stage import SecondStage

_IMAGE_AXES = 3

#: What trains a model, by `LatentModel.trained_by`.
MODULES: dict[str, Callable[[Any, TrainConfig], TrainingModule]] = {
    "gradient": TrainingModule,
    "adversarial": AdversarialModule,
}

# Data parallelism has to be told that parameters may go without gradient.
_WITH_UNUSED = {"ddp": "ddp_find_unused_parameters_true"}


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
    """Train `model` in place; it is finalized and in evaluation mode afterwards.

    Args:
        model: the autoencoder.
        dataset: what it is trained and validated on.
        config: how.
        folder: where history and checkpoints are kept; None keeps neither.
        resume: go on from the newest checkpoint in `folder`.
        progress: show a progress line on standard error.
        callbacks: further callbacks of Lightning's.

    Returns:
        The history, one row a validation.

    Raises:
        InputError: the data do not suit the model, there is nothing to resume, or the loss is
            no longer a number.

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
    if dataset.shape != model.spec.input_shape:
        raise InputError(
            f"The model takes samples of shape {model.spec.input_shape} and those of "
            f"{dataset.name} are {dataset.shape}; build a model for that shape."
        )
    if min(len(dataset.train), len(dataset.test)) < 2:
        raise InputError(
            f"{dataset.name} has {len(dataset.train)} samples to train on and {len(dataset.test)} "
            "to test on, expected two or more of either, since one alone has no spread; give more."
        )
    if not model.reconstructs and config.patience is not None:
        raise InputError(
            f"patience is {config.patience}, and {model.spec.method} has no validation error to "
            "wait for; leave patience out."
        )
    config = config.resolved(model.spec.method)
    if isinstance(model, PCA):
        return solve(model, dataset, config, folder)
    checkpoint = _checkpoint(folder) if resume else None
    quiet()
    history = History(folder / "history.csv" if folder else None)
    control, stage = rank_search.callback(model, config), second_stage.callback(model, config)
    watching: list[Callback] = [part for part in (control, stage) if part is not None]
    watching += [history, *(callbacks or [])]
    if progress:
        watching.append(ProgressLine(f"{model.spec.method} on {Path(dataset.name).name}"))
    if config.patience is not None:
        watching.append(EarlyStopping("validation_error", patience=config.patience))
    if folder is not None:
        watching.append(
            ModelCheckpoint(folder / "checkpoints", "last", enable_version_counter=False)
        )
    trainer = _trainer(_lengthened(config, stage), folder, watching)
    model.bottleneck.prepare(len(dataset.train))
    module = MODULES[model.trained_by](model, config)
    data = DataModule(dataset, config.batch_size, seed=config.seed)
    if len(dataset.shape) == _IMAGE_AXES:
        # Processors and GPUs convolve images faster in this layout; the weights are the same.
        model.to(memory_format=torch.channels_last)
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except UnpicklingError:
        raise InputError(
            f"The checkpoint {checkpoint} holds more than numbers and settings, or is damaged, and "
            "was not loaded; train from the start."
        ) from None
    except SystemExit:
        # Lightning answers Ctrl-C by leaving, deaf to further ones; whether to leave is the
        # caller's decision.
        signal.signal(signal.SIGINT, on_interrupt)
        raise KeyboardInterrupt from None
    model.cpu().eval().to(memory_format=torch.contiguous_format)
    if control is not None:
        history.reports["rank_control"] = control.report(model)
    return history


def _lengthened(config: TrainConfig, stage: SecondStage | None) -> TrainConfig:
    """The configuration with the epochs of a second stage, in which the encoder has no gradient."""
    if stage is None:
        return config
    strategy = _WITH_UNUSED.get(config.machine.strategy, config.machine.strategy)
    machine = config.machine.model_copy(update={"strategy": strategy})
    return config.model_copy(update={"epochs": config.epochs + stage.epochs, "machine": machine})


def _trainer(config: TrainConfig, folder: Path | None, callbacks: list[Callback]) -> pl.Trainer:
    cores = os.cpu_count() or 1
    if isinstance(config.machine.devices, int) and config.machine.devices > cores:
        # Lightning would start as many processes on the CPU as are asked for.
        raise InputError(
            f"devices is {config.machine.devices}, and this machine has {cores} cores; give fewer "
            "devices."
        )
    try:
        return pl.Trainer(
            accelerator=config.machine.device,
            devices=config.machine.devices,
            strategy=config.machine.strategy,
            precision=config.precision,  # type: ignore[arg-type]
            max_epochs=-1 if config.steps else config.epochs,
            max_steps=config.steps or -1,
            check_val_every_n_epoch=config.validate_every,
            num_sanity_val_steps=0,
            logger=_loggers(config, folder),
            callbacks=callbacks,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=folder is not None,
            use_distributed_sampler=False,
            default_root_dir=folder,
        )
    except InputError:
        raise
    except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
        where = config.machine
        asked = f"device {where.device}, devices {where.devices}, strategy {where.strategy}"
        raise InputError(
            f"Training cannot run with {asked}, precision {config.precision}: "
            f"{_first_sentence(error)}; change one of them."
        ) from error


def _first_sentence(error: Exception) -> str:
    return " ".join(str(error).split()).split(". ")[0].rstrip(".")


def _checkpoint(folder: Path | None) -> Path:
    path = (folder or Path()) / "checkpoints" / "last.ckpt"
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


def quiet() -> None:
    """Keep Lightning from telling what the progress line and the report tell better."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*`isinstance\\(treespec, LeafSpec\\)`.*")
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*dirpath has changed.*")  # the run was moved
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
