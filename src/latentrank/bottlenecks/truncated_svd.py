"""RRAE, strong form: the latent batch is truncated to its leading singular directions."""

from __future__ import annotations

from torch import Tensor

from latentrank.bottlenecks.base import Latent, RankBottleneck


class TruncatedSVD(RankBottleneck):
    """The decoder sees the best rank-k approximation of the batch (Mounayer et al. 2024).

    The batch is not centred. The gradient of the truncation is exact. Under data parallelism the
    batches of all processes are truncated together. See `RankBottleneck` for inference.

    Args:
        latent_dim: width `L` of the code.
        rank: `k`, the number of directions to keep.

    Example:
        >>> import torch
        >>> latent = TruncatedSVD(16, rank=3)(torch.randn(10, 16))
        >>> int(torch.linalg.matrix_rank(latent.z))
        3
    """

    def forward(self, h: Tensor, index: Tensor | None = None) -> Latent:
        """The truncated batch; in evaluation, `encode(h)`."""
        return Latent(self.truncated(h) if self.training else self.encode(h), {})
