"""Networks for vectors: a few dense layers, the decoder mirroring the encoder."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import nn

Shape = tuple[int, ...]
Pair = tuple[nn.Sequential, nn.Sequential]

WIDEST = 256
NARROWEST = 64


def dense(widths: list[int], activation: type[nn.Module] = nn.ReLU) -> list[nn.Module]:
    """Dense layers with an activation between them, and none after the last.

    Args:
        widths: the sizes from input to output, at least two.
        activation: the class of the activation.

    Returns:
        The modules in order; `2 * len(widths) - 3` of them.

    Example:
        >>> [type(layer).__name__ for layer in dense([3, 8, 2])]
        ['Linear', 'ReLU', 'Linear']
    """
    layers: list[nn.Module] = []
    for size_in, size_out in pairwise(widths):
        layers += [nn.Linear(size_in, size_out), activation()]
    return layers[:-1]


def hidden_width(features: int) -> int:
    """The width of the hidden layers: 8 times the features, from 64 to 256.

    Args:
        features: numbers in one sample, at least 1.

    Returns:
        The width. 256 units are too many for a few features, and enough for many.

    Example:
        >>> hidden_width(3), hidden_width(20), hidden_width(784)
        (64, 160, 256)
    """
    return min(WIDEST, max(NARROWEST, 8 * features))


def mlp(input_shape: Shape, encoder_dim: int, latent_dim: int) -> Pair:
    """Two hidden layers with ReLU in encoder and decoder; any shape is flattened and restored.

    Args:
        input_shape: shape of one sample, `(F,)` or more axes.
        encoder_dim: numbers that the encoder returns per sample.
        latent_dim: numbers that the decoder takes per sample.

    Example:
        >>> encoder, decoder = mlp((5,), encoder_dim=4, latent_dim=2)
        >>> import torch
        >>> decoder(torch.zeros(3, 2)).shape
        torch.Size([3, 5])
    """
    features = math.prod(input_shape)
    width = hidden_width(features)
    return dense_pair(
        input_shape,
        [features, width, width, encoder_dim],
        [latent_dim, width, width, features],
    )


def dense_pair(
    input_shape: Shape,
    encoder_widths: list[int],
    decoder_widths: list[int],
    activation: type[nn.Module] = nn.ReLU,
) -> Pair:
    """An encoder and a decoder of dense layers for samples of any shape.

    Args:
        input_shape: shape of one sample.
        encoder_widths: the encoder's sizes, the first the product of `input_shape`.
        decoder_widths: the decoder's sizes, the last the product of `input_shape`.
        activation: the class of the activation.

    Example:
        >>> encoder, decoder = dense_pair((1, 6), [6, 4, 2], [2, 6])
        >>> import torch
        >>> decoder(encoder(torch.zeros(3, 1, 6))).shape
        torch.Size([3, 1, 6])
    """
    encoder = nn.Sequential(nn.Flatten(), *dense(encoder_widths, activation))
    decoder = nn.Sequential(*dense(decoder_widths, activation))
    if len(input_shape) > 1:
        decoder.append(nn.Unflatten(1, input_shape))
    return encoder, decoder
