"""Loss terms against numpy, double loops, exact Jacobians and finite differences."""

import numpy as np
import pytest
import torch
from torch import nn

from latentrank import losses as terms
from latentrank.errors import InputError
from latentrank.losses import Objective, Term


def pair(shape=(5, 2, 3)):
    generator = np.random.default_rng(0)
    return generator.uniform(0.05, 0.95, shape), generator.uniform(0, 1, shape)


def tensors(*arrays):
    return tuple(torch.from_numpy(array) for array in arrays)


def test_squared_error_is_summed_over_a_sample_and_averaged_over_the_batch():
    output, target = pair()
    expected = ((output - target) ** 2).sum((1, 2)).mean()
    assert float(terms.squared_error(*tensors(output, target))) == pytest.approx(expected)


def test_cross_entropy_agrees_with_numpy():
    output, target = pair()
    entropy = -(target * np.log(output) + (1 - target) * np.log(1 - output))
    value = terms.binary_cross_entropy(*tensors(output, target))
    assert float(value) == pytest.approx(entropy.sum((1, 2)).mean())


def test_cross_entropy_is_finite_where_a_sigmoid_has_rounded_to_0_or_1():
    output = torch.tensor([[0.0, 1.0]], requires_grad=True)
    value = terms.binary_cross_entropy(output, torch.tensor([[1.0, 0.0]]))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(output.grad).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_cross_entropy_of_half_precision_is_computed_in_float32(dtype):
    output, target = pair((64, 20))
    exact = terms.binary_cross_entropy(*tensors(output, target))
    half = terms.binary_cross_entropy(torch.from_numpy(output).to(dtype), tensors(target)[0])
    assert half.dtype == torch.float64
    assert float(half) == pytest.approx(float(exact), rel=1e-2)
    low = torch.from_numpy(output).to(dtype)
    assert terms.binary_cross_entropy(low, low).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("term", [terms.squared_error, terms.relative_error])
def test_errors_of_half_precision_are_summed_in_float32(term, dtype):
    """Sums over an image of this size and values are beyond float16."""
    output, target = ((10 * x).to(dtype).requires_grad_() for x in tensors(*pair((8, 3, 32, 32))))
    value, exact = term(output, target), term(output.double(), target.double())
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(exact.item(), rel=4 * torch.finfo(dtype).eps)
    (gradient,) = torch.autograd.grad(value, output)
    (expected,) = torch.autograd.grad(exact, output)
    difference = (gradient - expected).double().norm() / expected.double().norm()
    assert difference < 4 * torch.finfo(dtype).eps


def test_cross_entropy_has_its_gradient_however_wrong_an_output_is():
    """By the logit, it is the output minus the target."""
    logits = torch.tensor([[-60.0, -14.5, -2.0, 2.0, 14.5]], requires_grad=True)
    target = torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0]])
    outputs = torch.sigmoid(logits)
    terms.binary_cross_entropy(outputs, target).backward()
    expected = (outputs - target).detach()
    torch.testing.assert_close(logits.grad, expected, rtol=1e-5, atol=0)


def test_relative_error_is_a_ratio_of_norms_over_the_whole_batch():
    output, target = pair()
    expected = np.linalg.norm(output - target) / np.linalg.norm(target)
    assert float(terms.relative_error(*tensors(output, target))) == pytest.approx(expected)


def test_relative_error_of_a_perfect_fit_and_of_nothing_has_a_finite_gradient():
    for target in (torch.rand(3, 4), torch.zeros(3, 4)):
        output = target.clone().requires_grad_()
        terms.relative_error(output, target).backward()
        assert torch.isfinite(output.grad).all()


def test_the_error_of_a_batch_of_zeros_is_that_error_itself():
    """Such as a black image alone in the last batch: a ratio to it would drown all others."""
    output = torch.full((1, 4), 0.5, requires_grad=True)
    value = terms.relative_error(output, torch.zeros(1, 4))
    value.backward()
    assert float(value.detach()) == pytest.approx(1.0)
    assert output.grad.tolist() == [pytest.approx([0.5] * 4)]


@pytest.mark.parametrize(
    ("penalty", "of_one_code"),
    [
        (terms.l1, lambda z: np.abs(z).sum()),
        (terms.l2, lambda z: (z**2).sum()),
        (terms.half_l2, lambda z: np.linalg.norm(z) ** 2 / 2),
    ],
)
def test_penalties_on_the_code_are_averaged_over_the_batch(penalty, of_one_code):
    z = np.random.default_rng(0).normal(size=(6, 4))
    expected = np.mean([of_one_code(row) for row in z])
    assert float(penalty(torch.from_numpy(z), nn.Identity())) == pytest.approx(expected)


