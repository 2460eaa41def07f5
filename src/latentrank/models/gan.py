"""Generative adversarial networks: the decoder generates, the encoder judges.

A GAN has no code for a sample: its decoder turns noise into samples, and its encoder, with one
more layer, tells generated samples from real ones. `decode(encode(x))` is no reconstruction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from latentrank.bottlenecks import Bottleneck
from latentrank.distributed import batch_mean, noise_like
from latentrank.losses import Objective
from latentrank.models.autoencoder import Autoencoder
from latentrank.models.spec import Spec
from latentrank.nets.spectral import spectrally_normalised

# A generator whose samples lie, on average, closer together than this share of the distance
# between real samples has collapsed; a discriminator right on more than this share has won.
COLLAPSED = 0.1
SATURATED = 0.99

# Real samples, and as many generated ones, that tell how a GAN is doing.
HEALTH_SAMPLES = 256


def cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    """`-log D(x) - log(1 - D(G(z)))`, `D` the sigmoid of the score (Goodfellow et al. 2014).

    Args:
        real: `(B,)`, scores of real samples.
        fake: `(B',)`, scores of generated ones.

    Returns:
        A scalar, what the discriminator minimises.

    Example:
        >>> round(float(cross_entropy(torch.zeros(3), torch.zeros(3))), 4)
        1.3863
    """
    return batch_mean(softplus(-real)) + batch_mean(softplus(fake))


def saturating(fake: Tensor) -> Tensor:
    """`log(1 - D(G(z)))`, the generator's part of the minimax game (Goodfellow et al. 2014, eq. 1).

    Its slope vanishes where the discriminator is sure, which is why their section 3 proposes
    `non_saturating`.

    Args:
        fake: `(B,)`, scores of generated samples.
    """
    return -batch_mean(softplus(fake))


def non_saturating(fake: Tensor) -> Tensor:
    """`-log D(G(z))` (Goodfellow et al. 2014, section 3).

    Args:
        fake: `(B,)`, scores of generated samples.
    """
    return batch_mean(softplus(-fake))


def least_squares(real: Tensor, fake: Tensor) -> Tensor:
    """`(D(x) - 1)^2 / 2 + D(G(z))^2 / 2`, `D` the score itself (Mao et al. 2017, eq. 9).

    Args:
        real: `(B,)`, scores of real samples.
        fake: `(B',)`, scores of generated ones.

    Returns:
        A scalar, what the discriminator minimises.
    """
    return 0.5 * (batch_mean((real - 1).square()) + batch_mean(fake.square()))


def least_squares_generator(fake: Tensor) -> Tensor:
    """`(D(G(z)) - 1)^2 / 2` (Mao et al. 2017, eq. 9).

    Args:
        fake: `(B,)`, scores of generated samples.
    """
    return 0.5 * batch_mean((fake - 1).square())


@dataclass(frozen=True)
class Game:
    """What the two networks of a GAN each minimise.

    Attributes:
        discriminator: of the scores of real and of generated samples.
        generator: of the scores of generated samples.
        threshold: score from which a sample is taken for real.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    threshold: float


GAMES = {
    "minimax": Game(cross_entropy, saturating, 0.0),
    "non-saturating": Game(cross_entropy, non_saturating, 0.0),
    "least-squares": Game(least_squares, least_squares_generator, 0.5),
}


class Discriminator(Bottleneck):
    """The discriminator's features, `LeakyReLU(E(x))`, and the score that is read from them.

    The score is a linear map of the features, spectrally normalised as the encoder is (Miyato
    et al. 2018), so that the discriminator cannot become arbitrarily steep.

    The features stand where other methods have a code. `decode` does not undo them.

    Args:
        latent_dim: number of features, and width of the generator's noise.

    Example:
        >>> part = Discriminator(8)
        >>> part.encode(torch.randn(5, 8)).shape, part.score(torch.randn(5, 8)).shape
        (torch.Size([5, 8]), torch.Size([5]))
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__(latent_dim)
        # The slope of DCGAN's discriminators (Radford, Metz and Chintala 2016).
        self.activation = nn.LeakyReLU(0.2)
        self.head = spectrally_normalised(nn.Linear(latent_dim, 1))

    def encode(self, h: Tensor) -> Tensor:
        """The features, `(B, L)`."""
        features: Tensor = self.activation(h)
        return features

    def score(self, h: Tensor) -> Tensor:
        """How real the discriminator thinks each sample, `(B,)`; higher is more real."""
        scores: Tensor = self.head(self.encode(h))
        return scores.squeeze(1)


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


class GAN(Autoencoder):
    """A generator, the decoder, and a discriminator, the encoder with one more layer.

    `decode(z)` generates from `z ~ N(0, I)`. `encode(x)` gives the discriminator's features,
    which are not what `decode` takes: there are no reconstructions.

    Args:
        encoder: maps `(B, *input_shape)` to `(B, L)`.
        discriminator: reads the score from that.
        decoder: maps `(B, L)` to `(B, *input_shape)`.
        game: the two losses.
        spec: what the model was built from; `latentrank.build` fills it in.

    Example:
        >>> import latentrank
        >>> model = latentrank.build("nsgan", (1, 8, 8), latent_dim=4)
        >>> model.decode(model.noise(3)).shape, model.score(torch.rand(3, 1, 8, 8)).shape
        (torch.Size([3, 1, 8, 8]), torch.Size([3]))
    """

    bottleneck: Discriminator

    def __init__(
        self,
        encoder: nn.Module,
        bottleneck: Discriminator,
        decoder: nn.Module,
        game: Game,
        spec: Spec,
    ) -> None:
        super().__init__(encoder, bottleneck, decoder, Objective(), spec)
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

    def _reference(self) -> Tensor:
        """A tensor that tells device and type."""
        return next(self.decoder.parameters())
