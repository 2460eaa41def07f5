"""Spectral normalisation of whole networks."""

import pytest
import torch
from torch import nn

from latentrank import nets
from latentrank.nets.spectral import spectrally_normalised


def layers(net):
    return [layer for layer in net if hasattr(layer, "weight")]


def matrix(layer):
    """The weight with one row per output channel, which a transposed convolution has second."""
    transposed = isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d))
    return (layer.weight.transpose(0, 1) if transposed else layer.weight).flatten(1)


@pytest.mark.parametrize("shape", [(6,), (1, 33), (3, 9, 11), (1, 5, 6, 7)], ids=str)
def test_every_layer_has_largest_singular_value_one(shape):
    _, decoder = nets.build("auto", shape, 4, 4)
    z = torch.randn(2, 4)
    before = decoder(z)
    assert spectrally_normalised(decoder) is decoder
    for _ in range(60):
        decoder(z)
    for layer in layers(decoder):
        value = torch.linalg.matrix_norm(matrix(layer), 2)
        torch.testing.assert_close(value, torch.ones(()), atol=0.02, rtol=0)
    assert decoder(z).shape == before.shape
    assert not torch.allclose(decoder(z), before)


def test_normalising_twice_is_normalising_once():
    net = spectrally_normalised(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)))
    names = list(net.state_dict())
    spectrally_normalised(net)
    assert list(net.state_dict()) == names


def test_evaluation_changes_nothing_and_the_direction_of_the_weight_stays():
    layer = nn.Linear(5, 3)
    weight = layer.weight.detach().clone()
    spectrally_normalised(layer).eval()
    first = layer.weight.detach().clone()
    layer(torch.randn(2, 5))
    assert torch.equal(layer.weight, first)
    torch.testing.assert_close(first / first.norm(), weight / weight.norm())
