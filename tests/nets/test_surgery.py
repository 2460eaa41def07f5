import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from latentrank.errors import InputError
from latentrank.nets import absorb_input, absorb_output, build, input_layer, output_layer, span

FAMILIES = {
    "shapes": (3, 32, 32),
    "mnist": (1, 32, 32),
    "celeba": (3, 64, 64),
    "rrae-mnist": (1, 28, 28),
    "curves": (1, 50),
    "conv": (2, 9, 7),
    "auto": (1, 20),
    "mlp": (7,),
}
E, L, K = 8, 6, 3
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


class Opaque(nn.Module):
    """A user's network that cannot be looked into."""

    def __init__(self, size_in, size_out):
        super().__init__()
        self.inner = nn.Linear(size_in, size_out)

    def forward(self, x):
        return torch.sin(self.inner(x))


def relative(got, wanted):
    return ((got - wanted).abs().max() / wanted.abs().max()).item()


def affine(rows, columns, dtype, with_offset=True):
    matrix = torch.randn(rows, columns, dtype=dtype) / columns**0.5
    return matrix, torch.randn(rows, dtype=dtype) if with_offset else None


def check_output(encoder, x, with_offset=True):
    old = encoder(x)
    matrix, offset = affine(K, old.shape[1], x.dtype, with_offset)
    new = absorb_output(encoder, matrix, offset)
    wanted = old @ matrix.T + (0 if offset is None else offset)
    # Terms cancel in a code, so rounding is in proportion to the terms and not to their sum.
    size_of_terms = old.abs() @ matrix.abs().T + (0 if offset is None else offset.abs())
    error = (new(x) - wanted).abs().max() / size_of_terms.max()
    # A float32 convolution adds its thousand terms one by one to the bias: 3e-6 over 20 seeds.
    slack = 10 if isinstance(output_layer(new), nn.Conv2d) and x.dtype == torch.float32 else 1
    assert error < slack * TOLERANCE[x.dtype]
    return new


def check_input(decoder, size, dtype, with_offset=True):
    matrix, offset = affine(size, K, dtype, with_offset)
    new = absorb_input(decoder, matrix, offset)
    c = torch.randn(5, K, dtype=dtype)
    wanted = decoder(c @ matrix.T + (0 if offset is None else offset))
    assert relative(new(c), wanted) < TOLERANCE[dtype]
    return new


@pytest.mark.parametrize("with_offset", [True, False])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    "family", [pytest.param(f, marks=[pytest.mark.slow] * (f == "celeba")) for f in FAMILIES]
)
@torch.no_grad()
def test_every_family_absorbs_without_growing(family, dtype, with_offset):
    shape = FAMILIES[family]
    encoder, decoder = (net.to(dtype) for net in build(family, shape, E, L, "tanh"))
    new_encoder = check_output(encoder, torch.rand(2, *shape, dtype=dtype), with_offset)
    new_decoder = check_input(decoder, L, dtype, with_offset)
    assert [type(m) for m in new_encoder] == [type(m) for m in encoder]
    assert len(new_decoder) == len(decoder)
    for old, new in ((encoder, new_encoder), (decoder, new_decoder)):
        size = [sum(p.numel() for p in net.parameters()) for net in (old, new)]
        bias_that_became_one_per_pixel = 3 * 256
        assert size[1] <= size[0] + bias_that_became_one_per_pixel


@pytest.mark.parametrize("family", ["shapes", "mlp"])
def test_what_was_given_stays_as_it_was(family):
    shape = FAMILIES[family]
    encoder, decoder = build(family, shape, E, L)
    before = copy.deepcopy((encoder.state_dict(), decoder.state_dict()))
    matrix, offset = affine(K, E, torch.float32)
    given = matrix.clone(), offset.clone()
    generator = torch.get_rng_state()
    new = (
        absorb_output(encoder, matrix, offset),
        absorb_input(decoder, torch.ones(L, K), torch.ones(L)),
    )
    assert torch.equal(torch.get_rng_state(), generator)
    assert torch.equal(matrix, given[0])
    assert torch.equal(offset, given[1])
    for net, state, changed in zip((encoder, decoder), before, new, strict=True):
        for name, value in net.state_dict().items():
            assert torch.equal(value, state[name])
        old_memory = {p.data_ptr() for p in net.parameters()}
        assert not old_memory & {p.data_ptr() for p in changed.parameters()}


@pytest.mark.parametrize("family", ["shapes", "mnist"])
def test_result_can_be_trained_and_absorb_again(family):
    encoder, decoder = build(family, FAMILIES[family], E, L)
    encoder = absorb_output(encoder, *affine(L, E, torch.float32))
    decoder = absorb_input(decoder, *affine(L, L, torch.float32))
    x = torch.rand(2, *FAMILIES[family])
    check_output(encoder, x)
    check_input(decoder, L, torch.float32)
    decoder(encoder(x)).square().mean().backward()
    assert all(p.grad is not None for net in (encoder, decoder) for p in net.parameters())


