"""RRAE, strong form: the latent batch is truncated to its leading singular directions."""

from __future__ import annotations

from torch import Tensor

from latentrank.bottlenecks.base import Latent, RankBottleneck


class TruncatedSVD(RankBottleneck):
    """The decoder sees the best rank-k approximation of the batch (Mounayer et al. 2024).

    Not centred. The gradient is the exact one of the truncation. Under data parallelism the batch
    is that of all processes combined. See `RankBottleneck` for inference.

    Args:
        latent_dim: width `L` of the code.
        rank: `k`, how many directions are kept.

    Example:
        >>> import torch
        >>> latent = TruncatedSVD(16, rank=3)(torch.randn(10, 16))
        >>> int(torch.linalg.matrix_rank(latent.z))
        3
    """

    def forward(self, h: Tensor, index: Tensor | None = None) -> Latent:
        """The truncated batch; in evaluation, `encode(h)`."""
        return Latent(self.truncated(h) if self.training else self.encode(h), {})
