"""VRRAE: a Gaussian posterior on the coefficients of the truncated batch."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from latentrank.bottlenecks.base import Latent, RankBottleneck
from latentrank.bottlenecks.gaussian import gaussian_kl
from latentrank.distributed import gather_rows, noise_like
from latentrank.linalg import leading_basis
from latentrank.linalg.precision import at_least_float32


class GaussianSVD(RankBottleneck):
    """`z = U (a + eps * std)` with `a = U^T E(x)` (Mounayer et al. 2025).

    `U`, `(L, k)`, spans the leading directions of the batch in training and of all training
    encodings afterwards; the log-variance is a linear map of `a`. The term is `kl` over the
    k coefficients, in nats per sample.

    Singular vectors may change sign or order between batches, which would permute the inputs of the
    log-variance layer. Each batch's basis is therefore rotated, within its span, to be closest to
    the previous one. The gradient through the coefficients' mean is the exact one of the
    truncation; the basis in which the noise is added counts as a constant.

    Args:
        latent_dim: width `L` of the code.
        rank: `k`.

    Example:
        >>> bottleneck = GaussianSVD(16, rank=3)
        >>> latent = bottleneck(torch.randn(10, 16))
        >>> int(torch.linalg.matrix_rank(latent.z)), sorted(latent.terms)
        (3, ['kl'])
    """

    _reference: Tensor

    def __init__(self, latent_dim: int, rank: int) -> None:
        super().__init__(latent_dim, rank)
        self.log_variance = nn.Linear(rank, rank)
        # Posteriors start narrow: at width one the noise would drown the codes, which are
        # small before training, and the decoder would learn to ignore them.
        nn.init.constant_(self.log_variance.bias, -4.0)
        self.register_buffer("_reference", torch.zeros(latent_dim, rank))

    def begin(self, basis: Tensor, coefficients: Tensor) -> None:
        """Align the first batch's basis with this one."""
        self._reference[:, : self.rank] = basis.to(self._reference)

    def forward(self, h: Tensor, index: Tensor | None = None) -> Latent:
        """A draw in training, the mean in evaluation; the term `kl`."""
        z = self.truncated(h) if self.training else super().encode(h)
        basis = self._batch_basis(h)
        mean = z @ basis
        log_variance = self._log_variance(mean)
        if self.training:
            z = z + (noise_like(mean) * (0.5 * log_variance).exp()) @ basis.T
        return Latent(z, {"kl": gaussian_kl(mean, log_variance)})

    def _log_variance(self, mean: Tensor) -> Tensor:
        k = self.rank
        weight, bias = self.log_variance.weight[:k, :k], self.log_variance.bias[:k]
        return mean @ weight.T + bias

    @torch.no_grad()
    def _batch_basis(self, h: Tensor) -> Tensor:
        # Mixed precision would round the basis to half precision at every product.
        with torch.autocast(h.device.type, enabled=False):
            return self._found_basis(h)

    def _found_basis(self, h: Tensor) -> Tensor:
        finalized = self.basis()
        if finalized is not None and not self.training:
            return finalized
        # In evaluation, processes have different numbers of batches, so none may wait for another.
        rows = at_least_float32(gather_rows(h) if self.training else h)
        begun = bool(self._reference.any())
        # With more directions than rows, the rest are taken from the previous basis.
        basis = leading_basis(rows, min(self.rank, len(rows)) if begun else self.rank)
        if begun:
            basis = self._aligned(basis)
        if self.training:
            self._reference[:, : self.rank] = basis.to(self._reference)
        return basis.to(h.dtype)

    def _aligned(self, basis: Tensor) -> Tensor:
        """The k orthonormal directions nearest to the previous ones that span `basis`, `(L, <= k)`.

        Where it has fewer than k columns, the rest are filled from the previous ones.
        """
        reference = self._reference[:, : self.rank].to(basis)
        turned: Tensor
        if basis.shape[1] == self.rank:
            left, _, right = torch.linalg.svd(basis.T @ reference)  # Procrustes
            turned = basis @ (left @ right)
        else:
            projected = basis @ (basis.T @ reference)
            left, _, right = torch.linalg.svd(projected + 1e-6 * reference, full_matrices=False)
            turned = left @ right
        return turned

    def finalize(self, h_batches: Iterable[Tensor]) -> None:
        """The basis of all encodings, aligned with the one that training ended with."""
        super().finalize(h_batches)
        basis = self.basis()
        if basis is not None and bool(self._reference.any()):
            self._keep_basis(self._aligned(at_least_float32(basis)))

    def posterior(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log-variances of the k coefficients, each `(B, k)`."""
        mean = self.encode(h) @ self._batch_basis(h)
        return mean, self._log_variance(mean)
