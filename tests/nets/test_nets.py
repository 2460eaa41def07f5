from functools import partial

import pytest
import torch
from torch import nn

from latentrank import nets
from latentrank.errors import InputError

SHAPES = {
    "auto": (2, 9, 6),
    "shapes": (3, 32, 32),
    "mnist": (1, 32, 32),
    "celeba": (3, 64, 64),
    "rrae-mnist": (1, 28, 28),
    "curves": (1, 50),
    "conv": (1, 20),
    "mlp": (7,),
}
# CelebA's network has 30 million weights.
FAMILIES = [pytest.param(f, marks=[pytest.mark.slow] * (f == "celeba")) for f in SHAPES]


def test_every_family_has_a_shape_to_be_tested_with():
    assert set(SHAPES) == set(nets.families())


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_shapes_and_dtype(family, batch):
    shape = SHAPES[family]
    encoder, decoder = nets.build(family, shape, 10, 5)
    assert encoder(torch.rand(batch, *shape)).shape == (batch, 10)
    out = decoder(torch.randn(batch, 5))
    assert out.shape == (batch, *shape)
    assert out.dtype == torch.float32


@pytest.mark.parametrize("family", FAMILIES)
def test_code_of_one_number(family):
    shape = SHAPES[family]
    encoder, decoder = nets.build(family, shape, 1, 1)
    assert decoder(encoder(torch.rand(2, *shape))).shape == (2, *shape)


@pytest.mark.parametrize("family", FAMILIES)
def test_samples_do_not_see_each_other(family):
    shape = SHAPES[family]
    encoder, decoder = nets.build(family, shape, 5, 5)
    x = torch.rand(3, *shape)
    together = decoder(encoder(x))
    apart = torch.cat([decoder(encoder(x[i : i + 1])) for i in range(3)])
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_receives_gradient(family):
    shape = SHAPES[family]
    encoder, decoder = nets.build(family, shape, 6, 6, bounded_output="tanh")
    x = torch.rand(4, *shape)
    (decoder(encoder(x)) - x).square().mean().backward()
    for part in (encoder, decoder):
        for name, parameter in part.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name


@pytest.mark.parametrize("family", FAMILIES)
def test_same_seed_same_weights(family):
    def weights(seed):
        torch.manual_seed(seed)
        pair = nets.build(family, SHAPES[family], 4, 4)
        return torch.cat([p.flatten() for net in pair for p in net.parameters()])

    first = weights(1)
    assert torch.equal(first, weights(1))
    assert not torch.equal(first, weights(2))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("bound", "low", "high"), [("tanh", -1, 1), ("sigmoid", 0, 1)])
def test_bounded_output_stays_inside(family, bound, low, high):
    torch.manual_seed(3)
    _, free = nets.build(family, SHAPES[family], 4, 4)
    torch.manual_seed(3)
    _, bounded = nets.build(family, SHAPES[family], 4, 4, bounded_output=bound)
    z = 1000 * torch.randn(2, 4)
    with torch.no_grad():
        out = bounded(z)
        assert free(z).abs().max() > 1
        torch.testing.assert_close(out, getattr(torch, bound)(free(z)))
    assert low <= out.min()
    assert out.max() <= high


@pytest.mark.parametrize("family", FAMILIES)
def test_ends_are_linear_members_of_the_networks(family):
    encoder, decoder = nets.build(family, SHAPES[family], 4, 4, bounded_output="tanh")
    last, first = nets.output_layer(encoder), nets.input_layer(decoder)
    assert any(last is layer for layer in encoder)
    assert any(first is layer for layer in decoder)


def test_auto_takes_dense_layers_for_vectors_and_convolutions_otherwise():
    encoder, _ = nets.build("auto", (9,), 4, 4)
    assert not any(isinstance(layer, nn.Conv1d) for layer in encoder)
    for shape, kind in [((1, 9), nn.Conv1d), ((1, 9, 9), nn.Conv2d), ((1, 9, 9, 9), nn.Conv3d)]:
        encoder, _ = nets.build("auto", shape, 4, 4)
        assert isinstance(encoder[0], kind)


def test_unknown_family_names_the_nearest():
    with pytest.raises(InputError, match="There is no network 'mnits'; did you mean 'mnist'"):
        nets.build("mnits", (1, 32, 32), 4, 4)


def test_unknown_bound_names_the_nearest():
    with pytest.raises(InputError, match=r"There is no output bound 'sigmoidal'.*'sigmoid'"):
        nets.build("mlp", (3,), 4, 4, bounded_output="sigmoidal")


@pytest.mark.parametrize("shape", [(), (0,), (1, 0, 4)])
def test_empty_shape_is_refused(shape):
    with pytest.raises(InputError, match="expected axes of at least 1"):
        nets.build("auto", shape, 4, 4)


@pytest.mark.parametrize("name", ["encoder_dim", "latent_dim"])
def test_empty_code_is_refused(name):
    sizes = {"encoder_dim": 4, "latent_dim": 4} | {name: 0}
    with pytest.raises(InputError, match=f"{name} is 0, expected an integer of at least 1"):
        nets.build("auto", (3,), **sizes)


def test_a_network_that_returns_a_tuple_is_refused():
    class Both(nn.Linear):
        def forward(self, x):
            return super().forward(x), x

    with pytest.raises(InputError, match=r"encoder maps \(2, 3\) to a tuple, expected \(2, 2\)"):
        nets.check_pair(Both(3, 2), nn.Linear(2, 3), (3,), 2, 2)


@pytest.mark.parametrize("kind", [tuple, list])
def test_a_custom_family_returns_both_networks(kind, monkeypatch):
    def family(shape, encoder_dim, latent_dim):
        return kind([nn.Linear(*shape, encoder_dim), nn.Linear(latent_dim, *shape)])

    monkeypatch.setattr(nets.NETWORKS, "_values", {"mine": family})
    encoder, decoder = nets.build("mine", (3,), 2, 2)
    assert decoder(encoder(torch.zeros(4, 3))).shape == (4, 3)


def test_another_number_of_networks_is_refused_with_what_returned_it():
    with pytest.raises(InputError, match=r"partial.* returned 3 values, expected an encoder and"):
        nets.pair_of([1, 2, 3], partial(max, 1))


def test_evaluation_mode_is_left_again_by_each_part_for_its_own():
    frozen, other = nn.BatchNorm1d(3).eval(), nn.Dropout()
    both = nn.Sequential(frozen, other)  # in training mode, but for one part
    with nets.evaluating(both):
        assert not any(part.training for part in both.modules())
    assert [part.training for part in (both, frozen, other)] == [True, False, True]
