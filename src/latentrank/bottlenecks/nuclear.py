"""LoRAE: one matrix, whose nuclear norm is a loss term."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from latentrank.bottlenecks.base import Bottleneck, Latent
from latentrank.linalg import nuclear_norm


class NuclearNorm(Bottleneck):
    """`z = M E(x)` with `||M||_*` as a term (Mazumder et al. 2024, eqs. 1 and 2).

    `M` is `(L, L)` in the paper, and here unless the encoder cannot use so many columns. If the
    last layer of `E` is linear with few inputs, encodings span only `p < L` dimensions:
    `E(x) = Q c(x)` with `p` orthonormal columns in `Q`. Then `M Q`, `(L, p)`, gives the same codes,
    and its norm is no larger; and any `(L, p)` matrix times `Q^T` is a square one of the same norm.
    Both forms minimise the same objective over the same functions, and after `narrow`, `M` has `p`
    columns. Training starts at the same scale: entries have the size of the square matrix's, and
    the `p` numbers that the encoder gives are multiplied by `sqrt(L / p)`, so that their norm is
    that of `L` numbers of the same size. Steps of training differ, see `docs/performance.md`.

    Args:
        latent_dim: width `L` of the code.
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
        self.capturable = solver in ("auto", "polar")  # the others read values
        self._allocate()

    def _allocate(self) -> None:
        self._scale = math.sqrt(self.latent_dim / self.encoder_dim)
        bound = 1 / math.sqrt(self.latent_dim)
        entries = torch.empty(self.latent_dim, self.encoder_dim).uniform_(-bound, bound)
        self.matrix = nn.Parameter(entries)

    def narrow(self, span: int) -> None:
        """Leave out columns that no encoding needs."""
        if span < self.encoder_dim:
            self.encoder_dim = span
            self._allocate()

    def forward(self, h: Tensor, index: Tensor | None = None) -> Latent:
        """The code and the term `nuclear_norm`."""
        return Latent(self.encode(h), {"nuclear_norm": nuclear_norm(self.matrix, self.solver)})

    def encode(self, h: Tensor) -> Tensor:
        """`h M^T`, scaled if `M` is not square."""
        return (self._scale * h) @ self.matrix.T

    def linear_map(self) -> Tensor:
        """`M`, scaled if it is not square."""
        return self._scale * self.matrix
