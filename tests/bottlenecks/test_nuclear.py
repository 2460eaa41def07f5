"""LoRAE's matrix and its nuclear norm against numpy's singular values."""

import math

import numpy as np
import pytest
import torch

from latentrank.bottlenecks import NuclearNorm
from latentrank.errors import InputError

SOLVERS = ["auto", "svd", "polar"]


def test_a_code_is_multiplied_by_the_matrix():
    bottleneck, h = NuclearNorm(5), torch.randn(3, 5)
    matrix = bottleneck.matrix.detach().numpy()
    expected = np.stack([matrix @ row for row in h.numpy()])
    for z in (bottleneck(h).z, bottleneck.encode(h), h @ bottleneck.linear_map().T):
        np.testing.assert_allclose(z.detach().numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("training", [True, False])
def test_the_term_is_the_sum_of_the_singular_values(solver, training):
    bottleneck = NuclearNorm(6, solver).train(training)
    values = np.linalg.svd(bottleneck.matrix.detach().double().numpy(), compute_uv=False)
    (term,) = bottleneck(torch.randn(4, 6)).terms.values()
    assert term.item() == pytest.approx(values.sum(), rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_term_draws_every_singular_value_down_alike(solver):
    """Its slope is `U V^T`: one, along each pair of singular vectors, whatever their value."""
    bottleneck = NuclearNorm(6, solver)
    bottleneck(torch.randn(4, 6)).terms["nuclear_norm"].backward()
    u, _, vt = np.linalg.svd(bottleneck.matrix.detach().double().numpy())
    np.testing.assert_allclose(bottleneck.matrix.grad.numpy(), u @ vt, atol=1e-3)


def test_the_term_knows_the_matrix_alone():
    bottleneck = NuclearNorm(6)
    h = torch.randn(4, 6, requires_grad=True)
    term = bottleneck(h).terms["nuclear_norm"]
    assert term.item() == bottleneck(100 * h).terms["nuclear_norm"].item()
    assert torch.autograd.grad(term, h, allow_unused=True) == (None,)


def test_entries_start_as_those_of_a_dense_layer():
    entries = NuclearNorm(64).matrix.detach().double().numpy().ravel()
    layer = torch.nn.Linear(64, 64, bias=False).weight.detach().double().numpy().ravel()
    # The square of a uniform number varies by 4/5 of its squared mean.
    error = math.sqrt(2 * 0.8 / entries.size)
    assert abs(np.mean(entries**2) / np.mean(layer**2) - 1) < 4 * error
    assert abs(entries.mean()) < 4 * entries.std() / math.sqrt(entries.size)


def test_an_unknown_solver_is_refused():
    with pytest.raises(InputError, match="did you mean 'polar'"):
        NuclearNorm(4, "polr")(torch.randn(2, 4))