def test_decoder_l2_counts_every_parameter_of_the_decoder_once():
    decoder = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    flat = np.concatenate([p.detach().numpy().ravel() for p in decoder.parameters()])
    value = terms.decoder_l2(torch.zeros(1, 3), decoder)
    assert float(value.detach()) == pytest.approx((flat.astype(np.float64) ** 2).sum() / 2)
    value.backward()
    for parameter in decoder.parameters():
        torch.testing.assert_close(parameter.grad, parameter.detach())


@pytest.mark.parametrize("penalty", [terms.decoder_l2, terms.decoder_gradient])
def test_penalties_on_the_decoder_need_one(penalty):
    with pytest.raises(InputError, match=r"without a decoder; pass one"):
        penalty(torch.zeros(1, 2))


def mmd_by_loops(z, prior):
    """Sums over pairs, the self terms over pairs of two different points."""
    n, width = z.shape

    def kernel(a, b):
        squared = ((a - b) ** 2).sum()
        total = 0.0
        for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0):
            c = 2 * width * s
            total += c / (c + squared)
        return total

    value = 0.0
    for i in range(n):
        for j in range(n):
            value -= 2 * kernel(z[i], prior[j]) / n**2
            if i != j:
                value += (kernel(z[i], z[j]) + kernel(prior[i], prior[j])) / (n * (n - 1))
    return value


def test_mmd_agrees_with_a_double_loop():
    generator = np.random.default_rng(0)
    z, prior = generator.normal(1, 2, (9, 3)), generator.normal(size=(9, 3))
    value = terms.mmd(torch.from_numpy(z), prior=torch.from_numpy(prior))
    assert float(value) == pytest.approx(mmd_by_loops(z, prior), rel=1e-10)


def test_mmd_is_unbiased_around_zero_for_codes_from_the_prior():
    """A biased estimator, with the points' distance to themselves, would lie far above 0."""
    values = [float(terms.mmd(torch.randn(8, 2))) for _ in range(400)]
    error = np.std(values) / np.sqrt(len(values))
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 4 * error
    assert float(terms.mmd(torch.randn(200, 2) + 1)) > 0.1


def test_mmd_gradient_agrees_with_finite_differences_even_where_codes_coincide():
    z = torch.randn(5, 2, dtype=torch.float64)
    z[1] = z[0]
    prior = torch.randn(5, 2, dtype=torch.float64)
    z.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: terms.mmd(z, prior=prior), (z,))


def test_mmd_of_a_single_code_is_finite():
    z = torch.randn(1, 3, requires_grad=True)
    terms.mmd(z).backward()
    assert torch.isfinite(z.grad).all()


def test_mmd_is_not_computed_in_half_precision():
    z, prior = torch.randn(64, 16), torch.randn(64, 16)
    exact = terms.mmd(z.double(), prior=prior.double())
    with torch.autocast("cpu", torch.bfloat16):
        value = terms.mmd(z, prior=prior)
    # Three means of sums of seven kernels of at most 1; products in bfloat16 are 1e-3 off.
    assert float(value) == pytest.approx(float(exact), abs=1e-5)


def jacobian_penalty(decoder, z):
    """The exact squared Frobenius norm of each sample's Jacobian, averaged."""
    jacobians = [torch.autograd.functional.jacobian(decoder, row[None]) for row in z]
    return torch.stack([j.square().sum() for j in jacobians]).mean()


def draws(decoder, z, n):
    return torch.stack([terms.decoder_gradient(z, decoder).detach() for _ in range(n)])


@pytest.mark.parametrize(
    "decoder",
    [
        nn.Linear(3, 7),
        nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 5)),
        nn.Sequential(
            nn.Linear(3, 8),
            nn.Unflatten(1, (2, 2, 2)),
            nn.ReLU(),
            nn.ConvTranspose2d(2, 1, 4, 2, 1),
            nn.Tanh(),
        ),
    ],
    ids=["linear", "dense", "transposed"],
)
def test_decoder_gradient_is_the_squared_jacobian_in_expectation(decoder):
    z = torch.randn(4, 3)
    values = draws(decoder, z, 600)
    error = float(values.std()) / np.sqrt(len(values))
    assert abs(float(values.mean()) - float(jacobian_penalty(decoder, z))) < 4 * error


def test_decoder_gradient_of_a_linear_decoder_is_its_squared_frobenius_norm():
    decoder = nn.Linear(2, 3).double()
    z = torch.zeros(4000, 2, dtype=torch.float64)
    value = float(terms.decoder_gradient(z, decoder).detach())
    assert value == pytest.approx(float(decoder.weight.detach().square().sum()), rel=0.1)


