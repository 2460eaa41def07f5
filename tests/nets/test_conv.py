import math
from itertools import pairwise

import pytest
import torch

from latentrank.errors import InputError
from latentrank.nets.conv import conv, halved_grids

SHAPES = [
    *[(1, size) for size in (1, 2, 3, 4, 5, 6, 7, 8, 9, 63, 64, 65, 1000)],
    (3, 1001),
    *[(1, 1, 1), (2, 1, 9), (1, 4, 4), (1, 5, 5), (1, 8, 8), (3, 17, 23), (3, 28, 28)],
    *[(1, 2, 100), (1, 33, 5), (3, 32, 32)],
    *[(1, 1, 1, 1), (2, 9, 10, 11), (1, 16, 16, 16), (1, 3, 12, 5)],
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_size_comes_back_exactly(shape):
    encoder, decoder = conv(shape, encoder_dim=6, latent_dim=3)
    assert encoder(torch.rand(1, *shape)).shape == (1, 6)
    assert decoder(torch.randn(2, 3)).shape == (2, *shape)


@pytest.mark.parametrize("shape", [(1, 5), (1, 7), (1, 19), (2, 9, 13), (1, 5, 7, 11)], ids=str)
def test_every_output_and_every_input_counts(shape):
    encoder, decoder = conv(shape, 8, 8)
    x = torch.rand(16, *shape, requires_grad=True)
    encoder(x).square().sum().backward()
    assert x.grad.abs().sum(0).all()
    spread = decoder(torch.randn(64, 8)).std(0)
    assert spread.all()


@pytest.mark.parametrize("sizes", [(1,), (4,), (5,), (5000,), (17, 6), (2, 100), (9, 10, 11)])
def test_grids_halve_down_to_four(sizes):
    grids = halved_grids(sizes)
    assert grids[0] == sizes
    assert max(grids[-1]) <= 4
    assert len(grids) == 1 + max(1, math.floor(math.log2(max(sizes) / 5)) + 1)
    for fine, coarse in pairwise(grids):
        for large, small in zip(fine, coarse, strict=True):
            assert small == (large // 2 if large > 4 else large)


def test_channels_double_up_to_256():
    encoder, decoder = conv((3, 256, 256), 4, 4)
    down = [layer.out_channels for layer in encoder if hasattr(layer, "out_channels")]
    up = [layer.in_channels for layer in decoder if hasattr(layer, "in_channels")]
    assert down == [32, 64, 128, 256, 256, 256]
    assert up == down[::-1]


@pytest.mark.parametrize("shape", [(1, 1000), (1, 65, 65), (1, 16, 16, 16)], ids=str)
def test_signal_keeps_its_power_through_all_convolutions(shape):
    encoder, decoder = conv(shape, 16, 16)
    x = torch.randn(4, *shape)
    corner = decoder[1].unflattened_size
    assert 0.2 < encoder[:-2](x).square().mean() < 5
    assert 0.2 < decoder[2:](torch.randn(4, *corner)).square().mean() < 5


def test_samples_still_differ_after_eight_layers():
    # Through torch's own initial weights 1e-7 of the variance is left.
    encoder, decoder = conv((1, 1000), 16, 16)
    assert encoder[:-2](torch.randn(8, 1, 1000)).var(0).mean() > 0.01
    start = torch.randn(8, *decoder[1].unflattened_size)
    assert decoder[2:](start).var(0).mean() > 0.01


@pytest.mark.parametrize("shape", [(5,), (1, 2, 2, 2, 2)], ids=str)
def test_shapes_beyond_three_dimensions_are_refused(shape):
    with pytest.raises(InputError, match=r"'conv' takes samples of shape .* use the network 'mlp'"):
        conv(shape, 4, 4)


@pytest.mark.slow
def test_long_signals():
    encoder, decoder = conv((1, 5000), 6, 3)
    assert decoder(encoder(torch.rand(2, 1, 5000))[:, :3]).shape == (2, 1, 5000)
