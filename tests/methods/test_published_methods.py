"""Every method as its paper has it: the loss written out, and what else is part of it.

Nothing here is read off the table of methods: terms, weights and defaults stand in this file.
"""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from scipy.integrate import quad
from torch import nn

import latentrank
from latentrank import methods, nets
from latentrank.config import TrainConfig
from latentrank.data import Dataset, Split
from latentrank.training import fit

ROWS = [methods.get(name) for name in methods.names()]
AUTOENCODERS = [row.name for row in ROWS if not (row.game or row.closed_form)]
FEATURES, WIDTH, SAMPLES, K = 6, 4, 9, 2
OF_RANK_K = ("rrae", "rrae-adaptive", "rrae-weak", "vrrae")


class Seen(NamedTuple):
    """What went through a model in one training step, as arrays; `h` is the encoder's output."""

    x: np.ndarray
    h: np.ndarray
    z: np.ndarray
    output: np.ndarray
    start: np.ndarray | None
    model: nn.Module


# Reconstructions, each the sum over a sample, averaged over the batch.


def squared(seen):
    return ((seen.x - seen.output) ** 2).sum(1).mean()


def cross_entropy(seen):
    """`-log p(x | z)` of pixels that are one with the probability that the decoder gives."""
    log_one, log_zero = np.log(seen.output), np.log(1 - seen.output)
    return -(seen.x * log_one + (1 - seen.x) * log_zero).sum(1).mean()


def relative(seen):
    return np.linalg.norm(seen.x - seen.output) / np.linalg.norm(seen.x)


# Terms.


def l1(seen):
    return np.abs(seen.z).sum(1).mean()


def l2(seen):
    return (seen.z**2).sum(1).mean()


def half_l2(seen):
    return l2(seen) / 2


def half_decoder_l2(seen):
    return sum(float(p.detach().square().sum()) for p in seen.model.decoder.parameters()) / 2


def divergence(mean, log_variance):
    """KL of N(mean, exp(log_variance)) from N(0, I), averaged over the batch."""
    terms = mean**2 + np.exp(log_variance) - 1 - log_variance
    return 0.5 * terms.sum(1).mean()


def kl_of_codes(seen):
    """The encoder gives the means, and then the log-variances."""
    return divergence(seen.h[:, :WIDTH], seen.h[:, WIDTH:])


def kl_after_flow(seen):
    """`KL(q_0 || p) + mean(log p(z_0) - log p(z_K) - log|det dz_K / dz_0|)`, `p` = N(0, I)."""
    flow = seen.model.bottleneck.flow
    log_dets = [
        torch.linalg.slogdet(torch.autograd.functional.jacobian(lambda p: flow(p[None])[0][0], row))
        for row in torch.from_numpy(seen.start)
    ]
    log_det = np.array([float(value) for _, value in log_dets])
    change = ((seen.z**2).sum(1) - (seen.start**2).sum(1)) / 2 - log_det
    return kl_of_codes(seen) + change.mean()


def kl_of_coefficients(seen):
    """Log-variances do not depend on the code here (see `built`), so that no basis matters.

    The batch's squared coefficients add up to its squared leading singular values.
    """
    values = np.linalg.svd(seen.h, compute_uv=False)[:K]
    log_variance = seen.model.bottleneck.log_variance.bias.detach().numpy()
    constant = np.exp(log_variance) - 1 - log_variance
    return 0.5 * ((values**2).sum() / len(seen.h) + constant.sum())


def discrepancy(seen):
    """The squared MMD of the codes and N(0, I), in expectation over the draws from the latter.

    Kernels `C / (C + r^2)` are mixtures of Gaussian ones, `integral of exp(-t - t r^2 / C) dt`,
    of which the expectations are known.
    """
    value = 0.0
    between = seen.z[:, None] - seen.z[None]
    apart = (between**2).sum(2)[~np.eye(len(seen.z), dtype=bool)]
    for scale in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0):
        c = 2 * WIDTH * scale
        of_codes = np.mean(c / (c + apart))
        of_prior, _ = quad(lambda t, c=c: np.exp(-t) * (1 + 4 * t / c) ** (-WIDTH / 2), 0, np.inf)
        mixed = 0.0
        for size in (seen.z**2).sum(1):
            mixed += quad(
                lambda t, c=c, size=size: (
                    np.exp(-t - t * size / (c + 2 * t)) * (1 + 2 * t / c) ** (-WIDTH / 2)
                ),
                0,
                np.inf,
            )[0] / len(seen.z)
        value += of_codes + of_prior - 2 * mixed
    return value


