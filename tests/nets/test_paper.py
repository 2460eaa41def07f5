import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from latentrank.errors import InputError
from latentrank.nets import build


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def conv(size_in, size_out, kernel):
    """Weights and biases of a square convolution, either way."""
    return size_in * size_out * kernel**2 + size_out


def linear(size_in, size_out):
    return size_in * size_out + size_out


@pytest.mark.parametrize(
    ("family", "shape", "latent", "encoder_count", "decoder_count"),
    [
        (
            "shapes",
            (3, 32, 32),
            32,
            [
                conv(3, 32, 4),
                conv(32, 64, 4),
                conv(64, 128, 4),
                conv(128, 256, 4),
                conv(256, 32, 2),
            ],
            [
                conv(32, 256, 2),
                conv(256, 128, 4),
                conv(128, 64, 4),
                conv(64, 32, 4),
                conv(32, 3, 4),
            ],
        ),
        (
            "mnist",
            (1, 32, 32),
            128,
            [
                conv(1, 32, 4),
                conv(32, 64, 4),
                conv(64, 128, 4),
                conv(128, 256, 4),
                linear(1024, 128),
            ],
            [linear(128, 8192), conv(128, 64, 4), conv(64, 32, 4), conv(32, 1, 1)],
        ),
        (
            "celeba",
            (3, 64, 64),
            16,
            [
                *[conv(3, 128, 4), conv(128, 256, 4), conv(256, 512, 4), conv(512, 1024, 4)],
                linear(16_384, 16),
            ],
            [
                *[linear(16, 65_536), conv(1024, 512, 4), conv(512, 256, 4), conv(256, 128, 4)],
                conv(128, 3, 1),
            ],
        ),
        (
            "rrae-mnist",
            (1, 28, 28),
            128,
            [
                *[conv(1, 32, 4), conv(32, 64, 4), conv(64, 128, 4), conv(128, 256, 4)],
                *[linear(256, 64), linear(64, 64), linear(64, 128)],
            ],
            [
                *[linear(128, 64), linear(64, 64), linear(64, 1568)],
                *[conv(32, 8, 4), conv(8, 1, 4)],
            ],
        ),
        (
            "curves",
            (1, 200),
            12,
            [linear(200, 64), linear(64, 12)],
            [linear(12, 64), *[linear(64, 64)] * 5, linear(64, 200)],
        ),
    ],
)
def test_parameters_layer_by_layer(family, shape, latent, encoder_count, decoder_count):
    encoder, decoder = build(family, shape, latent, latent)
    assert [parameters(layer) for layer in encoder if parameters(layer)] == encoder_count
    assert [parameters(layer) for layer in decoder if parameters(layer)] == decoder_count


def test_totals_computed_by_hand():
    totals = {
        ("shapes", (3, 32, 32), 32): (722_944, 722_915),
        ("mnist", (1, 32, 32), 128): (820_320, 1_220_737),
        ("rrae-mnist", (1, 28, 28), 128): (718_048, 118_569),
        ("curves", (1, 200), 12): (13_644, 34_632),
    }
    for (family, shape, latent), expected in totals.items():
        assert tuple(map(parameters, build(family, shape, latent, latent))) == expected


def weighted(net):
    return [(layer.weight, layer.bias) for layer in net if hasattr(layer, "weight")]


def test_shapes_written_out():
    encoder, decoder = build("shapes", (3, 32, 32), 32, 32, bounded_output="tanh")
    x, z = torch.rand(2, 3, 32, 32), torch.randn(2, 32)
    *convolutions, last = weighted(encoder)
    h = x
    for weight, bias in convolutions:
        h = F.relu(F.conv2d(h, weight, bias, stride=2, padding=1))
    assert h.shape == (2, 256, 2, 2)
    torch.testing.assert_close(encoder(x), F.conv2d(h, *last)[:, :, 0, 0])
    first, *convolutions = weighted(decoder)
    y = F.conv_transpose2d(z[:, :, None, None], *first)
    for weight, bias in convolutions:
        y = F.conv_transpose2d(F.relu(y), weight, bias, stride=2, padding=1)
    torch.testing.assert_close(decoder(z), torch.tanh(y))