@pytest.mark.parametrize("training", [True, False])
def test_mode_is_kept(training):
    encoder, decoder = build("mnist", FAMILIES["mnist"], E, L)
    encoder.train(training), decoder.train(training)
    for new in (
        absorb_output(encoder, torch.ones(K, E)),
        absorb_input(decoder, torch.ones(L, K)),
        absorb_output(Opaque(E, E).train(training), torch.ones(K, E)),
        absorb_input(Opaque(E, E).train(training), torch.ones(E, K)),
    ):
        assert all(module.training is training for module in new.modules())


@pytest.mark.parametrize("with_offset", [True, False])
def test_structure_does_not_depend_on_values(with_offset):
    encoder = nn.Sequential(nn.Linear(4, E, bias=False))
    decoder = nn.Sequential(
        nn.Unflatten(1, (L, 1, 1)), nn.ConvTranspose2d(L, 3, 2, bias=False), nn.Flatten()
    )

    def structure(scale):
        offsets = (scale * torch.ones(K), scale * torch.ones(L)) if with_offset else (None, None)
        new_encoder = absorb_output(encoder, scale * torch.ones(K, E), offsets[0])
        new_decoder = absorb_input(decoder, scale * torch.ones(L, K), offsets[1])
        return str(new_encoder), str(new_decoder)

    assert structure(0.0) == structure(1.0)
    assert absorb_output(encoder, torch.ones(K, E))[0].bias is None


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("with_offset", [True, False])
@torch.no_grad()
def test_convolutions_on_one_place_in_every_dimension(bias, with_offset):
    convolutions = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    transposed = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    for axes, (down, up) in enumerate(zip(convolutions, transposed, strict=True), start=1):
        encoder = nn.Sequential(down(2, E, 3, bias=bias), nn.Flatten()).double()
        new = check_output(encoder, torch.rand(2, 2, *[3] * axes).double(), with_offset)
        assert type(new[0]) is down
        assert new[0].out_channels == K
        decoder = nn.Sequential(nn.Unflatten(1, (L, *[1] * axes)), up(L, 4, 3, bias=bias)).double()
        new = check_input(decoder, L, torch.float64, with_offset)
        assert [type(layer) for layer in new] == [nn.Linear, nn.Unflatten]
        assert (new[0].bias is not None) == (bias or with_offset)


@pytest.mark.parametrize(
    "decoder",
    [
        nn.Sequential(nn.Unflatten(1, (L, 1, 1)), nn.ConvTranspose2d(L, 4, 4, 2, 1)),
        nn.Sequential(
            nn.Unflatten(1, (L, 1, 1)), nn.ConvTranspose2d(L, 4, 3, 2, 1, output_padding=1)
        ),
        nn.Sequential(nn.Unflatten(1, (L, 1, 1)), nn.ConvTranspose2d(L, 4, 2, groups=2)),
        nn.Sequential(nn.Unflatten(1, (L, 1, 1)), nn.Conv2d(L, 4, 3, padding=1), nn.Tanh()),
        nn.Sequential(nn.Unflatten(1, (1, L)), nn.Linear(L, 4), nn.Tanh()),
    ],
)
@torch.no_grad()
def test_unusual_starts_are_merged(decoder):
    new = check_input(decoder.double(), L, torch.float64)
    assert isinstance(new[0], nn.Linear)
    assert new[0].in_features == K
    assert not any(isinstance(layer, nn.ConvTranspose2d | nn.Conv2d) for layer in new)


@pytest.mark.parametrize(
    "decoder",
    [
        Opaque(L, 4),
        nn.Sequential(nn.Tanh(), nn.Linear(L, 4)),
        nn.Sequential(nn.Unflatten(1, (2, 3)), nn.Linear(3, 4)),
        nn.Sequential(nn.Unflatten(1, (2, 3)), nn.ConvTranspose1d(2, 4, 3)),
        nn.Sequential(nn.Sequential(nn.Linear(L, 4)), nn.Tanh()),
    ],
)
@torch.no_grad()
def test_other_starts_get_a_linear_layer_before_them(decoder):
    new = check_input(decoder.double(), L, torch.float64)
    assert (new[0].in_features, new[0].out_features) == (K, L)


@pytest.mark.parametrize(
    "encoder",
    [
        Opaque(5, E),
        nn.Sequential(nn.Linear(5, E), nn.Tanh()),
        nn.Sequential(nn.Unflatten(1, (5, 1)), nn.Linear(1, 2), nn.Flatten()),
        nn.Sequential(nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 2, 2), nn.Flatten()),
        nn.Sequential(nn.Unflatten(1, (1, 5)), nn.ConvTranspose1d(1, 2, 2), nn.Flatten()),
        nn.Sequential(
            nn.Linear(5, 6), nn.Unflatten(1, (6, 1)), nn.Conv1d(6, 4, 1, groups=2), nn.Flatten()
        ),
    ],
)
@torch.no_grad()
def test_other_ends_get_a_linear_layer_after_them(encoder):
    new = check_output(encoder.double(), torch.rand(4, 5).double())
    assert isinstance(new[-1], nn.Linear)
    assert new[-1].out_features == K


