"""What holds for every registered method, whatever it is."""

import copy
import pickle
import re

import numpy as np
import pytest
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.utils.parametrize import is_parametrized

import latentrank
from latentrank import methods
from latentrank.errors import InputError
from latentrank.losses import Term

ALL = methods.names()
# A GAN has no reconstruction: what speaks of one is tested in test_adversarial.py instead.
AUTOENCODERS = [name for name in ALL if methods.get(name).game is None]
# Those of which every code has the rank asked for; others only come to it by training.
OF_RANK_K = ["rrae", "rrae-adaptive", "rrae-weak", "vrrae"]
SHAPES = [(6,), (1, 33), (3, 9, 11), (1, 5, 6, 7)]


def build(name, shape=(6,), latent_dim=5, **options):
    torch.manual_seed(0)
    return latentrank.build(name, shape, latent_dim, **options)


def trained_model(name, shape=(6,), latent_dim=5, samples=20, **options):
    """A model that has seen data: finalized, in evaluation mode."""
    model = build(name, shape, latent_dim, **options)
    x = torch.rand(samples, *shape)
    model.finalize(lambda: x.split(8))
    return model.eval(), x


def total_loss(model, x) -> Tensor:
    index = torch.arange(len(x))
    return sum(model.losses(x, index).values(), torch.zeros(()))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_builds_for_every_kind_of_sample(name, shape):
    model = build(name, shape)
    x = torch.rand(4, *shape)
    assert model(x).shape == x.shape
    model.eval()
    z = model.encode(x)
    assert z.shape == (4, 5)
    assert model.decode(z).shape == x.shape
    assert torch.isfinite(model(x)).all()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("bounded", [True, False])
def test_every_parameter_receives_gradient(name, bounded):
    model = build(name, (1, 8, 8), bounded=bounded)
    total_loss(model, torch.rand(7, 1, 8, 8)).backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert missing == []


@pytest.mark.parametrize("name", ALL)
def test_perturbing_any_matrix_changes_what_the_model_computes(name):
    """No matrix is built, and perhaps penalised, but never applied."""
    learned = "learned_coefficients" in methods.get(name).options.model_fields
    model = build(name, **({"learned_coefficients": True} if learned else {}))
    model.bottleneck.prepare(9)
    x = torch.rand(9, 6)

    def outputs() -> Tensor:
        torch.manual_seed(1)
        # A copy, because spectral norms and running bases remember what they have seen.
        losses = copy.deepcopy(model).losses(x, torch.arange(9))
        return torch.stack([losses[name] for name in sorted(losses)])

    before = outputs()
    assert torch.equal(before, outputs())
    if not any(map(is_parametrized, model.modules())):  # torch does not pickle such modules
        model = pickle.loads(pickle.dumps(model))
        assert torch.equal(before, outputs())
    for parameter_name, parameter in model.named_parameters():
        kept = parameter.detach().clone()
        with torch.no_grad():
            parameter.add_(0.1 * torch.randn_like(parameter) + 0.05)
        assert not torch.equal(outputs(), before), parameter_name
        with torch.no_grad():
            parameter.copy_(kept)


@pytest.mark.parametrize("name", ALL)
def test_perturbing_any_matrix_of_the_bottleneck_changes_the_code(name):
    model, _ = trained_model(name)
    h = torch.randn(4, model.bottleneck.encoder_dim)
    before = model.bottleneck.encode(h).clone()
    training_only = {"log_variance.weight", "log_variance.bias", "coefficients"}
    training_only |= {"head.parametrizations.weight.original", "head.bias"}
    for parameter_name, parameter in model.bottleneck.named_parameters():
        if parameter_name in training_only:
            continue
        kept = parameter.detach().clone()
        with torch.no_grad():
            parameter.add_(0.1 * torch.randn_like(parameter))
        assert not torch.equal(model.bottleneck.encode(h), before), parameter_name
        with torch.no_grad():
            parameter.copy_(kept)


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_loss_falls_on_a_small_set(name):
    model = build(name, (12,), latent_dim=4)
    directions = torch.randn(3, 12)
    x = torch.sigmoid(torch.randn(32, 3) @ directions)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

    def error() -> float:
        model.finalize(lambda: [x])
        model.eval()
        value = float((model(x) - x).square().mean().detach())
        model.train()
        return value

    start = error()
    for _ in range(200):
        optimizer.zero_grad()
        model.losses(x, torch.arange(len(x)))["loss"].backward()
        optimizer.step()
    assert error() < 0.7 * start


