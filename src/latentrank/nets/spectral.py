"""Spectral normalisation of a whole network."""

from __future__ import annotations

from torch import nn
from torch.nn.utils import parametrizations, parametrize

from latentrank.nets.conv import CONVOLUTIONS, TRANSPOSED


def spectrally_normalised(net: nn.Module) -> nn.Module:
    """Divide the weight of every dense layer and convolution by its largest singular value.

    A convolution's weight counts as the matrix of its output channels, as in Miyato et al.
    (2018), who find the value by one power iteration a step; evaluation leaves it as it is.

    Args:
        net: changed in place; layers that are already normalised are left alone.

    Returns:
        `net`.

    Example:
        >>> import torch
        >>> layer = nn.Linear(6, 4)
        >>> _ = torch.nn.init.normal_(layer.weight)
        >>> values = torch.linalg.svdvals(spectrally_normalised(layer).weight)
        >>> bool(values[0] < 1.1)
        True
    """
    for layer in list(net.modules()):
        normalisable = isinstance(layer, (nn.Linear, *CONVOLUTIONS, *TRANSPOSED))
        if normalisable and not parametrize.is_parametrized(layer, "weight"):
            parametrizations.spectral_norm(layer)
    return net
