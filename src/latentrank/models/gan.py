"""Generative adversarial networks: the decoder generates, the encoder judges.

A GAN has no code for a sample: its decoder turns noise into samples, and its encoder, with one
more layer, tells generated samples from real ones. `decode(encode(x))` is no reconstruction.
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

# Real samples, and as many generated ones, that tell how a GAN is doing.
HEALTH_SAMPLES = 256


class Health(NamedTuple):
    """How a GAN is doing.

    Attributes:
        diversity: mean distance between generated samples, as a share of that between real ones.
        accuracy: share of real and generated samples that the discriminator tells right.
    """

    diversity: float
    accuracy: float

    @property
    def collapsed(self) -> bool:
        """Whether the generator makes nearly the same sample from every noise."""
        return self.diversity < COLLAPSED

    @property
    def warning(self) -> str | None:
        """What is wrong, in a sentence, or None.

        Example:
            >>> Health(diversity=0.8, accuracy=0.7).warning is None
            True
        """
        if self.collapsed:
            return (
                "The generator has collapsed: the distance between its samples is "
                f"{100 * self.diversity:.0f} % of that between real ones; train longer or with "
                "another seed or learning rate, or take nsgan or lsgan."
            )
        if self.accuracy >= SATURATED:
            return (
                f"The discriminator tells {100 * self.accuracy:.0f} % of real and generated "
                "samples apart, so the generator learns little from it; train with a lower "
                "learning rate, or take nsgan or lsgan."
            )
        return None


def diversity(generated: Tensor, real: Tensor) -> float:
    """Mean distance between generated samples, divided by that between real ones.

    It is near 0 where all noise gives the same sample. A generator that leaves out some kinds
    of sample but varies among the others is not found by it.

    Args:
        generated: `(N, *shape)`.
        real: `(M, *shape)`.

    Returns:
        A number from 0; NaN where N or M is below 2.

    Example:
        >>> real = torch.tensor([[0.0], [2.0]])
        >>> diversity(real / 4, real)
        0.25
    """
    spread = [torch.pdist(x.flatten(1).float().cpu()).mean() for x in (generated, real)]
    return float(spread[0] / spread[1].clamp_min(torch.finfo(torch.float32).tiny))


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Within this context gradients pass through the modules and do not reach their parameters."""
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
    which are not what `decode` takes: there are no reconstructions.

    Args:
        encoder: maps `(B, *input_shape)` to `(B, L)`.
        bottleneck: reads the score from that.
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
        """What the generator starts from: `(n, L)` draws from N(0, I)."""
        return noise_like(self._reference().new_empty(n, self.latent_dim))

    def score(self, x: Tensor) -> Tensor:
        """How real the discriminator thinks each sample, `(B,)`; higher is more real."""
        return self.bottleneck.score(self.encoder(x))

    def generator_loss(self, fake: Tensor) -> Tensor:
        """What the generator minimises; its gradient reaches the generator alone.

        Args:
            fake: `(B, *input_shape)`, generated samples, with the graph that leads to them.
        """
        with frozen(self.encoder, self.bottleneck):
            return self.game.generator(self.score(fake))

    def losses(self, x: Tensor, index: Tensor | None = None) -> dict[str, Tensor]:
        """The losses `discriminator` and `generator`, and their sum as `loss`.

        The gradient of the sum moves each network down its own loss. Training does not take it
        in one step, but takes turns.

        Args:
            x: `(B, *input_shape)`, real samples; as many are generated.
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
        """Whether the generator still varies and the discriminator can still be misled.

        As many samples are generated, always from the same noise.

        Args:
            x: `(N, *input_shape)`, real samples; `HEALTH_SAMPLES` suffice.
        """
        z = torch.randn(len(x), self.latent_dim, generator=torch.Generator().manual_seed(0))
        fake = self.decode(z.to(self._reference()))
        right = [self.score(x) >= self.game.threshold, self.score(fake) < self.game.threshold]
        return Health(diversity(fake, x), float(torch.cat(right).float().mean()))

    def diagnose(self, x: Tensor) -> dict[str, Any]:
        """What the ranks are of, and how the game stands.

        Args:
            x: `(N, *input_shape)`, test samples.
        """
        health = self.health(x[:HEALTH_SAMPLES])
        return {
            "rank_of": "discriminator features",
            "diversity": health.diversity if math.isfinite(health.diversity) else None,
            "discriminator_accuracy": health.accuracy,
            "collapsed": health.collapsed,
            "warning": health.warning,
        }

    def _reference(self) -> Tensor:
        """A tensor that tells device and type."""
        return next(self.decoder.parameters())
