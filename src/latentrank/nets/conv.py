"""Convolutional networks for signals, images and volumes of any size."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

from torch import Tensor, nn

from latentrank.errors import InputError
from latentrank.nets.mlp import Pair, Shape

SMALL = 4
FIRST_WIDTH = 32
WIDEST = 256

CONVOLUTIONS: tuple[type[nn.Module], ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED: tuple[type[nn.Module], ...] = (
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


def conv(input_shape: Shape, encoder_dim: int, latent_dim: int) -> Pair:
    """Convolutions of stride 2 down to a grid of at most 4 a side, then one dense layer.

    Axes shrink independently: one that is already small keeps its size while others are halved. The
    decoder passes through the encoder's sizes in reverse, so odd sizes are restored.

    Args:
        input_shape: `(C, T)`, `(C, H, W)` or `(C, D, H, W)`, every number at least 1.
        encoder_dim: numbers that the encoder returns per sample.
        latent_dim: numbers that the decoder takes per sample.

    Raises:
        InputError: when the shape has fewer than 2 or more than 4 axes.

    Example:
        >>> import torch
        >>> encoder, decoder = conv((3, 17, 23), encoder_dim=8, latent_dim=8)
        >>> decoder(encoder(torch.zeros(2, 3, 17, 23))).shape
        torch.Size([2, 3, 17, 23])
    """
    if not 2 <= len(input_shape) <= 4:
        raise InputError(
            "The network 'conv' takes samples of shape (C, T), (C, H, W) or (C, D, H, W), "
            f"these have {input_shape}; use the network 'mlp', which takes any shape."
        )
    grids = halved_grids(input_shape[1:])
    widths = [min(FIRST_WIDTH * 2**level, WIDEST) for level in range(len(grids) - 1)]
    channels = [input_shape[0], *widths]
    corner = (channels[-1], *grids[-1])
    down: list[nn.Module] = []
    up: list[nn.Module] = []
    for (shallow, deep), (fine, coarse) in zip(pairwise(channels), pairwise(grids), strict=True):
        down += [_shrinking(shallow, deep, fine, coarse), nn.ReLU()]
        up = [nn.ReLU(), _growing(deep, shallow, fine, coarse), *up]
    encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(math.prod(corner), encoder_dim))
    decoder = nn.Sequential(nn.Linear(latent_dim, math.prod(corner)), nn.Unflatten(1, corner), *up)
    return encoder, decoder


def halved_grids(sizes: Shape) -> list[Shape]:
    """The grids between the layers: every axis above 4 is halved, rounding down.

    Args:
        sizes: the sizes of the axes, each at least 1.

    Returns:
        At least two grids, the first `sizes` itself, the last with no axis above 4.

    Example:
        >>> halved_grids((17, 6))
        [(17, 6), (8, 3), (4, 3)]
        >>> halved_grids((2,))
        [(2,), (2,)]
    """
    grids = [sizes]
    while len(grids) == 1 or max(grids[-1]) > SMALL:
        grids.append(tuple(size // 2 if size > SMALL else size for size in grids[-1]))
    return grids


def _shrinking(channels_in: int, channels_out: int, fine: Shape, coarse: Shape) -> nn.Module:
    """The convolution from the fine grid to the coarse one."""
    kernel, stride, _ = _geometry(fine, coarse)
    layer = CONVOLUTIONS[len(fine) - 1](channels_in, channels_out, kernel, stride, 1)
    return _level(layer, channels_in * math.prod(kernel))


def _growing(channels_in: int, channels_out: int, fine: Shape, coarse: Shape) -> nn.Module:
    """The transposed convolution from the coarse grid to the fine one."""
    kernel, stride, rest = _geometry(fine, coarse)
    layer = TRANSPOSED[len(fine) - 1](channels_in, channels_out, kernel, stride, 1, rest)
    # An output of a transposed convolution depends on kernel / stride inputs along each axis.
    return _level(layer, channels_in * math.prod(kernel) // math.prod(stride))


def _level(layer: nn.Module, terms: int) -> nn.Module:
    """Initialise a layer so that it preserves the signal's power through the ReLU after it.

    Weights of variance `2 / terms` and no bias (He et al. 2015, eq. 10). A signal of 1000 points
    passes 8 layers each way; under torch's default initialisation its variation falls below the
    biases, and the decoder never leaves the mean curve.

    Args:
        layer: a convolution.
        terms: number of products summed in one output.
    """
    nn.init.normal_(cast(Tensor, layer.weight), std=math.sqrt(2 / terms))
    nn.init.zeros_(cast(Tensor, layer.bias))
    return layer


def _geometry(fine: Shape, coarse: Shape) -> tuple[Shape, Shape, Shape]:
    """Kernel, stride and output padding of each axis, for a padding of 1 on every axis.

    4 and 2 take n to floor(n / 2); 3 and 1 keep n. The output padding restores the row that
    rounding down dropped; the kernel covers it, so it is computed like every other.
    """
    halved = [small < large for large, small in zip(fine, coarse, strict=True)]
    kernel = tuple(4 if half else 3 for half in halved)
    stride = tuple(2 if half else 1 for half in halved)
    rest = tuple(size % 2 if half else 0 for size, half in zip(fine, halved, strict=True))
    return kernel, stride, rest