@pytest.mark.parametrize("name", ALL)
def test_a_reloaded_model_gives_bit_equal_codes_and_reconstructions(name, tmp_path):
    model, x = trained_model(name, (1, 9, 7))
    again = latentrank.load(latentrank.save(model, tmp_path))
    assert torch.equal(again.encode(x), model.encode(x))
    assert torch.equal(again(x), model(x))
    assert again.rank() == model.rank()


@pytest.mark.parametrize("name", ALL)
def test_evaluation_is_deterministic_and_sees_one_sample_at_a_time(name):
    model, x = trained_model(name)
    together = model.encode(x)
    assert torch.equal(together, model.encode(x))
    alone = torch.cat([model.encode(row[None]) for row in x])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_linear_map_is_what_inference_applies(name):
    model, _ = trained_model(name)
    matrix = model.bottleneck.linear_map()
    h = torch.randn(7, model.bottleneck.encoder_dim)
    if matrix is None:
        # Then it must really not be linear: an affine map would keep this combination.
        g = torch.randn_like(h)
        a, b, middle = (model.bottleneck.encode(part) for part in (h, g, (h + g) / 2))
        assert not torch.allclose(middle, (a + b) / 2, atol=1e-6)
        return
    assert matrix.shape == (model.latent_dim, model.bottleneck.encoder_dim)
    torch.testing.assert_close(model.bottleneck.encode(h), h @ matrix.T, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(6,), (1, 9, 7)], ids=str)
def test_fold_changes_nothing_but_the_layers(name, shape, tmp_path):
    model, x = trained_model(name, shape)
    if model.bottleneck.linear_map() is None:
        with pytest.raises(InputError, match="linear"):
            model.fold()
        return
    folded = model.fold()
    torch.testing.assert_close(folded.encode(x), model.encode(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(folded(x), model(x), atol=1e-5, rtol=1e-5)
    assert list(folded.bottleneck.parameters()) == []
    again = latentrank.load(latentrank.save(folded, tmp_path))
    assert torch.equal(again(x), folded(x))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("tol", [1e-3, 0.05])
def test_compress_keeps_reconstructions_within_tolerance(name, tol, tmp_path):
    model, x = trained_model(name, (1, 9, 7))
    if model.bottleneck.linear_map() is None:
        with pytest.raises(InputError, match="linear"):
            model.compress(tol)
        return
    small = model.compress(tol, x=x)
    assert small.latent_dim <= model.latent_dim
    change = (small(x) - model(x)).norm() / model(x).norm()
    assert change.item() <= tol + 1e-5
    assert small.encode(x).shape == (len(x), small.latent_dim)
    again = latentrank.load(latentrank.save(small, tmp_path))
    assert torch.equal(again(x), small(x))
    size = sum(p.numel() for p in small.parameters())
    assert size <= sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", ALL)
def test_a_batch_of_one_trains(name):
    model = build(name)
    total_loss(model, torch.rand(1, 6)).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", OF_RANK_K)
def test_rank_may_exceed_the_batch_but_not_the_code(name):
    model = build(name, latent_dim=5, rank=4)
    total_loss(model, torch.rand(2, 6)).backward()
    with pytest.raises(InputError, match="rank is 6 with latent_dim 5"):
        build(name, latent_dim=5, rank=6)


@pytest.mark.parametrize("name", OF_RANK_K)
@pytest.mark.parametrize("k", [1, 3])
def test_rank_k_methods_have_codes_of_rank_k(name, k):
    model, x = trained_model(name, (1, 9, 7), rank=k)
    assert int(torch.linalg.matrix_rank(model.encode(x).double(), rtol=1e-5)) == k
    assert model.coefficients(x).shape == (len(x), k)
    basis = model.bottleneck.basis()
    torch.testing.assert_close(model.coefficients(x) @ basis.T, model.encode(x))


def kl_closed_form(model, x):
    """Through torch's own distributions, independent of the formula in the library."""
    mean, log_variance = model.encoder(x).chunk(2, dim=1)
    posterior = torch.distributions.Normal(mean, (log_variance / 2).exp())
    return (
        torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0))
        .sum(1)
        .mean()
    )


