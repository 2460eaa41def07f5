"""The networks of the papers, layer by layer.

- IRMAE (Jing, Zbontar, LeCun 2020) and LoRAE (Mazumder et al. 2023): `shapes`, `mnist`, `celeba`.
- RRAE (Mounayer et al. 2024): `rrae-mnist`, `curves`.

Each is a function of `input_shape`, the shape of a sample; `encoder_dim`, how many numbers the
encoder returns for a sample; and `latent_dim`, how many the decoder takes. It returns encoder and
decoder, and raises `InputError` for another shape than the one that it names.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise

from torch import nn

from latentrank.errors import InputError
from latentrank.nets.mlp import Pair, Shape, dense, dense_pair


def shapes(input_shape: Shape, encoder_dim: int, latent_dim: int) -> Pair:
    """The network for synthetic shapes, 3x32x32; its code is a 1x1 image of many channels.

    Example:
        >>> encoder, decoder = shapes((3, 32, 32), encoder_dim=32, latent_dim=32)
        >>> encoder[-2].weight.shape, decoder[1].weight.shape
        (torch.Size([32, 256, 2, 2]), torch.Size([32, 256, 2, 2]))
    """
    _require("shapes", input_shape, (3, 32, 32))
    encoder = nn.Sequential(
        *_halvings(3, 32, 64, 128, 256), nn.Conv2d(256, encoder_dim, 2), nn.Flatten()
    )
    decoder = nn.Sequential(
        nn.Unflatten(1, (latent_dim, 1, 1)),
        nn.ConvTranspose2d(latent_dim, 256, 2),
        nn.ReLU(),
        *_doublings(256, 128, 64, 32, 3)[:-1],
    )
    return encoder, decoder


def mnist(input_shape: Shape, encoder_dim: int, latent_dim: int) -> Pair:
    """The network for MNIST resized to 1x32x32.

    Example:
        >>> encoder, decoder = mnist((1, 32, 32), encoder_dim=128, latent_dim=128)
        >>> encoder[-1].in_features, decoder[0].out_features
        (1024, 8192)
    """
    _require("mnist", input_shape, (1, 32, 32))
    encoder = nn.Sequential(
        *_halvings(1, 32, 64, 128, 256), nn.Flatten(), nn.Linear(1024, encoder_dim)
    )
    decoder = nn.Sequential(
        nn.Linear(latent_dim, 128 * 8 * 8),
        nn.ReLU(),
        nn.Unflatten(1, (128, 8, 8)),
        *_doublings(128, 64, 32),
        nn.ConvTranspose2d(32, 1, 1),
    )
    return encoder, decoder


def celeba(input_shape: Shape, encoder_dim: int, latent_dim: int) -> Pair:
    """The network for CelebA cropped and resized to 3x64x64.

    Example:
        >>> encoder, decoder = celeba((3, 64, 64), encoder_dim=8, latent_dim=8)
        >>> encoder[-1].in_features, decoder[0].out_features
        (16384, 65536)
    """
    _require("celeba", input_shape, (3, 64, 64))
    encoder = nn.Sequential(
        *_halvings(3, 128, 256, 512, 1024), nn.Flatten(), nn.Linear(1024 * 4 * 4, encoder_dim)
    )
    decoder = nn.Sequential(
        nn.Linear(latent_dim, 1024 * 8 * 8),
        nn.ReLU(),
        nn.Unflatten(1, (1024, 8, 8)),
        *_doublings(1024, 512, 256, 128),
        nn.ConvTranspose2d(128, 3, 1),
    )
    return encoder, decoder


def rrae_mnist(input_shape: Shape, encoder_dim: int, latent_dim: int) -> Pair:
    """RRAE's network for MNIST at 1x28x28: 4x4 convolutions around dense layers of width 64.

    Two hidden layers with softplus on either side, ReLU between convolutions.

    Example:
        >>> encoder, decoder = rrae_mnist((1, 28, 28), encoder_dim=128, latent_dim=128)
        >>> encoder[-1].in_features, decoder[0].out_features
        (64, 64)
    """
    _require("rrae-mnist", input_shape, (1, 28, 28))
    encoder = nn.Sequential(
        *_halvings(1, 32, 64, 128, 256),  # 28, 14, 7, 3, 1 pixels a side
        nn.Flatten(),
        *dense([256, 64, 64, encoder_dim], nn.Softplus),
    )
    decoder = nn.Sequential(
        *dense([latent_dim, 64, 64, 32 * 7 * 7], nn.Softplus),
        nn.Unflatten(1, (32, 7, 7)),
        *_doublings(32, 8, 1)[:-1],
    )
    return encoder, decoder


def curves(input_shape: Shape, encoder_dim: int, latent_dim: int) -> Pair:
    """RRAE's network for curves: one hidden layer of width 64 to encode, six to decode.

    Curves have the shape `(1, T)` with any `T`; softplus stands between the dense layers.

    Example:
        >>> encoder, decoder = curves((1, 200), encoder_dim=12, latent_dim=12)
        >>> sum(isinstance(layer, nn.Softplus) for layer in decoder)
        6
    """
    if len(input_shape) != 2 or input_shape[0] != 1:
        raise _wrong_shape("curves", input_shape, "(1, T)")
    points = math.prod(input_shape)
    return dense_pair(
        input_shape,
        [points, 64, encoder_dim],
        [latent_dim, *[64] * 6, points],
        nn.Softplus,
    )


def _stack(kind: type[nn.Module], *channels: int) -> list[nn.Module]:
    """4x4 convolutions of stride 2, each followed by ReLU."""
    layers: list[nn.Module] = []
    for channels_in, channels_out in pairwise(channels):
        layers += [kind(channels_in, channels_out, 4, 2, 1), nn.ReLU()]
    return layers


#: Convolutions that halve each side, and transposed ones that double it.
_halvings, _doublings = partial(_stack, nn.Conv2d), partial(_stack, nn.ConvTranspose2d)


def _require(family: str, given: Shape, expected: Shape) -> None:
    """Raise InputError unless the samples have the shape that the family takes."""
    if given != expected:
        raise _wrong_shape(family, given, str(expected))


def _wrong_shape(family: str, given: Shape, expected: str) -> InputError:
    """The error for a family that does not take samples of this shape."""
    remedy = "conv" if 2 <= len(given) <= 4 else "mlp"
    return InputError(
        f"The network '{family}' takes samples of shape {expected}, these have {given}; "
        f"use the network '{remedy}', which takes any size."
    )
