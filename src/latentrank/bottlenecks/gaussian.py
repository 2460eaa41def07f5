"""VAE: a Gaussian posterior for each sample, pulled towards N(0, I)."""

from __future__ import annotations

import torch
from torch import Tensor

from latentrank.bottlenecks.base import Bottleneck, Latent
from latentrank.distributed import batch_mean, noise_like


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of N(mean, diag exp(log_variance)) from N(0, I), in nats.

    `1/2 sum(mean^2 + exp(log_variance) - 1 - log_variance)` over the last dimension, averaged
    over the batch (Kingma and Welling 2014, appendix B).

    Args:
        mean: `(B, L)`.
        log_variance: `(B, L)`.

    Example:
        >>> float(gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 3)))
        0.0
    """
    per_unit = mean.square() + log_variance.exp() - 1 - log_variance
    return 0.5 * batch_mean(per_unit.sum(-1))


class Gaussian(Bottleneck):
    """The encoder returns means and log-variances, `(B, 2 L)`; training samples from them.

    Inference uses the means. The term is `kl`, in nats per sample.

    Args:
        latent_dim: width `L` of the code; the encoder is twice as wide.

    Example:
        >>> Gaussian(8).encode(torch.randn(5, 16)).shape
        torch.Size([5, 8])
    """

    capturable = True
    _anchor: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__(latent_dim, encoder_dim=2 * latent_dim)
        self.register_buffer("_anchor", torch.empty(0), persistent=False)

    def posterior(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log-variances, each `(B, L)`."""
        mean, log_variance = h.chunk(2, dim=-1)
        return mean, log_variance

    def forward(self, h: Tensor, index: Tensor | None = None) -> Latent:
        """A draw from the posterior in training, its mean in evaluation; the term `kl`."""
        mean, log_variance = self.posterior(h)
        z = mean + noise_like(mean) * (0.5 * log_variance).exp() if self.training else mean
        return Latent(z, {"kl": gaussian_kl(mean, log_variance)})

    def encode(self, h: Tensor) -> Tensor:
        """The posterior mean."""
        return self.posterior(h)[0]

    def linear_map(self) -> Tensor | None:
        """`[I 0]`: the means are the first half of the encoder's output."""
        return torch.eye(
            self.latent_dim, self.encoder_dim, dtype=self._anchor.dtype, device=self._anchor.device
        )
