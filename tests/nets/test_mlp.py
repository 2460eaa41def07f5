import pytest
import torch
from torch import nn

from latentrank.nets.mlp import dense, hidden_width, mlp


def test_dense_is_alternating_affine_maps_and_activations():
    first, _, second = layers = dense([3, 5, 2], nn.Softplus)
    x = torch.randn(4, 3)
    hidden = torch.log1p(torch.exp(x @ first.weight.T + first.bias))
    expected = hidden @ second.weight.T + second.bias
    torch.testing.assert_close(nn.Sequential(*layers)(x), expected)


@pytest.mark.parametrize("features", [1, 2, 7, 31, 32, 100, 784])
def test_hidden_width_grows_with_the_features_between_its_limits(features):
    assert 64 <= hidden_width(features) <= 256
    assert hidden_width(features) <= hidden_width(features + 1)


def test_parameter_count():
    encoder, decoder = mlp((40,), encoder_dim=6, latent_dim=3)
    count = [sum(p.numel() for p in net.parameters()) for net in (encoder, decoder)]
    # width 256: (40 + 1) 256 + (256 + 1) 256 + (256 + 1) 6, and (3 + 1) 256 + ... + (256 + 1) 40
    assert count == [10_496 + 65_792 + 1_542, 1_024 + 65_792 + 10_280]


@pytest.mark.parametrize("shape", [(1,), (5,), (2, 3), (1, 4, 4), (2, 2, 2, 2), (1, 2, 2, 2, 2)])
def test_any_shape_comes_back(shape):
    encoder, decoder = mlp(shape, 4, 2)
    assert encoder(torch.rand(3, *shape)).shape == (3, 4)
    assert decoder(torch.randn(3, 2)).shape == (3, *shape)