@pytest.mark.parametrize(
    ("family", "shape", "corner", "start"),
    [
        ("mnist", (1, 32, 32), (256, 2, 2), (128, 8, 8)),
        ("celeba", (3, 64, 64), (1024, 4, 4), (1024, 8, 8)),
    ],
)
def test_mnist_and_celeba_written_out(family, shape, corner, start):
    encoder, decoder = build(family, shape, 8, 8)
    x, z = torch.rand(2, *shape), torch.randn(2, 8)
    *convolutions, last = weighted(encoder)
    h = x
    for weight, bias in convolutions:
        h = F.relu(F.conv2d(h, weight, bias, stride=2, padding=1))
    assert h.shape[1:] == corner
    torch.testing.assert_close(encoder(x), F.linear(h.reshape(2, -1), *last))
    first, *convolutions, last = weighted(decoder)
    y = F.relu(F.linear(z, *first)).reshape(2, *start)
    for weight, bias in convolutions:
        y = F.relu(F.conv_transpose2d(y, weight, bias, stride=2, padding=1))
    torch.testing.assert_close(decoder(z), F.conv_transpose2d(y, *last))


def test_rrae_mnist_written_out():
    encoder, decoder = build("rrae-mnist", (1, 28, 28), 8, 8)
    x, z = torch.rand(2, 1, 28, 28), torch.randn(2, 8)
    *convolutions, one, two, three = weighted(encoder)
    h = x
    for weight, bias in convolutions:
        h = F.relu(F.conv2d(h, weight, bias, stride=2, padding=1))
    h = F.softplus(F.linear(h.reshape(2, 256), *one))
    torch.testing.assert_close(encoder(x), F.linear(F.softplus(F.linear(h, *two)), *three))
    one, two, three, four, five = weighted(decoder)
    y = F.softplus(F.linear(F.softplus(F.linear(z, *one)), *two))
    y = F.linear(y, *three).reshape(2, 32, 7, 7)
    y = F.relu(F.conv_transpose2d(y, *four, stride=2, padding=1))
    y = F.conv_transpose2d(y, *five, stride=2, padding=1)
    torch.testing.assert_close(decoder(z), y)


def test_curves_written_out():
    encoder, decoder = build("curves", (1, 30), 4, 4)
    x, z = torch.randn(2, 1, 30), torch.randn(2, 4)
    one, two = weighted(encoder)
    torch.testing.assert_close(encoder(x), F.linear(F.softplus(F.linear(x[:, 0], *one)), *two))
    *hidden, last = weighted(decoder)
    y = z
    for weight, bias in hidden:
        y = F.softplus(F.linear(y, weight, bias))
    torch.testing.assert_close(decoder(z), F.linear(y, *last)[:, None])


def test_vae_encoder_is_twice_as_wide():
    encoder, decoder = build("shapes", (3, 32, 32), encoder_dim=64, latent_dim=32)
    assert encoder(torch.rand(1, 3, 32, 32)).shape == (1, 64)
    assert decoder(torch.randn(1, 32)).shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    ("family", "given", "expected", "remedy"),
    [
        ("shapes", (1, 32, 32), r"\(3, 32, 32\)", "conv"),
        ("mnist", (1, 28, 28), r"\(1, 32, 32\)", "conv"),
        ("celeba", (3, 32, 32), r"\(3, 64, 64\)", "conv"),
        ("rrae-mnist", (1, 32, 32), r"\(1, 28, 28\)", "conv"),
        ("curves", (2, 50), r"\(1, T\)", "conv"),
        ("curves", (50,), r"\(1, T\)", "mlp"),
        ("mnist", (1, 1, 1, 32, 32), r"\(1, 32, 32\)", "mlp"),
    ],
)
def test_wrong_shape_says_which_is_right_and_what_to_use(family, given, expected, remedy):
    message = f"'{family}' takes samples of shape {expected}, these have .*network '{remedy}'"
    with pytest.raises(InputError, match=message):
        build(family, given, 4, 4)