def test_network_without_parameters():
    x, (matrix, offset) = torch.rand(4, 5), affine(K, 5, torch.float32)
    new = absorb_output(nn.Identity(), matrix, offset)
    torch.testing.assert_close(new(x), x @ matrix.T + offset)
    c, (matrix, offset) = torch.rand(4, K), affine(5, K, torch.float32)
    new = absorb_input(nn.Sequential(), matrix, offset)
    torch.testing.assert_close(new(c), c @ matrix.T + offset)


@torch.no_grad()
def test_convolution_keeps_its_geometry():
    layer = nn.Conv2d(2, E, 2, stride=2, padding=1, dilation=2, padding_mode="reflect", bias=False)
    encoder = nn.Sequential(layer, nn.Flatten()).double()
    x = torch.rand(3, 2, 2, 2).double()
    assert encoder(x).shape == (3, E)
    new = check_output(encoder, x)
    assert new[0].padding_mode == "reflect"


@pytest.mark.parametrize("training", [True, False])
@torch.no_grad()
def test_spectral_norm_at_the_ends_is_folded_as_it_acts_in_evaluation(training):
    encoder = nn.Sequential(spectral_norm(nn.Conv2d(2, E, 3)), nn.Flatten()).double()
    decoder = nn.Sequential(spectral_norm(nn.Linear(L, 4)), nn.Tanh()).double()
    matrix, offset = affine(K, E, torch.float64)
    new_encoder = absorb_output(encoder.train(training), matrix, offset)
    start, shift = affine(L, K, torch.float64)
    new_decoder = absorb_input(decoder.train(training), start, shift)
    encoder.eval(), decoder.eval()
    x, c = torch.rand(2, 2, 3, 3).double(), torch.randn(2, K).double()
    torch.testing.assert_close(new_encoder(x), encoder(x) @ matrix.T + offset)
    torch.testing.assert_close(new_decoder(c), decoder(c @ start.T + shift))


def test_layers_are_found_or_not():
    linear = nn.Linear(3, 3)
    assert output_layer(nn.Sequential(nn.ReLU(), linear, nn.Flatten())) is linear
    assert input_layer(nn.Sequential(nn.Unflatten(1, (1, 3)), linear, nn.ReLU())) is linear
    for net in (linear, nn.Sequential(), nn.Sequential(nn.Flatten()), Opaque(3, 3)):
        assert output_layer(net) is None
        assert input_layer(net) is None
    assert output_layer(nn.Sequential(linear, nn.Tanh())) is None
    assert input_layer(nn.Sequential(nn.Tanh(), linear)) is None


@pytest.mark.parametrize("absorb", [absorb_output, absorb_input])
def test_wrong_matrix_or_offset_is_refused(absorb):
    net = nn.Sequential(nn.Linear(4, 4))
    with pytest.raises(InputError, match=r"matrix to absorb has shape \(4,\), expected two axes"):
        absorb(net, torch.ones(4))
    with pytest.raises(InputError, match=r"matrix to absorb has shape \(4, 0\), expected two axes"):
        absorb(net, torch.ones(4, 0))
    with pytest.raises(InputError, match=r"offset to absorb has shape \(3,\), expected \(4,\)"):
        absorb(net, torch.ones(4, 4), torch.ones(3))


def test_a_dense_layer_on_each_row_of_a_sample_narrows_nothing():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3), nn.Flatten())
    codes = encoder(torch.randn(500, 20, 2))
    assert span(encoder, 60) == torch.linalg.matrix_rank(codes) == 60


class Cosine(nn.Linear):
    """A linear layer with a forward of its own."""

    def forward(self, x):
        return super().forward(nn.functional.normalize(x, dim=1))


class Shifted(nn.Sequential):
    """A sequence with a forward of its own."""

    def forward(self, x):
        return super().forward(x) + 1


def hooked(size_in, size_out):
    layer = nn.Linear(size_in, size_out)
    layer.register_forward_hook(lambda layer, inputs, output: 2 * output)
    return layer


def normalised(size_in, size_out):
    """As in many networks: a hook computes the weight before each call."""
    layer = nn.utils.weight_norm(nn.Linear(size_in, size_out))
    with torch.no_grad():
        layer.weight_g.mul_(3)
    return layer


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
@torch.no_grad()  # a weight that a hook computed with a gradient cannot be copied
@pytest.mark.parametrize("layer", [Cosine, hooked, normalised])
@pytest.mark.parametrize("sequence", [nn.Sequential, Shifted])
def test_what_is_more_than_its_class_is_left_as_it_is(layer, sequence):
    check_output(sequence(nn.Linear(4, 5), nn.ReLU(), layer(5, E)), torch.randn(9, 4))
    check_input(sequence(layer(L, 5), nn.ReLU(), nn.Linear(5, 4)), L, torch.float32)


@torch.no_grad()
def test_a_sequence_with_a_forward_of_its_own_is_left_as_it_is():
    encoder, decoder = Shifted(nn.Linear(4, E)), Shifted(nn.Linear(L, 4))
    check_output(encoder, torch.randn(9, 4))
    check_input(decoder, L, torch.float32)
