"""Mean, principal directions and variances of a model's training codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from latentrank.distributed import reduce_gram_
from latentrank.linalg import GramAccumulator


class CodeStatistics(nn.Module):
    """Mean, principal directions and variances of the training codes.

    Computed once after training and stored with the weights, so that the rank and the compression
    of a model need no data.

    Args:
        latent_dim: width `L` of the code.
    """

    mean: Tensor
    directions: Tensor
    variances: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(latent_dim))
        self.register_buffer("directions", torch.zeros(latent_dim, 0))
        self.register_buffer("variances", torch.zeros(0))

    @property
    def known(self) -> bool:
        """Whether the statistics have been computed."""
        return self.variances.numel() > 0

    def typical_coefficients(self, n: int = 512) -> Tensor:
        """Draws from a Gaussian fitted to the training codes, always the same.

        Returns:
            `(n, k)` coefficients of the `k` principal directions, about the mean.
        """
        generator = torch.Generator().manual_seed(0)
        drawn = torch.randn(n, len(self.variances), generator=generator).to(self.mean)
        return drawn * self.variances.sqrt()

    def update(self, codes: Iterable[Tensor]) -> None:
        """Compute the statistics from batches of codes, `(B, L)`, in float64."""
        gram = GramAccumulator(len(self.mean))
        for batch in codes:
            gram.update(batch)
        reduce_gram_(gram)
        values, vectors = gram.principal()
        # Directions below the rounding of float32 codes contain only rounding errors.
        keep = max(int((values > 1e-13 * values[0]).sum()), 1)
        like = self.mean
        self.mean = gram.mean().to(like)
        self.variances = values[:keep].to(like)
        self.directions = vectors[:, :keep].to(like)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        for name in ("directions", "variances"):
            saved = state_dict.get(prefix + name)
            if saved is not None:
                setattr(self, name, getattr(self, name).new_zeros(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)
