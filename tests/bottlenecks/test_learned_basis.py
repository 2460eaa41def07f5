"""The weak form of RRAE: coefficients solved for, or learned as in the paper."""

import pytest
import torch

from latentrank.bottlenecks import LearnedBasis
from latentrank.errors import InputError


def learned(samples=20):
    torch.manual_seed(0)
    bottleneck = LearnedBasis(6, 2, learned_coefficients=True)
    bottleneck.prepare(samples)
    return bottleneck


def test_the_term_is_the_relative_misfit_of_the_samples_coefficients():
    bottleneck, h = learned(), torch.randn(4, 6)
    bottleneck.directions.data *= torch.tensor([3.0, 0.5])  # only their directions count
    index = torch.tensor([3, 0, 19, 7])
    u = (bottleneck.directions / bottleneck.directions.norm(dim=0)).detach()
    misfit = sum(
        float((row - u @ bottleneck.coefficients[:, i].detach()).square().sum())
        for row, i in zip(h, index, strict=True)
    )
    latent = bottleneck(h, index)
    assert latent.terms["basis_fit"].item() == pytest.approx((misfit / float(h.norm()) ** 2) ** 0.5)
    assert torch.equal(latent.z, h)


def test_solved_coefficients_are_the_best_there_are():
    trained, h = learned(), torch.randn(20, 6)
    solved = LearnedBasis(6, 2)
    solved.directions = trained.directions
    lowest = solved(h).terms["basis_fit"].item()
    assert lowest < trained(h, torch.arange(20)).terms["basis_fit"].item()
    u = (trained.directions / trained.directions.norm(dim=0)).detach()
    with torch.no_grad():
        trained.coefficients.copy_(torch.linalg.lstsq(u, h.T).solution)
    at_solution = trained(h, torch.arange(20)).terms["basis_fit"].item()
    assert lowest == pytest.approx(at_solution, rel=1e-5)


def test_the_basis_begins_with_the_first_batch_and_with_no_other():
    bottleneck, h = LearnedBasis(6, 2), torch.randn(20, 6)
    best = torch.linalg.svd(h)[2][:2]
    z = bottleneck.train()(h).terms["basis_fit"]
    left = float(torch.linalg.svdvals(h)[2:].norm() / h.norm())
    assert z.item() == pytest.approx(left, rel=1e-5)
    torch.testing.assert_close(bottleneck.linear_map(), best.T @ best)
    before = bottleneck.directions.clone()
    bottleneck(torch.randn(20, 6))
    assert torch.equal(bottleneck.directions, before)


def test_evaluation_begins_no_basis():
    bottleneck = LearnedBasis(6, 2).eval()
    bottleneck(torch.randn(20, 6))
    assert not bottleneck.directions.any()


def test_learned_directions_begin_with_columns_of_length_one():
    directions = LearnedBasis(200, 3, learned_coefficients=True).directions.detach()
    torch.testing.assert_close(directions.norm(dim=0), torch.ones(3))


def test_a_given_start_reproduces_its_samples():
    """With the paper's coefficients and without, and the first batch does not replace it."""
    basis, coefficients = torch.linalg.qr(torch.randn(6, 2))[0], torch.randn(20, 2)
    for bottleneck in (learned(), LearnedBasis(6, 2)):
        bottleneck.begin(basis, coefficients)
        misfit = bottleneck(coefficients @ basis.T, torch.arange(20)).terms["basis_fit"]
        assert misfit.item() < 20 * torch.finfo(torch.float32).eps
        bottleneck(torch.randn(20, 6), torch.arange(20))
        torch.testing.assert_close(bottleneck.linear_map(), basis @ basis.T)


def test_only_trained_coefficients_have_their_own_learning_rate():
    bottleneck = LearnedBasis(6, 2, learned_coefficients=True, kappa=0.1)
    bottleneck.prepare(20)
    assert bottleneck.learning_rate_factors() == {bottleneck.coefficients: 0.1}
    assert LearnedBasis(6, 2).learning_rate_factors() == {}


def test_the_basis_that_others_read_is_constant():
    assert not learned().basis().requires_grad


def test_trained_coefficients_are_kept_with_the_weights():
    """Also by a bottleneck that has not been told how many samples there are."""
    trained = learned(7)
    for again in (learned(7), LearnedBasis(6, 2, learned_coefficients=True)):
        again.load_state_dict(trained.state_dict())
        assert torch.equal(again.coefficients, trained.coefficients)


def test_training_continues_with_the_coefficients_of_as_many_samples():
    bottleneck = learned(20)
    before = bottleneck.coefficients.detach().clone()
    bottleneck.prepare(20)
    assert torch.equal(bottleneck.coefficients, before)
    bottleneck.prepare(30)
    assert bottleneck.coefficients.shape == (2, 30)


@pytest.mark.parametrize("used", [6, 5])
def test_a_basis_from_a_checkpoint_stays(used):
    """Also if an entry of the code was always zero, and with it those of the basis."""
    trained, again = LearnedBasis(6, 2), LearnedBasis(6, 2)
    trained.train()(torch.randn(20, 6) * (torch.arange(6) < used))
    again.load_state_dict(trained.state_dict())
    again.train()(torch.randn(20, 6))
    assert torch.equal(again.directions, trained.directions)


def test_a_batch_smaller_than_the_rank_starts_a_complete_basis():
    bottleneck = LearnedBasis(6, 4)
    bottleneck.train()(torch.randn(2, 6))
    torch.testing.assert_close(bottleneck.directions.T @ bottleneck.directions, torch.eye(4))


def test_missing_indices_and_wrong_ranks_are_refused():
    unprepared = LearnedBasis(6, 2, learned_coefficients=True)
    with pytest.raises(InputError, match="prepare"):
        unprepared(torch.randn(4, 6), torch.arange(4))
    with pytest.raises(InputError, match="without sample indices"):
        learned()(torch.randn(4, 6))
    with pytest.raises(InputError, match="rank is 7 with latent_dim 6"):
        LearnedBasis(6, 7)


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_gradients_are_finite_where_there_is_no_misfit(scale):
    """A basis as wide as the code has no misfit, and codes of zeros have no norm."""
    h = (scale * torch.randn(5, 3)).requires_grad_()
    bottleneck = LearnedBasis(3, rank=3)
    bottleneck(h).terms["basis_fit"].backward()
    assert torch.isfinite(h.grad).all()
    assert torch.isfinite(bottleneck.directions.grad).all()
