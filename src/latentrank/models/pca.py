"""Principal component analysis, as an autoencoder solved in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import cast

import torch
from torch import Tensor, nn

from latentrank.bottlenecks import Identity
from latentrank.linalg.principal import principal_directions
from latentrank.losses import Objective
from latentrank.models.autoencoder import Autoencoder
from latentrank.models.spec import Spec
from latentrank.nets import surgery


class PCA(Autoencoder):
    """`z = V^T (x - mean)`, `x' = mean + V z`: the best linear autoencoder (Eckart, Young 1936).

    Called proper orthogonal decomposition if `x` are fields. `V` are the leading principal
    directions of the training data; if the code is wider than the data, its last numbers are 0.

    Args:
        spec: input shape and width of the code.

    Example:
        >>> import latentrank
        >>> model = latentrank.build("pca", (3,), latent_dim=2, bounded=False)
        >>> x = torch.randn(50, 2) @ torch.randn(2, 3) + 5
        >>> model.solve(lambda: [x])
        >>> torch.allclose(model.eval()(x), x, atol=1e-4)
        True
    """

    trained_by = "closed form"

    def __init__(self, spec: Spec) -> None:
        size = math.prod(spec.input_shape)
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(size, spec.latent_dim))
        decoder = nn.Sequential(nn.Linear(spec.latent_dim, size), nn.Unflatten(1, spec.input_shape))
        super().__init__(encoder, Identity(spec.latent_dim), decoder, Objective(), spec)

    @torch.no_grad()
    def solve(self, batches: Callable[[], Iterable[Tensor]]) -> None:
        """Compute the weights from the training data.

        Args:
            batches: returns a fresh iterator over batches of training samples, `(B, *input_shape)`.
        """

        def rows() -> Iterator[Tensor]:
            return (x.flatten(1) for x in batches())

        down = cast(nn.Linear, surgery.output_layer(self.encoder))
        up = cast(nn.Linear, surgery.input_layer(self.decoder))
        mean, directions = principal_directions(rows, down.in_features, self.latent_dim)
        for parameter in self.parameters():
            parameter.zero_()
        k = directions.shape[1]
        down.weight[:k].copy_(directions.T)
        down.bias[:k].copy_(-directions.T @ mean)
        up.weight[:, :k].copy_(directions)
        up.bias.copy_(mean)