def squared_jacobian(seen):
    """`||grad_z D(z)||^2`, in expectation over the directions that estimate it."""
    decoder = seen.model.decoder
    return np.mean(
        [
            float(torch.autograd.functional.jacobian(decoder, row[None]).square().sum())
            for row in torch.from_numpy(seen.z)
        ]
    )


def nuclear_norm(seen):
    return np.linalg.svd(seen.model.bottleneck.matrix.detach().numpy(), compute_uv=False).sum()


def basis_misfit(seen):
    """`||Y - U A|| / ||Y||`; the basis begins with this batch's best, which leaves the rest."""
    values = np.linalg.svd(seen.h, compute_uv=False)
    return np.linalg.norm(values[K:]) / np.linalg.norm(values)


class Loss(NamedTuple):
    """A reconstruction, and by option: its published weight, and the term it weighs.

    `on_sum`: the weights belong to a reconstruction that is summed over a sample.
    """

    reconstruction: object
    terms: dict
    on_sum: bool = False


PUBLISHED = {
    "ae": Loss(squared, {}),
    "ae-l1": Loss(squared, {"penalty": (1e-4, l1)}),
    "ae-l2": Loss(squared, {"penalty": (1e-4, l2)}),
    # The evidence bound: pixels are Bernoulli (Kingma and Welling 2014, appendix C.1), weight 1.
    "vae": Loss(cross_entropy, {"beta": (1.0, kl_of_codes)}, on_sum=True),
    "vae-flow": Loss(cross_entropy, {"beta": (1.0, kl_after_flow)}, on_sum=True),
    # Tolstikhin et al. 2018: lambda = 10 on MNIST.
    "wae": Loss(squared, {"penalty": (10.0, discrepancy)}, on_sum=True),
    # Ghosh et al. 2020; weights of the public code, in the units of these terms: 1e-4 on the mean
    # of 16 squares, and 1e-7 on the sum of squares, both halved here.
    "rae-l2": Loss(
        squared,
        {"penalty": (2 * 1e-4 / 16, half_l2), "decoder_penalty": (2 * 1e-7, half_decoder_l2)},
    ),
    "rae-gp": Loss(
        squared,
        {"penalty": (2 * 1e-4 / 16, half_l2), "decoder_penalty": (1e-4, squared_jacobian)},
    ),
    "rae-sn": Loss(squared, {"penalty": (2 * 1e-4 / 16, half_l2)}),
    # Nothing is penalised: depth alone, or the optimiser's weight decay, acts on the rank.
    "irmae": Loss(squared, {}),
    "irmae-wd": Loss(squared, {}),
    # Mazumder et al. 2024: lambda = 1e-3 on MNIST.
    "lorae": Loss(squared, {"penalty": (1e-3, nuclear_norm)}),
    # Mounayer et al. 2024: the truncation is all there is to the strong form; in the weak form
    # both terms are relative, with weight 1.
    "rrae": Loss(relative, {}),
    "rrae-adaptive": Loss(relative, {}),
    "rrae-weak": Loss(relative, {"penalty": (1.0, basis_misfit)}),
    # Mounayer et al. 2025: about 1e-3 against a relative reconstruction loss.
    "vrrae": Loss(relative, {"beta": (1e-3, kl_of_coefficients)}),
}
# In these a term is estimated with random draws; what stands above is its expectation.
ESTIMATED = ("wae", "rae-gp")


def test_every_autoencoder_has_its_loss_written_out():
    assert set(PUBLISHED) == set(AUTOENCODERS)


