"""Generative adversarial networks: the decoder generates, the encoder judges.

A GAN has no code for a sample: its decoder turns noise into samples, and its encoder, with one more
layer, distinguishes generated from real samples. `decode(encode(x))` is not a reconstruction.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from latentrank.bottlenecks import Discriminator
from latentrank.distributed import noise_like
from latentrank.losses import Game
from latentrank.models.base import LatentModel
from latentrank.models.spec import Spec

# A generator whose samples lie, on average, closer together than this share of the distance
# between real samples has collapsed; a discriminator right on more than this share has won.
COLLAPSED = 0.1
SATURATED = 0.99

# Number of real, and of generated, samples for the health check.
HEALTH_SAMPLES = 256


class Health(NamedTuple):
    """The health of a GAN's training.

    Attributes:
        diversity: mean distance between generated samples, divided by that between real ones.
        accuracy: fraction of all real and generated samples that the discriminator classifies
            correctly.
    """

    diversity: float
    accuracy: float

    @property
    def collapsed(self) -> bool:
        """Whether the generator produces nearly the same sample for any noise."""
        return self.diversity < COLLAPSED

    @property
    def warning(self) -> str | None:
        """A warning, in a sentence, or None.

        Example:
            >>> Health(diversity=0.8, accuracy=0.7).warning is None
            True
        """
        if self.collapsed:
            return (
                "The generator has collapsed: the distance between its samples is "
                f"{100 * self.diversity:.0f} % of that between real ones; train longer or with "
                "another seed or learning rate, or use nsgan or lsgan."
            )
        if self.accuracy >= SATURATED:
            return (
                f"The discriminator classifies {100 * self.accuracy:.0f} % of real and generated "
                "samples correctly, so the generator learns little from it; train with a lower "
                "learning rate, or use nsgan or lsgan."
            )
        return None


def diversity(generated: Tensor, real: Tensor) -> float:
    """Mean distance between generated samples, divided by that between real ones.

    It is near 0 if all noise gives the same sample. It does not detect a generator that drops some
    modes but varies among the others.

    Args:
        generated: `(N, *shape)`.
        real: `(M, *shape)`.

    Returns:
        A number of at least 0; NaN if N or M is below 2.

    Example:
        >>> real = torch.tensor([[0.0], [2.0]])
        >>> diversity(real / 4, real)
        0.25
    """
    spread = [torch.pdist(x.flatten(1).float().cpu()).mean() for x in (generated, real)]
    return float(spread[0] / spread[1].clamp_min(torch.finfo(torch.float32).tiny))


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Let gradients pass through modules without reaching their parameters."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


class GAN(LatentModel):
    """A generator, the decoder, and a discriminator, the encoder with one more layer.

    `decode(z)` generates from `z ~ N(0, I)`. `encode(x)` gives the discriminator's features,
    which are not inputs for `decode`: there are no reconstructions.

    Args:
        encoder: maps `(B, *input_shape)` to `(B, L)`.
        bottleneck: computes the score from that.
        decoder: maps `(B, L)` to `(B, *input_shape)`.
        game: the two losses.
        spec: what the model was built from; `latentrank.build` fills it in.

    Example:
        >>> import latentrank
        >>> model = latentrank.build("nsgan", (1, 8, 8), latent_dim=4)
        >>> model.decode(model.noise(3)).shape, model.score(torch.rand(3, 1, 8, 8)).shape
        (torch.Size([3, 1, 8, 8]), torch.Size([3]))
    """

    reconstructs = False
    usual_densities = ("prior",)
    trained_by = "adversarial"

    bottleneck: Discriminator

    def __init__(
        self,
        encoder: nn.Module,
        bottleneck: Discriminator,
        decoder: nn.Module,
        game: Game,
        spec: Spec,
    ) -> None:
        super().__init__(encoder, bottleneck, decoder, spec)
        self.game = game

    def noise(self, n: int) -> Tensor:
        """The generator's input: `(n, L)` draws from N(0, I)."""
        return noise_like(self._as_weights(torch.empty(n, self.latent_dim)))

    def score(self, x: Tensor) -> Tensor:
        """The discriminator's scores, `(B,)`; higher means more real."""
        return self.bottleneck.score(self.encoder(x))

    def generator_loss(self, fake: Tensor) -> Tensor:
        """The generator's loss; its gradient reaches only the generator.

        Args:
            fake: `(B, *input_shape)`, generated samples, with their autograd graph.
        """
        with frozen(self.encoder, self.bottleneck):
            return self.game.generator(self.score(fake))

    def losses(self, x: Tensor, index: Tensor | None = None) -> dict[str, Tensor]:
        """The losses `discriminator` and `generator`, and their sum as `loss`.

        The gradient of the sum is that of each network's own loss. Training does not use the sum:
        it alternates between the two.

        Args:
            x: `(B, *input_shape)`, real samples; the same number are generated.
            index: not used.
        """
        fake = self.decode(self.noise(len(x)))
        discriminator = self.game.discriminator(self.score(x), self.score(fake.detach()))
        generator = self.generator_loss(fake)
        return {
            "loss": discriminator + generator,
            "discriminator": discriminator,
            "generator": generator,
        }

    @torch.no_grad()
    def health(self, x: Tensor) -> Health:
        """Measure the generator's diversity and the discriminator's accuracy.

        The same number of samples is generated, always from the same noise.

        Args:
            x: `(N, *input_shape)`, real samples; `HEALTH_SAMPLES` suffice.
        """
        z = torch.randn(len(x), self.latent_dim, generator=torch.Generator().manual_seed(0))
        fake = self.decode(self._as_weights(z))
        right = [self.score(x) >= self.game.threshold, self.score(fake) < self.game.threshold]
        return Health(diversity(fake, x), float(torch.cat(right).float().mean()))

    def diagnose(self, x: Tensor) -> dict[str, Any]:
        """What the ranks refer to, and the health of the game.

        Args:
            x: `(N, *input_shape)`, test samples; `HEALTH_SAMPLES` suffice.
        """
        health = self.health(x)
        return {
            "rank_of": "discriminator features",
            "diversity": health.diversity if math.isfinite(health.diversity) else None,
            "discriminator_accuracy": health.accuracy,
            "collapsed": health.collapsed,
            "warning": health.warning,
        }
