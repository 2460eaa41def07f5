"""VRRAE's posterior: moments of the noise, and one basis from batch to batch."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes

from latentrank.bottlenecks import GaussianSVD, gaussian_svd

WIDTH, K = 6, 2

# Bases are turned to the last one to no more digits than these, in double precision too.
TURNED = {"rtol": 0, "atol": 1e-4}


def bottleneck(rank=K, constant=None):
    """In training; with a log-variance that depends on the code, or of constant entries."""
    made = GaussianSVD(WIDTH, rank).double().train()
    with torch.no_grad():
        if constant is None:
            torch.nn.init.normal_(made.log_variance.weight, std=0.5)
            torch.nn.init.normal_(made.log_variance.bias)
        else:
            made.log_variance.weight.zero_()
            made.log_variance.bias.copy_(torch.tensor(constant))
    return made


def encodings(samples=12):
    """Of full rank, not centred, with singular values far apart."""
    return torch.randn(samples, WIDTH).double() @ torch.arange(WIDTH, 0, -1).double().diag() + 1


def in_a_plane(samples=10, seed=1):
    """Encodings that lie in one plane, and its orthonormal basis."""
    generator = torch.Generator().manual_seed(seed)
    plane = torch.linalg.qr(torch.randn(WIDTH, K, generator=generator).double())[0]
    return torch.randn(samples, K, generator=generator).double(), plane


def cut(h, k=K):
    """`sum_{i <= k} s_i u_i v_i^T`, and `v_1 ... v_k` in columns."""
    u, s, vt = np.linalg.svd(h.numpy(), full_matrices=False)
    return torch.from_numpy((u[:, :k] * s[:k]) @ vt[:k]), torch.from_numpy(vt[:k].T)


def basis_in_use(made, h, k=K):
    """The directions `U` that a batch's coefficients are of, from `a = z U`."""
    mean = made.posterior(h)[0].detach()
    return torch.linalg.pinv(cut(h, k)[0], rtol=1e-8) @ mean


def test_coefficients_are_those_of_the_cut_batch_in_an_orthonormal_basis_of_its_span():
    made, h = bottleneck(), encodings()
    truncated, directions = cut(h)
    mean, log_variance = made.posterior(h)
    basis = basis_in_use(made, h)
    torch.testing.assert_close(basis.T @ basis, torch.eye(K).double())
    torch.testing.assert_close(basis @ basis.T, directions @ directions.T)
    torch.testing.assert_close(mean @ basis.T, truncated)
    weight, bias = made.log_variance.weight, made.log_variance.bias
    expected = torch.stack([weight @ a + bias for a in mean])
    torch.testing.assert_close(log_variance, expected)


def noise(made, h, k=K):
    """What training adds to the cut batch."""
    return made(h).z.detach() - cut(h, k)[0]


def test_training_adds_gaussian_noise_of_the_posteriors_variance_inside_the_span():
    """With constant variances, those of the noise are known in whatever basis it is drawn."""
    log_variances = [-2.0, 0.7]
    h = encodings(20_000)
    added = noise(bottleneck(constant=log_variances), h)
    directions = cut(h)[1]
    torch.testing.assert_close(added @ directions @ directions.T, added)
    inside = (added @ directions).numpy()
    assert (np.abs(inside.mean(0)) < 4 * inside.std(0) / math.sqrt(len(h))).all()
    variances = np.linalg.eigvalsh(np.cov(inside.T))
    # The variance of n normal numbers varies by 2 / n of its square.
    np.testing.assert_allclose(variances, np.exp(log_variances), rtol=4 * math.sqrt(2 / len(h)))


def test_each_coefficients_noise_has_its_own_deviation():
    made, h = bottleneck(), encodings(20_000) / WIDTH
    added = noise(made, h)
    _, log_variance = made.posterior(h)
    standard = added @ basis_in_use(made, h) / (log_variance.detach() / 2).exp()
    error = ((1 + torch.eye(K)) / len(h)).sqrt()
    assert ((torch.cov(standard.T) - torch.eye(K)).abs() < 4 * error).all()


def test_noise_differs_from_draw_to_draw_and_from_sample_to_sample():
    made = bottleneck(constant=[0.0, 0.0])
    row = encodings(1)
    h = row.expand(3, WIDTH)
    first, second = made(h).z, made(h).z
    assert not torch.allclose(first, second)
    assert not torch.allclose(first[0], first[1])