def built(name, bounded=True, **options):
    """A model in training, in double precision, with codes large enough for every term to tell."""
    torch.manual_seed(0)
    if name in OF_RANK_K:
        options["rank"] = K
    model = latentrank.build(name, (FEATURES,), WIDTH, bounded=bounded, **options).double()
    nets.output_layer(model.encoder).weight.data.mul_(10)
    if name == "vrrae":
        nn.init.zeros_(model.bottleneck.log_variance.weight)
    return model.train()


def a_step(model, x):
    """The losses of a batch, and what was seen on the way."""
    seen = {}

    def keep(**names):
        def hook(module, args, output):
            for name, value in {"args": args[0], "output": output}.items():
                if name in names:
                    seen.setdefault(names[name], value.detach().numpy())

        return hook

    hooks = [
        model.encoder.register_forward_hook(keep(output="h")),
        model.decoder.register_forward_hook(keep(args="z", output="output")),
    ]
    if hasattr(model.bottleneck, "maps"):
        hooks.append(model.bottleneck.maps[0].register_forward_hook(keep(args="start")))
    losses = model.losses(x, torch.arange(len(x)))
    for hook in hooks:
        hook.remove()
    return losses, Seen(x=x.numpy(), model=model, **{"start": None, **seen})


def expected_loss(loss, seen, weights, reduction):
    """And how much of it is estimated, if anything."""
    weighed = sum(weights[option] * term(seen) for option, (_, term) in loss.terms.items())
    # A mean over a sample's numbers divides its sum, and the weights that belong to the sum.
    averaged = FEATURES if reduction == "mean" and loss.reconstruction is not relative else 1
    return loss.reconstruction(seen) / averaged + weighed / (averaged if loss.on_sum else 1)


def assert_loss(name, model, x, loss, weights, reduction):
    losses, seen = a_step(model, x)
    expected = expected_loss(loss, seen, weights, reduction)
    if name not in ESTIMATED:
        assert losses["loss"].item() == pytest.approx(expected, rel=1e-9)
        return
    values = [float(model.losses(x)["loss"].detach()) for _ in range(200)]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values) - expected) < 4 * error


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", AUTOENCODERS)
def test_the_loss_is_that_of_the_paper_with_its_weights(name, reduction):
    loss = PUBLISHED[name]
    weights = {option: published for option, (published, _) in loss.terms.items()}
    # The mean is what is taken where nothing is said.
    options = {} if reduction == "mean" else {"reduction": "sum"}
    x = torch.rand(SAMPLES, FEATURES, dtype=torch.float64)
    assert_loss(name, built(name, **options), x, loss, weights, reduction)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", [name for name in AUTOENCODERS if PUBLISHED[name].terms])
def test_weights_that_are_given_weigh_each_its_own_term(name, reduction):
    loss = PUBLISHED[name]
    weights = {option: 0.3 + 0.4 * i for i, option in enumerate(loss.terms)}
    x = torch.rand(SAMPLES, FEATURES, dtype=torch.float64)
    model = built(name, reduction=reduction, **weights)
    assert_loss(name, model, x, loss, weights, reduction)


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_numbers_outside_0_and_1_are_no_probabilities_and_take_the_squared_error(name):
    """Except where the paper's error is relative: it is so on any data."""
    loss = PUBLISHED[name]
    if loss.reconstruction is cross_entropy:
        loss = loss._replace(reconstruction=squared)
    weights = {option: published for option, (published, _) in loss.terms.items()}
    x = 3 * torch.randn(SAMPLES, FEATURES, dtype=torch.float64)
    assert_loss(name, built(name, bounded=False), x, loss, weights, "mean")


@pytest.mark.parametrize(
    ("name", "options"),
    [(row.name, {}) for row in ROWS if not row.closed_form]
    + [(name, {"reconstruction": "mse"}) for name in AUTOENCODERS],
    ids=str,
)
def test_a_decoder_ends_in_tanh_and_a_vaes_in_a_sigmoid(name, options):
    lowest = 0 if name in ("vae", "vae-flow") else -1
    with torch.no_grad():
        output = built(name, **options).decode(1e4 * torch.randn(50, WIDTH, dtype=torch.float64))
    assert output.min().item() == pytest.approx(lowest, abs=1e-6)
    assert output.max().item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("shape", [(6,), (1, 9, 7)], ids=str)
