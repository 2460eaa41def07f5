"""RRAE's second stage: encoder and basis are frozen, the decoder is trained on projected codes."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from latentrank.config import TrainConfig
from latentrank.errors import InputError
from latentrank.models.base import LatentModel
from latentrank.training.context import model_of, training_samples


class SecondStage(Callback):
    """Freezes the encoder after the first stage and trains the decoder on its inference inputs.

    In the first stage each batch is truncated to its own directions; at inference all codes are
    projected onto one basis of all training samples. Here the decoder adapts to that (Mounayer et
    al. 2024).

    Args:
        begin: number of epochs in the first stage.
        epochs: number of epochs in the second, at least 1.
    """

    def __init__(self, begin: int, epochs: int) -> None:
        self.begin = begin
        self.epochs = epochs
        self._frozen: list[nn.Parameter] | None = None

    @property
    def begun(self) -> bool:
        """Whether encoder and basis are frozen."""
        return self._frozen is not None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute the basis and freeze the encoder, once; put the bottleneck in evaluation mode."""
        if trainer.current_epoch < self.begin:
            return
        model = model_of(pl_module)
        if self._frozen is None:
            self._frozen = [one for one in model.encoder.parameters() if one.requires_grad]
            model.encoder.requires_grad_(False)
            model.finalize(lambda: training_samples(pl_module))
        model.encoder.eval()
        model.bottleneck.eval()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Unfreeze the encoder."""
        self._unfreeze()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Unfreeze the encoder."""
        self._unfreeze()

    def _unfreeze(self) -> None:
        for parameter in self._frozen or ():
            parameter.requires_grad_(True)


def second_stage_of(model: LatentModel, config: TrainConfig) -> SecondStage | None:
    """The second stage that a model's options request, or None.

    Raises:
        InputError: `second_stage_epochs` is not an integer of at least 0, or the length of the
            first stage is not given in epochs.

    Example:
        >>> import latentrank
        >>> model = latentrank.build("rrae", (6,), latent_dim=4, second_stage_epochs=3)
        >>> stage = second_stage_of(model, TrainConfig(epochs=10))
        >>> stage.begin, stage.epochs
        (10, 3)
    """
    epochs = model.spec.options.get("second_stage_epochs", 0)
    if not epochs:
        return None
    for name in ("steps", "patience"):
        if getattr(config, name) is not None:
            raise InputError(
                f"second_stage_epochs is {epochs} and {name} is given: a second stage begins "
                f"after a fixed number of epochs; give epochs and leave {name} out."
            )
    return SecondStage(config.epochs, int(epochs))