def kl_of_coefficients(model, x):
    mean, log_variance = model.bottleneck.posterior(model.encoder(x))
    posterior = torch.distributions.Normal(mean, (log_variance / 2).exp())
    return (
        torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0))
        .sum(1)
        .mean()
    )


def basis_misfit(model, x):
    h = model.encoder(x).double()
    u, _, _ = torch.linalg.svd(model.bottleneck.directions.double(), full_matrices=False)
    return (h - h @ u @ u.T).norm() / h.norm()


def squared_decoder(model, x):
    flat = torch.cat([p.detach().double().flatten() for p in model.decoder.parameters()])
    return flat.norm() ** 2 / 2


CLOSED_FORMS = {
    ("vae", "kl"): kl_closed_form,
    ("vrrae", "kl"): kl_of_coefficients,
    ("lorae", "nuclear_norm"): lambda m, x: np.linalg.svd(
        m.bottleneck.matrix.detach().double().numpy(), compute_uv=False
    ).sum(),
    ("ae-l1", "l1"): lambda m, x: m.encode(x).abs().sum() / len(x),
    ("ae-l2", "l2"): lambda m, x: m.encode(x).norm() ** 2 / len(x),
    ("rrae-weak", "basis_fit"): basis_misfit,
    ("rae-l2", "code"): lambda m, x: m.encode(x).norm() ** 2 / (2 * len(x)),
    ("rae-gp", "code"): lambda m, x: m.encode(x).norm() ** 2 / (2 * len(x)),
    ("rae-sn", "code"): lambda m, x: m.encode(x).norm() ** 2 / (2 * len(x)),
    ("rae-l2", "decoder_l2"): squared_decoder,
}


