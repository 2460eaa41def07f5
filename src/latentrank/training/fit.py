"""Train a model on a data set, with checkpoints, history and resumption."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint

from latentrank import methods
from latentrank.autoencoder import Autoencoder
from latentrank.config import TrainConfig
from latentrank.data import DataModule, Dataset
from latentrank.errors import InputError
from latentrank.training.callbacks import History, ProgressLine
from latentrank.training.module import TrainingModule


def fit(
    model: Autoencoder,
    dataset: Dataset,
    config: TrainConfig,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool = True,
    callbacks: list[Callback] | None = None,
) -> History:
    """Train `model` in place; it is consolidated and in evaluation mode afterwards.

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
    checkpoint = _checkpoint(folder) if resume else None
    quiet()
    history = History(folder / "history.csv" if folder else None)
    watching: list[Callback] = [history, *(callbacks or [])]
    if progress:
        watching.append(ProgressLine(f"{model.spec.method} on {dataset.name}"))
    if config.patience is not None:
        watching.append(EarlyStopping("validation_error", patience=config.patience))
    if folder is not None:
        watching.append(
            ModelCheckpoint(folder / "checkpoints", save_last=True, save_top_k=0, every_n_epochs=1)
        )
    trainer = pl.Trainer(
        accelerator=config.device,
        devices=config.devices,
        strategy=config.strategy,
        precision=config.precision,  # type: ignore[arg-type]
        max_epochs=-1 if config.steps else config.epochs,
        max_steps=config.steps or -1,
        check_val_every_n_epoch=config.validate_every,
        num_sanity_val_steps=0,
        logger=_loggers(config, folder),
        callbacks=watching,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=folder is not None,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
    decay = config.weight_decay
    if decay is None:
        decay = methods.get(model.spec.method).weight_decay
    module = TrainingModule(model, config, decay)
    data = DataModule(dataset, config.batch_size, seed=config.seed)
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=False)
    if trainer.interrupted:
        raise KeyboardInterrupt
    model.cpu().eval()
    return history


def _checkpoint(folder: Path | None) -> Path:
    path = (folder or Path()) / "checkpoints" / "last.ckpt"
    if not path.is_file():
        raise InputError(f"There is no checkpoint at {path}; train from the start instead.")
    return path


def _loggers(config: TrainConfig, folder: Path | None) -> Any:
    from lightning.pytorch import loggers

    made: list[Any] = []
    where = str(folder or Path.cwd())
    for name in config.loggers:
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
