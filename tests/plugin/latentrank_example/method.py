"""Schatten-1/2 penalty on one matrix: steeper than the nuclear norm, and not convex."""

import torch
from pydantic import Field
from torch import Tensor

from latentrank.bottlenecks import Bottleneck, Latent
from latentrank.methods import Method, ReconstructionOptions
from latentrank.term import Term


class SchattenOptions(ReconstructionOptions):
    penalty: float = Field(1e-3, ge=0, description="weight of sum sqrt(s)")


class Schatten(Bottleneck):
    """`z = M E(x)` with `sum_i sqrt(s_i)` of the singular values of `M` as a term."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__(latent_dim)
        self.matrix = torch.nn.Parameter(torch.eye(latent_dim))

    def forward(self, h: Tensor, index: Tensor | None = None) -> Latent:
        # the Gram matrix's eigenvalues are squares of singular values; the root needs them above 0
        squares = torch.linalg.eigvalsh(self.matrix.T @ self.matrix).clamp_min(1e-12)
        return Latent(self.encode(h), {"schatten": (squares**0.25).sum()})

    def encode(self, h: Tensor) -> Tensor:
        return h @ self.matrix.T

    def linear_map(self) -> Tensor:
        return self.matrix


SCHATTEN = Method(
    "schatten",
    "One square matrix after the encoder; its Schatten-1/2 quasi-norm is penalised.",
    "an example",
    SchattenOptions,
    lambda latent_dim, options, rank: Schatten(latent_dim),
    terms=(Term("schatten", "penalty"),),
)
