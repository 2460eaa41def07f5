"""VAE with a normalizing flow between the Gaussian posterior and the decoder."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from latentrank.bottlenecks.base import Latent
from latentrank.bottlenecks.gaussian import Gaussian
from latentrank.distributed import batch_mean
from latentrank.errors import InputError, need, unknown


class Planar(nn.Module):
    """`f(z) = z + u tanh(w^T z + b)` (Rezende and Mohamed 2015, eq. 10).

    `u` is corrected so that `w^T u > -1`, which makes the map invertible (their appendix A).
    The map starts close to the identity.

    Args:
        dim: width of `z`.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(dim) / math.sqrt(dim))
        self.b = nn.Parameter(torch.zeros(()))
        # The correction sends w^T u = log(e - 1) to 0: an uncorrected u near 0 would start as a map
        # that shrinks everything along w by a third per layer.
        unmoved = math.log(math.e - 1) * self.w.detach() / self.w.detach().square().sum()
        self.u = nn.Parameter(unmoved + 0.01 * torch.randn(dim))

    def corrected(self) -> tuple[Tensor, Tensor]:
        """The `u` that is applied, `(L,)`, and `w^T u > -1`."""
        inner = self.w @ self.u
        # In float32 the bound itself would be reached, making the determinant zero.
        product = (softplus(inner) - 1).clamp_min(-1 + 1e-6)
        return self.u + (product - inner) * self.w / self.w.square().sum(), product

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The mapped points, `(B, L)`, and the log-determinant of the Jacobian, `(B,)`."""
        u, product = self.corrected()
        activation = torch.tanh(z @ self.w + self.b)
        return z + activation[:, None] * u, torch.log1p((1 - activation.square()) * product)


class InverseAutoregressive(nn.Module):
    """`f(z)_i = z_i exp(s_i(z_<i)) + m_i(z_<i)` (Kingma et al. 2016), from zuko.

    This direction needs one pass through the network; its inverse, which is never needed here,
    would take one for each coordinate.

    Args:
        dim: width of `z`.
        reverse: take the coordinates in the opposite order.
    """

    def __init__(self, dim: int, reverse: bool) -> None:
        super().__init__()
        zuko = need("zuko.flows.autoregressive", "flow", "vae-flow with flow iaf, not planar,")
        order = torch.arange(dim).flip(0) if reverse else torch.arange(dim)
        self.transform: Any = zuko.MaskedAutoregressiveTransform(
            dim, order=order, hidden_features=(2 * dim, 2 * dim)
        )

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The mapped points, `(B, L)`, and the log-determinant of the Jacobian, `(B,)`."""
        mapped, log_det = self.transform().call_and_ladj(z)
        return mapped, log_det


class FlowPosterior(Gaussian):
    """`z_K = f_K ... f_1(z_0)` with `z_0 = mean + eps * std`; the term is `kl`.

    The divergence of the flow's output from N(0, I) is
    `E[log q_0(z_0) - sum log|det f_k'| - log p(z_K)]` (Rezende and Mohamed 2015, eq. 15).
    Written as `KL(q_0 || p) + E[log p(z_0) - log p(z_K) - sum log|det f_k'|]`, its first part
    is known in closed form; only the second, which is small for a flow near the identity, is
    estimated from one draw. If all of it were, a code would collapse more easily than without a
    flow.

    Inference passes the mean through the flow.

    Args:
        latent_dim: width `L` of the code; the encoder is twice as wide.
        flow: `"planar"` or `"iaf"` (needs the extra `flow`).
        flow_depth: number of layers `K`, at least 1.

    Raises:
        InputError: unknown flow, `flow_depth` below 1, or zuko missing.

    Example:
        >>> latent = FlowPosterior(8)(torch.randn(5, 16))
        >>> latent.z.shape, sorted(latent.terms)
        (torch.Size([5, 8]), ['kl'])
    """

    def __init__(self, latent_dim: int, flow: str = "planar", flow_depth: int = 4) -> None:
        super().__init__(latent_dim)
        if flow_depth < 1:
            raise InputError(f"flow_depth is {flow_depth}, expected at least 1; raise it.")
        if flow == "planar":
            self.maps = nn.ModuleList(Planar(latent_dim) for _ in range(flow_depth))
        elif flow == "iaf":
            self.maps = nn.ModuleList(
                InverseAutoregressive(latent_dim, reverse=bool(i % 2)) for i in range(flow_depth)
            )
        else:
            raise unknown("flow", flow, ["planar", "iaf"])

    def forward(self, h: Tensor, index: Tensor | None = None) -> Latent:
        """A draw in training, the mapped mean in evaluation; the term `kl`.

        In evaluation the sampled part of the term is taken at the mean (`eps = 0`), so that it is
        deterministic.
        """
        start, terms = super().forward(h, index)
        z, log_det = self.flow(start)
        change = 0.5 * (z.square() - start.square()).sum(-1) - log_det
        return Latent(z, {"kl": terms["kl"] + batch_mean(change)})

    def flow(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """All maps in turn: points `(B, L)` and the summed log-determinant `(B,)`."""
        log_det = torch.zeros_like(z[:, 0])
        for step in self.maps:
            z, change = step(z)
            log_det = log_det + change
        return z, log_det

    def encode(self, h: Tensor) -> Tensor:
        """The posterior mean, passed through the flow."""
        return self.flow(super().encode(h))[0]

    def linear_map(self) -> None:
        """None: the flow is not linear."""
