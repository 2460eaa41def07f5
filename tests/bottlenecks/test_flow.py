"""Flows against the Jacobian that autograd finds, and the divergence against closed forms."""

import math

import numpy as np
import pytest
import torch

from latentrank.bottlenecks import FlowPosterior
from latentrank.bottlenecks.flow import InverseAutoregressive, Planar
from latentrank.bottlenecks.gaussian import gaussian_kl
from latentrank.errors import InputError


def log_determinants(transform, z):
    """Of each sample's Jacobian, by autograd."""
    rows = [
        torch.autograd.functional.jacobian(lambda p: transform(p[None])[0][0], row) for row in z
    ]
    return torch.stack([torch.linalg.slogdet(matrix)[1] for matrix in rows])


def far_from_the_identity(module):
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=1.5)
    return module.double()


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_planar_log_determinant_is_that_of_the_jacobian(dim):
    planar = far_from_the_identity(Planar(dim))
    z = torch.randn(6, dim, dtype=torch.float64)
    torch.testing.assert_close(planar(z)[1].detach(), log_determinants(planar, z))


def test_planar_maps_are_invertible_whatever_their_parameters():
    for seed in range(50):
        torch.manual_seed(seed)
        planar = Planar(3)
        for parameter in planar.parameters():
            torch.nn.init.normal_(parameter, std=5.0)
        u, product = (value.detach() for value in planar.corrected())
        assert float(planar.w.detach() @ u) > -1.0 - 1e-3
        assert float(product) > -1.0
        torch.testing.assert_close(planar.w.detach() @ u, product, atol=1e-4, rtol=1e-3)
        assert torch.isfinite(planar(5 * torch.randn(100, 3))[1]).all()


def test_a_planar_map_is_one_to_one_along_its_direction():
    planar = far_from_the_identity(Planar(2))
    along = planar.w.detach() / planar.w.detach().norm()
    z = torch.linspace(-4, 4, 400, dtype=torch.float64)[:, None] * along
    assert (planar(z)[0] @ along).diff().min() > 0


def test_a_planar_map_moves_points_along_u_by_their_signed_distance_from_a_plane():
    """Points with `w^T z = -b` stay; far from them, the move is `u` or, on the other side, `-u`."""
    planar = far_from_the_identity(Planar(3))
    w, b, u = planar.w.detach(), planar.b.detach(), planar.corrected()[0].detach()
    on_plane = -b * w / w.square().sum()
    z = on_plane + torch.tensor([[0.0], [50.0], [-50.0]]) * w / w.norm()
    moved = planar(z)[0].detach() - z
    torch.testing.assert_close(moved, torch.stack([0 * u, u, -u]))


def test_planar_directions_have_length_one_on_average_whatever_the_width():
    """`|w|^2` of 2000 numbers has a standard deviation of `sqrt(2 / 2000)`, about 0.03."""
    assert abs(float(Planar(2000).w.detach().square().sum()) - 1) < 0.2


@pytest.mark.parametrize("dim", [1, 2, 8])
def test_planar_maps_start_close_to_the_identity(dim):
    for _ in range(10):
        z = torch.randn(200, dim)
        with torch.no_grad():
            mapped, log_det = Planar(dim)(z)
        assert float((mapped - z).norm() / z.norm()) < 0.05
        assert float(log_det.abs().max()) < 0.2


@pytest.mark.parametrize("dim", [1, 2, 4])
@pytest.mark.parametrize("reverse", [False, True])
def test_iaf_log_determinant_is_that_of_the_jacobian(dim, reverse):
    pytest.importorskip("zuko")
    iaf = InverseAutoregressive(dim, reverse).double()
    z = torch.randn(5, dim, dtype=torch.float64)
    torch.testing.assert_close(iaf(z)[1].detach(), log_determinants(iaf, z))


@pytest.mark.parametrize("reverse", [False, True])
def test_iaf_moves_a_coordinate_by_those_before_it_only(reverse):
    pytest.importorskip("zuko")
    iaf = InverseAutoregressive(4, reverse)
    jacobian = torch.autograd.functional.jacobian(lambda p: iaf(p[None])[0][0], torch.randn(4))
    after = jacobian.tril(-1) if reverse else jacobian.triu(1)
    before = jacobian.triu(1) if reverse else jacobian.tril(-1)
    assert not after.any()
    assert before.any()