def test_a_spectrally_normalised_decoder_does_not_grow_with_its_parameters(shape):
    """RAE-SN divides every layer's weight by its largest singular value (Ghosh et al. 2020)."""
    torch.manual_seed(0)
    decoder = latentrank.build("rae-sn", shape, WIDTH).decoder.train()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.mul_(10)
        for _ in range(60):  # a power iteration each
            decoder(torch.randn(2, WIDTH))
    layers = [layer for layer in decoder if hasattr(layer, "weight")]
    assert len(layers) > 1
    for layer in layers:
        weight = layer.weight.detach()
        if isinstance(layer, nn.ConvTranspose2d):  # of which the output channels stand second
            weight = weight.transpose(0, 1)
        largest = np.linalg.svd(weight.flatten(1).numpy(), compute_uv=False)[0]
        assert largest == pytest.approx(1, abs=0.02)


def test_a_spectrally_normalised_decoder_moves_no_further_than_its_codes():
    """Dense layers of norm one with ReLU and Tanh between them are Lipschitz, with constant one."""
    decoder = built("rae-sn").decoder
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.mul_(10)
        for _ in range(60):
            decoder(torch.randn(2, WIDTH).double())
        first, second = torch.randn(2, 500, WIDTH).double()
        moved = (decoder(first) - decoder(second)).norm(dim=1) / (first - second).norm(dim=1)
    assert float(moved.max()) < 1.01


class WithoutSlope(Callback):
    """Leaves the optimiser no gradient, and keeps what it makes of the parameters all the same."""

    def on_before_optimizer_step(self, trainer, module, optimizer):
        for parameter in module.parameters():
            parameter.grad.zero_()

    def on_train_batch_end(self, trainer, module, *args):
        self.parameters = [p.detach().clone() for p in module.parameters()]


@pytest.mark.parametrize(
    ("method", "settings", "decay"),
    [
        ("irmae-wd", {}, 1e-6),  # Zeng and Graham 2023
        ("irmae-wd", {"weight_decay": 0.01}, 0.01),
        ("irmae", {"weight_decay": 0.01}, 0.01),
        ("irmae", {}, 0.0),
    ],
    ids=str,
)
def test_training_takes_the_decay_off_every_parameter(method, settings, decay):
    """Gradient descent on `decay / 2 |w|^2` alone takes `rate decay w` off."""
    rate = 0.01 / decay if decay else 1.0  # large enough to be seen in single precision
    x = np.random.default_rng(0).uniform(size=(8, FEATURES)).astype(np.float32)
    torch.manual_seed(0)
    model = latentrank.build(method, (FEATURES,), WIDTH)
    before = [p.detach().clone() for p in model.parameters()]
    step = WithoutSlope()
    config = TrainConfig(steps=1, learning_rate=rate, optimizer="sgd", device="cpu", **settings)
    fit(model, Dataset("x", Split(x), Split(x)), config, progress=False, callbacks=[step])
    for start, end in zip(before, step.parameters, strict=True):
        torch.testing.assert_close(end, (1 - rate * decay) * start, rtol=1e-6, atol=0)


def test_the_decay_of_irmae_wd_acts_in_single_precision():
    """With AdamW, weights would be multiplied by 1 - 5e-10, which float32 rounds to 1."""
    x = np.random.default_rng(0).uniform(size=(32, FEATURES)).astype(np.float32)
    ends = {}
    for decay in (None, 0.0):
        torch.manual_seed(0)
        model = latentrank.build("irmae-wd", (FEATURES,), WIDTH)
        config = TrainConfig(steps=20, weight_decay=decay, device="cpu")
        fit(model, Dataset("x", Split(x), Split(x)), config, progress=False)
        ends[decay] = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert not torch.equal(ends[None], ends[0.0])
