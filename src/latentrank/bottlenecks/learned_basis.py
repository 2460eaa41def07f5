"""RRAE, weak form: a basis learned with the encoder, tied to it by a penalty."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from latentrank.bottlenecks.base import Bottleneck, Latent, check_rank
from latentrank.distributed import gather_rows
from latentrank.errors import InputError
from latentrank.linalg import leading_basis
from latentrank.linalg.precision import at_least_float32
from latentrank.losses import relative_error


class LearnedBasis(Bottleneck):
    """The decoder sees `E(x)`; `||Y - U A|| / ||Y||` is a term (Mounayer et al. 2024).

    `U`, `(L, k)`, is trained with the networks. Inference projects onto its span. It starts as the
    leading directions of the first batch: from a random start the encoder tends to collapse all
    codes onto one line. The coefficients `A` are those that minimise the term for the batch.

    The paper begins with random columns, kept at length one, and trains `A` as well, `(k, D)` with
    one column per training sample. Each column gets one update per epoch, from its own sample,
    which takes more epochs than are affordable for large data.

    Args:
        latent_dim: width `L` of the code.
        rank: `k`.
        learned_coefficients: train `A` from a random start, as the paper does; `prepare` allocates
            it once the size of the training set is known.
        kappa: learning rate of a trained `A` as a multiple of the common one (0.05 to 0.81 in the
            paper).

    Raises:
        InputError: `rank` out of range.

    Example:
        >>> bottleneck = LearnedBasis(16, rank=3, learned_coefficients=True)
        >>> bottleneck.prepare(100)
        >>> sorted(bottleneck(torch.randn(4, 16), torch.arange(4)).terms)
        ['basis_fit']
    """

    begins_with_basis = True

    def __init__(
        self,
        latent_dim: int,
        rank: int,
        learned_coefficients: bool = False,
        kappa: float = 0.25,
    ) -> None:
        super().__init__(latent_dim)
        check_rank(rank, latent_dim)
        self.rank = rank
        self.kappa = kappa
        # Zeros mark directions that no batch has determined yet.
        self.directions = nn.Parameter(torch.zeros(latent_dim, rank))
        self.learned_coefficients = learned_coefficients
        self._may_begin = not learned_coefficients
        self.coefficients: nn.Parameter | None = None
        if learned_coefficients:
            # Columns of length one: an optimiser's steps would hardly turn longer ones.
            drawn = torch.randn(latent_dim, rank)
            self.directions.data.copy_(drawn / drawn.norm(dim=0))

    def prepare(self, samples: int) -> None:
        """Allocate `A`, `(k, samples)`, if it is trained; that of as many samples is kept."""
        known = self.coefficients is not None and self.coefficients.shape[1] == samples
        if self.learned_coefficients and not known:
            self.coefficients = nn.Parameter(torch.randn(self.rank, samples).to(self.directions))

    @torch.no_grad()
    def begin(self, basis: Tensor, coefficients: Tensor) -> None:
        """Take the basis, and the coefficients if they are trained."""
        self._may_begin = False
        self.directions.copy_(basis)
        if self.coefficients is not None:
            self.coefficients.copy_(coefficients.T)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        saved = state_dict.get(prefix + "coefficients")
        if saved is not None and self.coefficients is None:
            self.prepare(saved.shape[1])
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, h: Tensor, index: Tensor | None = None) -> Latent:
        """The encoding itself in training, and the term `basis_fit`.

        Raises:
            InputError: `A` is trained, and `index` is missing or `prepare` was not called.
        """
        if self.training and self._may_begin:
            self._begin(h)
        if not self.learned_coefficients or not self.training:
            fit = self.encode(h)
        elif self.coefficients is None or index is None:
            raise InputError(
                "rrae-weak learns coefficients for each training sample and was called without "
                "prepare(samples) or without sample indices; call it and pass index, or leave "
                "learned_coefficients out."
            )
        else:
            unit = self.directions / self.directions.norm(dim=0)
            fit = (unit @ self.coefficients[:, index]).T
        z = h if self.training else self.encode(h)
        return Latent(z, {"basis_fit": relative_error(fit, h)})

    @torch.no_grad()
    def _begin(self, h: Tensor) -> None:
        """Use the directions of the first batch, unless a checkpoint has provided some."""
        self._may_begin = False
        if not self.directions.any():
            self.directions.copy_(leading_basis(gather_rows(h), self.rank))

    def encode(self, h: Tensor) -> Tensor:
        """Projection onto the span of `U`."""
        basis = self._orthonormal()
        return (h @ basis) @ basis.T

    def _orthonormal(self) -> Tensor:
        """An orthonormal basis of the span of `U`, `(L, k)`, as a function of `U`."""
        orthonormal: Tensor = torch.linalg.qr(at_least_float32(self.directions))[0]
        return orthonormal.to(self.directions.dtype)

    def basis(self) -> Tensor:
        """An orthonormal basis of the span of `U`, `(L, k)`."""
        return self._orthonormal().detach()

    def linear_map(self) -> Tensor:
        """The orthogonal projector onto the span of `U`."""
        basis = self.basis()
        return basis @ basis.T

    def learning_rate_factors(self) -> dict[nn.Parameter, float]:
        """`A` has `kappa` times the common learning rate."""
        return {} if self.coefficients is None else {self.coefficients: self.kappa}