def test_iaf_takes_the_coordinates_in_alternating_order():
    pytest.importorskip("zuko")
    for number, iaf in enumerate(FlowPosterior(3, "iaf", flow_depth=5).maps):
        jacobian = torch.autograd.functional.jacobian(
            lambda p, f=iaf: f(p[None])[0][0], torch.randn(3)
        )
        assert bool(jacobian.triu(1).any()) == bool(number % 2)


def encodings(samples, dim):
    return torch.cat([torch.randn(samples, dim), 0.3 * torch.randn(samples, dim) - 1], dim=1)


def test_without_movement_the_divergence_is_the_gaussians():
    bottleneck = FlowPosterior(4, flow_depth=3)
    for step in bottleneck.maps:
        # w^T u = log(e - 1) is corrected to 0, and u = w log(e - 1) / |w|^2 to no movement.
        step.u.data = math.log(math.e - 1) * step.w.data / step.w.data.square().sum()
    h = encodings(7, 4)
    torch.testing.assert_close(bottleneck(h).terms["kl"], gaussian_kl(*h.chunk(2, dim=1)))
    torch.testing.assert_close(bottleneck.encode(h), h[:, :4])


def divergence_on_a_grid(bottleneck, h):
    """KL of the mapped density from N(0, 1), integrated over the line of `z_0`."""
    mean, log_variance = (float(v) for v in h[0].double())
    deviation = math.exp(log_variance / 2)
    start = torch.linspace(mean - 9 * deviation, mean + 9 * deviation, 40_001).double()[:, None]
    with torch.no_grad():
        z, log_det = bottleneck.flow(start)
    standard = torch.distributions.Normal(0.0, 1.0)
    log_q0 = torch.distributions.Normal(mean, deviation).log_prob(start[:, 0])
    integrand = log_q0.exp() * (log_q0 - log_det - standard.log_prob(z[:, 0]))
    return float(torch.trapezoid(integrand, start[:, 0]))


def test_the_divergence_is_that_of_the_mapped_density_in_expectation():
    bottleneck = far_from_the_identity(FlowPosterior(1, flow_depth=2))
    h = torch.tensor([[0.7, -0.9]], dtype=torch.float64)
    with torch.no_grad():
        values = [float(bottleneck(h.expand(500, 2)).terms["kl"]) for _ in range(40)]
    error = np.std(values) / math.sqrt(len(values))
    assert abs(np.mean(values) - divergence_on_a_grid(bottleneck, h)) < 4 * error


def test_the_divergence_at_the_mean_is_of_densities_over_all_coordinates():
    """In evaluation: `KL(q_0 || p) + log p(z_0) - log p(z_K) - log|det|` at `z_0` = mean."""
    bottleneck = far_from_the_identity(FlowPosterior(3, flow_depth=2)).eval()
    h = encodings(5, 3).double()
    mean, log_variance = h.chunk(2, dim=1)
    prior = torch.distributions.Normal(0.0, 1.0)
    start = torch.distributions.Normal(mean, (log_variance / 2).exp())
    change = prior.log_prob(mean) - prior.log_prob(bottleneck.encode(h).detach())
    expected = (torch.distributions.kl_divergence(start, prior) + change).sum(1)
    expected = (expected - log_determinants(bottleneck.flow, mean)).mean()
    torch.testing.assert_close(bottleneck(h).terms["kl"].detach(), expected)


@pytest.mark.parametrize("flow", ["planar", "iaf"])
def test_every_map_moves_the_code_and_receives_gradient(flow):
    if flow == "iaf":
        pytest.importorskip("zuko")
    bottleneck = FlowPosterior(3, flow, flow_depth=3)
    latent = bottleneck(encodings(8, 3))
    (latent.z.square().sum() + latent.terms["kl"]).backward()
    assert all(p.grad is not None and p.grad.any() for p in bottleneck.parameters())
    bottleneck.eval()
    h = encodings(5, 3)
    assert torch.equal(bottleneck(h).z, bottleneck.encode(h))
    assert torch.equal(bottleneck(h).terms["kl"], bottleneck(h).terms["kl"])
    assert bottleneck.linear_map() is None


def test_one_map_is_enough():
    assert len(FlowPosterior(3, flow_depth=1).maps) == 1


def test_unknown_flow_and_no_depth_are_refused():
    with pytest.raises(InputError, match="did you mean 'planar'"):
        FlowPosterior(3, "plana")
    with pytest.raises(InputError, match="flow_depth is 0, expected at least 1"):
        FlowPosterior(3, flow_depth=0)


def test_without_zuko_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "zuko.flows.autoregressive", None)
    with pytest.raises(InputError, match=r"pip install 'latentrank\[flow\]'"):
        FlowPosterior(3, "iaf")