def test_decoder_gradient_reaches_decoder_and_code_as_finite_differences_say():
    decoder = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    z = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)

    def penalty(z, *parameters):
        torch.manual_seed(1)

        def decode(point):
            names = [name for name, _ in decoder.named_parameters()]
            return torch.func.functional_call(
                decoder, dict(zip(names, parameters, strict=True)), point
            )

        return terms.decoder_gradient(z, decode)

    assert torch.autograd.gradcheck(penalty, (z, *decoder.parameters()))


def test_decoder_gradient_needs_no_gradient_mode_around_it():
    decoder = nn.Linear(2, 3)
    with torch.no_grad():
        assert torch.isfinite(terms.decoder_gradient(torch.randn(2, 2), decoder))


@pytest.mark.parametrize("game", terms.GAMES.values(), ids=terms.GAMES)
def test_the_threshold_is_the_best_score_where_real_and_generated_samples_are_alike(game):
    score = torch.tensor([game.threshold], requires_grad=True)
    (slope,) = torch.autograd.grad(game.discriminator(score, score), score)
    assert slope == 0


def losses(x, output, **settings):
    return Objective(**settings)(output, x, torch.ones(len(x), 3), {}, nn.Identity())


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("reconstruction", ["mse", "bce"])
def test_mean_reduction_divides_the_reconstruction_and_no_weight(reconstruction, batch):
    output, x = tensors(*pair((batch, 2, 3)))
    settings = {
        "reconstruction": reconstruction,
        "terms": [Term("l2", 0.5, terms.l2)],
    }
    mean, total = (losses(x, output, reduction=r, **settings) for r in ("mean", "sum"))
    torch.testing.assert_close(mean["reconstruction"] * 6, total["reconstruction"])
    torch.testing.assert_close(mean["loss"] - mean["reconstruction"], torch.tensor(1.5).double())
    torch.testing.assert_close(total["loss"] - total["reconstruction"], torch.tensor(1.5).double())


def test_weights_for_a_sum_keep_their_meaning_under_the_mean():
    output, x = tensors(*pair((4, 2, 3)))
    settings = {"terms": [Term("l2", 0.5, terms.l2)], "weights_assume_sum": True}
    mean, total = (losses(x, output, reduction=r, **settings) for r in ("mean", "sum"))
    torch.testing.assert_close(mean["loss"] * 6, total["loss"])
    assert float(mean["l2"]) == float(total["l2"]) == 3.0


@pytest.mark.parametrize("weights_assume_sum", [True, False])
def test_the_relative_error_knows_neither_sum_nor_mean(weights_assume_sum):
    output, x = tensors(*pair((4, 2, 3)))
    settings = {
        "reconstruction": "relative",
        "terms": [Term("l2", 0.5, terms.l2)],
        "weights_assume_sum": weights_assume_sum,
    }
    mean, total = (losses(x, output, reduction=r, **settings) for r in ("mean", "sum"))
    assert float(mean["loss"]) == float(total["loss"])
    expected = np.linalg.norm(output - x) / np.linalg.norm(x)
    assert float(mean["reconstruction"]) == pytest.approx(expected)
    assert float(mean["loss"]) == pytest.approx(expected + 1.5)


def test_a_term_without_weight_is_reported_and_not_added():
    output, x = tensors(*pair((4, 3)))
    found = losses(x, output, terms=[Term("l1", 0.0, terms.l1)])
    assert float(found["l1"]) == 3.0
    assert float(found["loss"]) == float(found["reconstruction"])


def test_the_bottlenecks_own_terms_are_weighed_by_name():
    output, x = tensors(*pair((4, 3)))
    terms = {"kl": torch.tensor(2.0), "other": torch.tensor(5.0)}
    found = Objective(terms=[Term("kl", 0.25)])(output, x, x, terms, nn.Identity())
    assert float(found["loss"] - found["reconstruction"]) == pytest.approx(0.5)
    assert float(found["other"]) == 5.0


def test_unknown_reconstruction_and_reduction_suggest_the_nearest():
    with pytest.raises(InputError, match="did you mean 'mse'"):
        Objective(reconstruction="mze")
    with pytest.raises(InputError, match="did you mean 'mean'"):
        Objective(reduction="maen")


def test_complex_parameters_of_a_decoder_count_as_their_parts():
    decoder = nn.Linear(2, 1, bias=False, dtype=torch.complex64)
    with torch.no_grad():
        decoder.weight.copy_(torch.tensor([[3 + 4j, 2j]]))
    value = terms.decoder_l2(torch.zeros(1, 2), decoder)
    assert value.item() == pytest.approx((25 + 4) / 2)
