"""The Lightning module that trains a GAN: discriminator and generator in turn."""

from __future__ import annotations

from typing import Any, cast

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn

from latentrank import distributed
from latentrank.config import TrainConfig
from latentrank.data import Batch
from latentrank.linalg import GramAccumulator, rank_of_spectrum
from latentrank.models.gan import GAN, HEALTH_SAMPLES, Health
from latentrank.nets import weight_of
from latentrank.training.context import data_of
from latentrank.training.module import TrainingModule
from latentrank.training.rank_search.subset import Subset

# Radford, Metz and Chintala (2016): with Adam's usual first moment, training oscillates.
BETAS = (0.5, 0.999)


class AdversarialModule(TrainingModule):
    """Trains a GAN: one step of the discriminator, then one of the generator, on each batch.

    Logs both losses as `train/discriminator` and `train/generator`, the shares of real and of
    generated samples that the discriminator classifies correctly as `train/real_accuracy` and
    `train/fake_accuracy`, and at validation `rank` (of the discriminator's features),
    `diversity`, `discriminator_accuracy` and `collapsed` (0 or 1). Warns of a collapse once.

    Adam's first moment decays at 0.5, as in DCGAN (Radford, Metz and Chintala 2016).
    """

    def __init__(self, model: GAN, config: TrainConfig) -> None:
        super().__init__(model, config)
        self._warned = False

    @property
    def gan(self) -> GAN:
        """The model."""
        return cast(GAN, self.model)

    def configure_optimizers(self) -> Any:
        """One optimiser for the discriminator, one for the generator."""
        judge = nn.ModuleList([self.gan.encoder, self.gan.bottleneck])
        networks = (judge, self.gan.decoder)
        return self.with_schedules([self.optimizer(n.parameters(), BETAS) for n in networks])

    def take_step(self, batch: Batch) -> None:
        """One step of each network, the generator against the updated discriminator."""
        self.seed_step()
        gan, x = self.gan, batch.x
        fake = gan.decode(gan.noise(len(x)))
        real_scores, fake_scores = gan.score(x), gan.score(fake.detach())
        discriminator = gan.game.discriminator(real_scores, fake_scores)
        self._step(0, discriminator)
        generator = gan.generator_loss(fake)
        self._step(1, generator)
        self.step_schedules()
        terms = {
            "discriminator": discriminator,
            "generator": generator,
            "real_accuracy": distributed.batch_mean((real_scores >= gan.game.threshold).float()),
            "fake_accuracy": distributed.batch_mean((fake_scores < gan.game.threshold).float()),
        }
        self.count_step(terms, batch)

    def _graph(self) -> None:
        """None: two optimisers take turns."""

    def _step(self, player: int, loss: Tensor) -> None:
        """Take a step for one player. Only the generator's steps count as steps of the run."""
        optimizer = cast(list[LightningOptimizer], self.optimizers())[player]
        optimizer.zero_grad()
        if distributed.world()[1] > 1:
            # Data parallelism waits for a gradient of every parameter, including the other
            # player's.
            loss = loss + 0 * torch.stack([p.sum() for p in self.parameters()]).sum()
        self.manual_backward(loss)
        if player == 1:
            optimizer.step()
        else:
            self.trainer.strategy.optimizer_step(optimizer.optimizer, lambda: None)

    def on_validation_epoch_start(self) -> None:
        """Start collecting features."""
        self.check_finite()
        self._gram = GramAccumulator(self.model.latent_dim)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Accumulate the features' covariance."""
        self._gram.update(self.gan.encode(batch.x))

    def on_validation_epoch_end(self) -> None:
        """Log the rank of the features and the health of the game; warn of a collapse once."""
        distributed.reduce_gram_(self._gram)
        health = self._health()
        self.log_dict(
            {
                "rank": float(rank_of_spectrum(self._gram.variances())),
                "diversity": health.diversity,
                "discriminator_accuracy": health.accuracy,
                "collapsed": float(health.collapsed),
            }
        )
        if health.collapsed and not self._warned:
            self._warned = True
            rank_zero_warn(f"Epoch {self.current_epoch + 1}: {health.warning}")

    def _health(self) -> Health:
        """On samples evenly spaced over the test split, the same in every process."""
        data = data_of(self.trainer)
        real = Subset(data.dataset.test, data.preprocessing, HEALTH_SAMPLES)
        return self.gan.health(torch.cat(list(real.batches())).to(weight_of(self.gan)))