@pytest.mark.parametrize(("name", "term"), CLOSED_FORMS, ids=str)
def test_terms_agree_with_closed_forms(name, term):
    model, x = trained_model(name)
    value = model.losses(x)[term]
    torch.testing.assert_close(
        value.item(), CLOSED_FORMS[name, term](model, x).item(), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_the_loss_is_the_weighted_sum_of_its_named_terms(name):
    model, x = trained_model(name)
    torch.manual_seed(3)
    losses = model.losses(x, torch.arange(len(x)))
    scale = 1 / x[0].numel() if model.objective.weights_assume_sum else 1.0
    expected = losses["reconstruction"] + scale * sum(
        weight * losses[term] for term, weight in model.objective.weights.items()
    )
    torch.testing.assert_close(losses["loss"], expected)


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(InputError, match="did you mean 'lorae'"):
        latentrank.build("lorea", (6,), 3)
    with pytest.raises(InputError, match="did you mean 'penalty'"):
        latentrank.build("lorae", (6,), 3, penelty=1.0)
    with pytest.raises(InputError, match="Only one of encoder and decoder"):
        latentrank.build("ae", (6,), 3, encoder=torch.nn.Linear(6, 3))


def test_a_users_own_networks_take_the_place_of_the_familys(tmp_path):
    def networks():
        return torch.nn.Linear(6, 3), torch.nn.Sequential(torch.nn.Linear(3, 6), torch.nn.ReLU())

    encoder, decoder = networks()
    model = latentrank.build("lorae", (6,), 3, encoder=encoder, decoder=decoder).eval()
    x = torch.rand(4, 6)
    latentrank.save(model, tmp_path)
    with pytest.raises(InputError, match="pass them"):
        latentrank.load(tmp_path)
    encoder, decoder = networks()
    again = latentrank.load(tmp_path, encoder=encoder, decoder=decoder)
    assert torch.equal(again(x), model(x))
    folded = model.fold()
    torch.testing.assert_close(folded(x), model(x))
    latentrank.save(folded, tmp_path)
    encoder, decoder = networks()
    assert torch.equal(latentrank.load(tmp_path, encoder=encoder, decoder=decoder)(x), folded(x))


@pytest.fixture
def table(monkeypatch):
    """The table of methods, restored afterwards."""
    monkeypatch.setattr(methods.METHODS, "_values", dict(methods.METHODS._values))


def test_a_class_in_place_of_a_network_is_refused():
    with pytest.raises(InputError, match="call the class"):
        latentrank.build("ae", (6,), 2, encoder=torch.nn.Identity, decoder=torch.nn.Identity())


def test_a_users_own_method_is_as_good_as_any(table, tmp_path):
    class Options(methods.ReconstructionOptions):
        penalty: float = Field(0.5, ge=0, description="weight of the largest number")

    size = Term("size", "penalty", lambda z, decoder: z.abs().max())
    methods.register(methods.Method("mine", "Small codes.", "nowhere", Options, terms=(size,)))
    assert methods.names() == [*ALL, "mine"]
    model, x = trained_model("mine", penalty=0.25)
    losses = model.losses(x)
    expected = losses["reconstruction"] + 0.25 * model.encode(x).abs().max()
    torch.testing.assert_close(losses["loss"], expected)
    again = latentrank.load(latentrank.save(model, tmp_path))
    assert torch.equal(again.encode(x), model.encode(x))
    del methods.METHODS._values["mine"]  # as in another process
    with pytest.raises(InputError, match=r"has the method 'mine', which is not registered here"):
        latentrank.load(tmp_path)


def test_register_refuses_a_name_that_is_taken_and_a_weight_that_nobody_can_give(table):
    with pytest.raises(InputError, match="The method 'lorae' already exists; choose another"):
        methods.register(methods.Method("lorae", "", ""))
    with pytest.raises(InputError, match="the option 'penalty', which it does not have; add it"):
        methods.register(methods.Method("mine", "", "", terms=(Term("size", "penalty"),)))
    assert methods.names() == ALL


@pytest.mark.parametrize(
    ("method", "options", "told"),
    [
        ("lorae", {"penalty": "x"}, "'x', expected a number of at least 0, such as 0.001"),
        ("lorae", {"penalty": True}, "penalty is True, expected a number"),
        ("lorae", {"penalty": -1.0}, "penalty is -1.0, expected a number of at least 0"),
        ("lorae", {"penalty": float("nan")}, "penalty is nan, expected a number of at least 0"),
        ("irmae", {"depth": 2.5}, "depth is 2.5, expected an integer from 1 to 1000, such as 4"),
        ("irmae", {"fixed": 1}, "fixed is 1, expected true or false"),
        ("vae", {"beta": None}, "beta is None, expected a number"),
        ("ae", {"latent_dim": 2.5}, "latent_dim is 2.5, expected an integer"),
        ("ae", {"latent_dim": 2**40}, "latent_dim is 1099511627776, expected an integer from 1 to"),
    ],
)
def test_options_of_the_wrong_kind_are_refused_in_a_sentence(method, options, told):
    with pytest.raises(InputError, match=re.escape(told)):
        methods.build(method, (6,), **{"latent_dim": 3, **options})


def test_numbers_of_numpy_are_numbers(tmp_path):
    options = {"depth": np.int32(2), "init_variance": np.float32(2)}
    model = methods.build("irmae", (6,), np.int64(3), **options)
    again = latentrank.load(latentrank.save(model.eval(), tmp_path))
    assert again.spec == model.spec


@pytest.mark.parametrize("method", ["ae", "lorae", "rrae", "vae"])
def test_cross_entropy_is_of_probabilities(method):
    """Where the output were negative, the clamp of the logarithm would leave no gradient."""
    x = torch.rand(16, 1, 6, 6)
    model = latentrank.build(method, (1, 6, 6), 3, "mlp", reconstruction="bce")
    output = model(x)
    assert 0 < output.min() < output.max() < 1
    output.retain_grad()
    torch.nn.functional.binary_cross_entropy(output, x).backward()
    assert (output.grad != 0).all()
    with pytest.raises(InputError, match=r"data in \[0, 1\]"):
        latentrank.build(method, (6,), 3, bounded=False, reconstruction="bce")
