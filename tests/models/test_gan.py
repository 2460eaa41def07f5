"""The games of GANs against numpy, and the signs of a game that is lost."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from torch import nn

import latentrank
from latentrank import losses, methods
from latentrank.errors import InputError
from latentrank.losses import GAMES
from latentrank.methods import MethodOptions
from latentrank.models import gan as adversarial
from latentrank.models.gan import GAN, Health

NAMES = [name for name in methods.names() if methods.get(name).game]


def sigmoid(score):
    return 1 / (1 + np.exp(-score))


def scores():
    generator = np.random.default_rng(0)
    return generator.normal(1, 2, 7), generator.normal(-1, 2, 5)


def build(name="nsgan", shape=(6,), latent_dim=4):
    torch.manual_seed(0)
    return latentrank.build(name, shape, latent_dim)


def test_cross_entropy_agrees_with_numpy():
    real, fake = scores()
    expected = -np.log(sigmoid(real)).mean() - np.log(1 - sigmoid(fake)).mean()
    value = losses.cross_entropy(torch.from_numpy(real), torch.from_numpy(fake))
    assert float(value) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("loss", "of_one_score"),
    [
        (losses.saturating, lambda s: np.log(1 - sigmoid(s))),
        (losses.non_saturating, lambda s: -np.log(sigmoid(s))),
        (losses.least_squares_generator, lambda s: (s - 1) ** 2 / 2),
    ],
)
def test_generator_losses_agree_with_numpy(loss, of_one_score):
    _, fake = scores()
    expected = np.mean([of_one_score(score) for score in fake])
    assert float(loss(torch.from_numpy(fake))) == pytest.approx(expected)


def test_least_squares_agrees_with_numpy():
    real, fake = scores()
    expected = ((real - 1) ** 2).mean() / 2 + (fake**2).mean() / 2
    value = losses.least_squares(torch.from_numpy(real), torch.from_numpy(fake))
    assert float(value) == pytest.approx(expected)


@pytest.mark.parametrize("name", GAMES)
def test_a_better_score_for_fakes_is_less_loss_for_the_generator_and_more_for_the_other(name):
    game = GAMES[name]
    fake = torch.tensor([0.0, 0.3], requires_grad=True)
    (slope,) = torch.autograd.grad(game.generator(fake), fake)
    assert (slope < 0).all()
    (slope,) = torch.autograd.grad(game.discriminator(torch.zeros(2), fake + 0.1), fake)
    assert (slope > 0).all()


def test_only_the_saturating_loss_is_flat_where_the_discriminator_is_sure():
    slopes = {}
    for name, game in GAMES.items():
        fake = torch.tensor([-20.0], requires_grad=True)
        (slope,) = torch.autograd.grad(game.generator(fake), fake)
        slopes[name] = abs(float(slope))
    assert slopes["minimax"] < 1e-6
    assert slopes["non-saturating"] > 0.9
    assert slopes["least-squares"] > 0.9


@pytest.mark.parametrize("score", [-200.0, 200.0])
@pytest.mark.parametrize("name", GAMES)
def test_extreme_scores_give_finite_losses(name, score):
    sure = torch.full((3,), score)
    assert torch.isfinite(GAMES[name].discriminator(sure, -sure))
    assert torch.isfinite(GAMES[name].generator(sure))


@pytest.mark.parametrize("name", NAMES)
def test_each_network_receives_the_gradient_of_its_own_loss_alone(name):
    model = build(name)
    judge = [*model.encoder.parameters(), *model.bottleneck.parameters()]
    x = torch.rand(8, 6)
    # The spectral norm is refined in training mode; in evaluation both passes see the same.
    model.eval()
    torch.manual_seed(1)
    model.losses(x)["loss"].backward()

    torch.manual_seed(1)
    fake = model.decode(model.noise(8))
    game = GAMES[methods.get(name).game]
    of_judge = torch.autograd.grad(
        game.discriminator(model.score(x), model.score(fake.detach())), judge
    )
    of_generator = torch.autograd.grad(
        game.generator(model.score(fake)), list(model.decoder.parameters())
    )
    for parameter, gradient in zip(judge, of_judge, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    for parameter, gradient in zip(model.decoder.parameters(), of_generator, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_losses_are_named_and_add_up():
    losses = build().losses(torch.rand(3, 6))
    assert sorted(losses) == ["discriminator", "generator", "loss"]
    torch.testing.assert_close(losses["loss"], losses["discriminator"] + losses["generator"])


def test_frozen_gives_back_what_it_took_and_nothing_else():
    layer = nn.Linear(2, 2)
    layer.bias.requires_grad_(False)

    def fail_inside():
        with adversarial.frozen(layer):
            assert not layer.weight.requires_grad
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail_inside()
    assert layer.weight.requires_grad
    assert not layer.bias.requires_grad


def test_no_layer_of_the_discriminator_is_steeper_than_one():
    model = build("gan", (1, 9, 7)).train()
    for _ in range(20):
        model.score(torch.rand(4, 1, 9, 7))
    layers = [m for m in (*model.encoder, model.bottleneck.head) if hasattr(m, "weight")]
    assert len(layers) >= 3
    for layer in layers:
        norm = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
        torch.testing.assert_close(norm, torch.ones(()), atol=0.02, rtol=0)


def test_the_noise_is_standard_normal_and_of_the_models_type():
    model = build().double()
    z = model.noise(4000)
    assert z.dtype == torch.float64
    assert z.shape == (4000, 4)
    assert float(z.mean().abs()) < 0.05
    assert float(z.std()) == pytest.approx(1, abs=0.03)


def test_diversity_is_a_ratio_of_mean_distances():
    generated, real = torch.randn(9, 2, 3), 3 * torch.randn(7, 2, 3)
    expected = pdist(generated.flatten(1).numpy()).mean() / pdist(real.flatten(1).numpy()).mean()
    assert adversarial.diversity(generated, real) == pytest.approx(expected, rel=1e-5)
    assert adversarial.diversity(torch.ones(5, 3), torch.randn(5, 3)) == 0
    assert np.isnan(adversarial.diversity(torch.ones(1, 3), torch.ones(1, 3)))


class Constant(nn.Module):
    """A generator that has collapsed: every noise gives the same sample."""

    def __init__(self):
        super().__init__()
        self.sample = nn.Parameter(torch.full((6,), 0.5))

    def forward(self, z):
        return self.sample + 0 * z.sum(1, keepdim=True)


def collapsed_gan() -> GAN:
    return latentrank.build("gan", (6,), 4, encoder=nn.Linear(6, 4), decoder=Constant())


def test_a_constant_generator_is_found_to_have_collapsed():
    health = collapsed_gan().eval().health(torch.rand(50, 6))
    assert health.diversity == 0
    assert health.collapsed
    assert "collapsed" in health.warning
    assert "0 %" in health.warning


def test_a_generator_of_the_datas_own_spread_has_not_collapsed():
    model = latentrank.build("gan", (6,), 6, encoder=nn.Linear(6, 6), decoder=nn.Linear(6, 6))
    nn.init.eye_(model.decoder.weight)
    health = model.eval().health(torch.randn(200, 6))
    assert health.diversity == pytest.approx(1, abs=0.05)
    assert not health.collapsed


def test_health_is_deterministic_and_leaves_the_random_state_alone():
    model, x = build().eval(), torch.rand(20, 6)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = model.health(x)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.health(x) == first


def test_accuracy_counts_real_and_generated_samples():
    model = collapsed_gan().eval()
    model.game = adversarial.Game(losses.cross_entropy, losses.saturating, -1e9)
    assert model.health(torch.rand(4, 6)).accuracy == 0.5


def test_a_discriminator_that_is_never_wrong_is_reported():
    warning = Health(diversity=0.8, accuracy=1.0).warning
    assert "100 %" in warning
    assert "nsgan" in warning
    assert Health(diversity=0.8, accuracy=0.9).warning is None


def test_gans_have_no_options_of_a_reconstruction():
    assert methods.options("gan") == MethodOptions()
    with pytest.raises(InputError, match="reduction"):
        latentrank.build("gan", (6,), 4, reduction="sum")


@pytest.mark.parametrize("bounded", [True, False])
def test_generated_samples_are_bounded_where_data_are(bounded):
    model = latentrank.build("nsgan", (6,), 4, bounded=bounded)
    with torch.no_grad():
        model.decoder[-2 if bounded else -1].bias.add_(5.0)
        generated = model.decode(model.noise(50))
    assert bool((generated.abs() <= 1).all()) is bounded
