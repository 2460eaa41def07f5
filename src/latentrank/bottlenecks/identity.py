"""No bottleneck: the code is the encoder's output."""

from __future__ import annotations

import torch
from torch import Tensor

from latentrank.bottlenecks.base import Bottleneck


class Identity(Bottleneck):
    """The bottleneck of a plain autoencoder: `z = E(x)`.

    Example:
        >>> h = torch.randn(4, 8)
        >>> bool((Identity(8).encode(h) == h).all())
        True
    """

    is_identity = True
    capturable = True
    _anchor: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__(latent_dim)
        # Gives linear_map the model's device and precision.
        self.register_buffer("_anchor", torch.empty(0), persistent=False)

    def encode(self, h: Tensor) -> Tensor:
        """`h` itself."""
        return h

    def linear_map(self) -> Tensor:
        """The identity matrix."""
        return torch.eye(self.latent_dim, dtype=self._anchor.dtype, device=self._anchor.device)
