"""The discriminator of a GAN, in place of a bottleneck."""

from __future__ import annotations

from torch import Tensor, nn

from latentrank.bottlenecks.base import Bottleneck
from latentrank.nets.spectral import spectrally_normalised


class Discriminator(Bottleneck):
    """The discriminator's features, `LeakyReLU(E(x))`, and the score computed from them.

    The score is a linear map of the features, spectrally normalised as the encoder is (Miyato
    et al. 2018), so that the discriminator cannot become arbitrarily steep.

    The features take the place of a code. `decode` does not invert them.

    Args:
        latent_dim: number of features, and width of the generator's noise.

    Example:
        >>> import torch
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
        """The discriminator's scores, `(B,)`; higher means more real."""
        scores: Tensor = self.head(self.encode(h))
        return scores.squeeze(1)
