"""A family of networks."""

import math

from torch import nn


def tiny(
    input_shape: tuple[int, ...], encoder_dim: int, latent_dim: int
) -> tuple[nn.Sequential, nn.Sequential]:
    """One dense layer each way."""
    size = math.prod(input_shape)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(size, encoder_dim))
    decoder = nn.Sequential(nn.Linear(latent_dim, size), nn.Unflatten(1, input_shape))
    return encoder, decoder