def test_the_divergence_is_the_gaussians_over_the_k_coefficients():
    log_variances = [-2.0, 0.7]
    h = encodings()
    # `1/2 sum(a^2 + v - 1 - log v)`, and the squared coefficients of the whole batch add up to
    # its squared singular values.
    squared = np.linalg.svd(h.numpy(), compute_uv=False)[:K] ** 2
    constant = np.exp(log_variances) - 1 - np.array(log_variances)
    expected = 0.5 * (squared.sum() / len(h) + constant.sum())
    assert bottleneck(constant=log_variances)(h).terms["kl"].item() == pytest.approx(expected)


def test_the_gradient_through_the_mean_is_that_of_the_truncation():
    """Against autograd through torch's own decomposition, with noise too small to matter."""
    made, target = bottleneck(constant=[-90.0, -90.0]), encodings()
    h = encodings().requires_grad_()
    (made(h).z - target).square().sum().backward()
    again = h.detach().clone().requires_grad_()
    u, s, vt = torch.linalg.svd(again, full_matrices=False)
    ((u[:, :K] * s[:K]) @ vt[:K] - target).square().sum().backward()
    torch.testing.assert_close(h.grad, again.grad)


def test_the_gradient_through_the_deviation_reaches_its_map():
    """`z = a + eps std`, so a log-variance's slope is half the noise."""
    made, h = bottleneck(), encodings()
    added = made(h).z - cut(h)[0]
    basis = basis_in_use(made, h)
    expected = (added.detach() @ basis / 2).sum(0)
    (added @ basis).sum().backward()
    torch.testing.assert_close(made.log_variance.bias.grad, expected)


@pytest.mark.parametrize("most", [K, K + 1])
def test_a_sample_keeps_its_posterior_when_others_change_the_order_of_the_directions(most):
    """The same plane, once longest along one direction and once along the other.

    Also if one more direction could be kept, after a batch of a single sample, and in the end.
    """
    made = bottleneck(rank=most)
    made.rank = K
    codes, plane = in_a_plane()
    seen = []
    for stretch in ([5.0, 0.5], [0.5, 5.0], [-5.0, 0.5]):
        others = codes * torch.tensor(stretch)
        batch = torch.cat([codes[:3], others]) @ plane.T
        seen.append([part[:3].detach() for part in made.posterior(batch)])
        made(batch[:1])
    made.finalize([codes @ plane.T])
    seen.append([part[:3].detach() for part in made.eval().posterior(batch)])
    for mean, log_variance in seen[1:]:
        torch.testing.assert_close(mean, seen[0][0])
        torch.testing.assert_close(log_variance, seen[0][1])


def test_a_batch_is_drawn_with_the_deviations_its_directions_had_before():
    """The same in what the decoder sees: along each direction, noise of one deviation."""
    made = bottleneck(constant=[-6.0, 1.0])
    codes, plane = in_a_plane(4000)
    spread = []
    for stretch in ([5.0, 0.5], [0.5, 5.0]):
        h = codes * torch.tensor(stretch) @ plane.T
        spread.append(torch.cov((noise(made, h) @ plane).T))
    largest = np.exp(1.0)
    assert float((spread[0] - spread[1]).abs().max()) < 8 * largest * math.sqrt(2 / 4000)


def test_a_batchs_basis_is_the_nearest_in_its_span_to_the_last_one():
    """The orthogonal Procrustes problem, which scipy solves."""
    made = bottleneck()
    last = basis_in_use(made, encodings())
    for _ in range(3):
        h = encodings()
        directions = cut(h)[1].numpy()
        rotation, _ = orthogonal_procrustes(directions, last.numpy())
        last = basis_in_use(made, h)
        np.testing.assert_allclose(last.numpy(), directions @ rotation, **TURNED)


def test_the_basis_of_all_encodings_is_turned_to_the_one_training_ended_with():
    made = bottleneck()
    codes, plane = in_a_plane()
    h = codes @ plane.T
    made(codes * torch.tensor([0.5, 5.0]) @ plane.T)
    trained = [part.detach() for part in made.posterior(h)]
    made.finalize([h[:4], h[4:]])
    for part, expected in zip(made.eval().posterior(h), trained, strict=True):
        torch.testing.assert_close(part.detach(), expected)


def test_a_reloaded_bottleneck_continues_in_the_basis_it_had():
    made, h = bottleneck(), encodings()
    for _ in range(3):
        made(encodings())
    again = GaussianSVD(WIDTH, K).double().train()
    again.load_state_dict(made.state_dict())
    for part, expected in zip(again.posterior(h), made.posterior(h), strict=True):
        torch.testing.assert_close(part, expected)


