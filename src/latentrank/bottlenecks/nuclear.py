"""LoRAE: one matrix, whose nuclear norm is a loss term."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from latentrank.bottlenecks.base import Bottleneck, Latent
from latentrank.linalg import nuclear_norm


class NuclearNorm(Bottleneck):
    """`z = M E(x)` with `||M||_*` as a term (Mazumder et al. 2024, eqs. 1 and 2).

    Args:
        latent_dim: width `L` of the code; `M` is `(L, L)`.
        solver: how the nuclear norm is computed, see `latentrank.linalg.nuclear_norm`.

    Example:
        >>> bottleneck = NuclearNorm(8)
        >>> latent = bottleneck(torch.randn(5, 8))
        >>> values = torch.linalg.svdvals(bottleneck.matrix)
        >>> torch.allclose(latent.terms["nuclear_norm"], values.sum(), rtol=1e-4)
        True
    """

    def __init__(self, latent_dim: int, solver: str = "auto") -> None:
        super().__init__(latent_dim)
        self.solver = solver
        bound = 1 / math.sqrt(latent_dim)
        self.matrix = nn.Parameter(torch.empty(latent_dim, latent_dim).uniform_(-bound, bound))

    def forward(self, h: Tensor, index: Tensor | None = None) -> Latent:
        """The code and the term `nuclear_norm`."""
        return Latent(self.encode(h), {"nuclear_norm": nuclear_norm(self.matrix, self.solver)})

    def encode(self, h: Tensor) -> Tensor:
        """`h M^T`."""
        return h @ self.matrix.T

    def linear_map(self) -> Tensor:
        """`M`."""
        return self.matrix