def test_evaluation_projects_on_the_basis_of_all_encodings_and_draws_nothing():
    made = bottleneck()
    batches = [10 * encodings(), encodings(), encodings(3)]
    for batch in batches:
        made(batch)
    made.finalize(batches)
    made.eval()
    h = encodings()
    directions = cut(torch.cat(batches))[1]
    latent = made(h)
    torch.testing.assert_close(latent.z, h @ directions @ directions.T, **TURNED)
    assert torch.equal(latent.z, made.encode(h))
    assert torch.equal(latent.z, made(h).z)
    torch.testing.assert_close(made.basis() @ made.basis().T, directions @ directions.T, **TURNED)
    mean, log_variance = made.posterior(h)
    torch.testing.assert_close(mean, h @ made.basis())
    normal = torch.distributions.Normal
    divergence = torch.distributions.kl_divergence(
        normal(mean, (log_variance / 2).exp()), normal(0.0, 1.0)
    )
    torch.testing.assert_close(latent.terms["kl"], divergence.sum(1).mean())


@pytest.mark.filterwarnings("ignore:The model has no basis")
def test_without_a_basis_evaluation_takes_the_batchs_own_directions():
    made, h = bottleneck().eval(), encodings()
    truncated, directions = cut(h)
    torch.testing.assert_close(made(h).z, truncated)
    basis = basis_in_use(made, h)
    torch.testing.assert_close(basis @ basis.T, directions @ directions.T)


def test_training_continues_with_the_batchs_own_directions_after_a_basis_was_found():
    made, h = bottleneck(), encodings()
    made.finalize([encodings()])
    added, directions = noise(made, h), cut(h)[1]
    torch.testing.assert_close(added @ directions @ directions.T, added, **TURNED)


def test_training_takes_the_directions_of_all_processes_and_evaluation_waits_for_none(monkeypatch):
    h, others = encodings(), 3 * encodings()
    monkeypatch.setattr(gaussian_svd, "gather_rows", lambda rows: torch.cat([rows, others]))
    for training, rows in ((True, torch.cat([h, others])), (False, h)):
        basis, directions = bottleneck().train(training)._batch_basis(h), cut(rows)[1]
        torch.testing.assert_close(basis @ basis.T, directions @ directions.T)


def test_posteriors_start_narrow():
    """Noise of a deviation of one would drown codes, which are small before training."""
    _, log_variance = GaussianSVD(WIDTH, K).posterior(0.1 * torch.randn(12, WIDTH))
    assert float(log_variance.detach().max()) < math.log(0.25**2)


def test_a_lower_rank_keeps_and_draws_fewer_coefficients():
    made, h = bottleneck(rank=3), encodings(200)
    made(h)
    made.rank = 2
    added, directions = noise(made, h), cut(h)[1]
    assert int(torch.linalg.matrix_rank(added)) == 2
    torch.testing.assert_close(added @ directions @ directions.T, added, **TURNED)
    assert made.posterior(h)[0].shape == made.posterior(h)[1].shape == (200, 2)


def test_a_rank_that_grows_keeps_and_draws_in_the_span_of_the_batch():
    made, h = bottleneck(rank=3), encodings(200)
    made.rank = 1
    made(h)
    made.rank = 2
    added, directions = noise(made, h), cut(h)[1]
    torch.testing.assert_close(added @ directions @ directions.T, added, **TURNED)


def test_directions_that_a_small_batch_cannot_supply_are_those_of_the_last_one():
    made, h = bottleneck(rank=3), encodings(200)
    made(h)
    last = made._batch_basis(h)
    small = made._batch_basis(h[:2])
    rows = torch.linalg.qr(h[:2].T)[0]
    # what the two rows span, and the part of the last basis across it
    across = last - rows @ (rows.T @ last)
    expected = torch.linalg.matrix_rank(torch.cat([rows, small], dim=1), atol=1e-4)
    assert int(expected) == 3
    rest = small - rows @ (rows.T @ small)
    direction = torch.linalg.svd(rest)[0][:, :1]
    known = torch.linalg.svd(across)[0][:, : int(torch.linalg.matrix_rank(across, atol=1e-4))]
    torch.testing.assert_close(known @ (known.T @ direction), direction, **TURNED)


def test_in_mixed_precision_the_basis_stays_orthonormal():
    torch.manual_seed(0)
    bottleneck = GaussianSVD(16, rank=4).train()
    for _ in range(3):  # the first batch sets the basis, the others turn it
        with torch.autocast("cpu", torch.bfloat16):
            bottleneck(torch.randn(20, 16))
        basis = bottleneck._reference.double()
        # A few products in float32; in bfloat16, with 8 bits, the error would be about 4e-3.
        error = (basis.T @ basis - torch.eye(4).double()).abs().max()
        assert error < 100 * torch.finfo(torch.float32).eps
