"""LoRAE's matrix and its nuclear norm against numpy's singular values."""

import math

import numpy as np
import pytest
import torch

import latentrank
from latentrank.bottlenecks import NuclearNorm
from latentrank.errors import InputError

SOLVERS = ["auto", "svd", "gram", "polar"]


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
def test_the_term_reduces_all_singular_values_equally(solver):
    """Its slope is `U V^T`: one, along each pair of singular vectors, whatever their value."""
    bottleneck = NuclearNorm(6, solver)
    bottleneck(torch.randn(4, 6)).terms["nuclear_norm"].backward()
    u, _, vt = np.linalg.svd(bottleneck.matrix.detach().double().numpy())
    np.testing.assert_allclose(bottleneck.matrix.grad.numpy(), u @ vt, atol=1e-3)


def test_the_term_depends_on_the_matrix_alone():
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


def narrowed(latent_dim, span):
    bottleneck = NuclearNorm(latent_dim)
    bottleneck.narrow(span)
    return bottleneck


def test_fewer_columns_express_the_same_codes_with_no_larger_norm():
    """Encodings that span 3 of 7 dimensions: `E(x) = Q c(x)`."""
    square, narrow = NuclearNorm(7).double(), narrowed(7, 3).double()
    q = torch.linalg.qr(torch.randn(7, 3, dtype=torch.float64))[0]
    c = torch.randn(5, 3, dtype=torch.float64)
    with torch.no_grad():
        narrow.matrix.copy_(square.matrix @ q)
    before, after = square(c @ q.T), narrow(c / math.sqrt(7 / 3))
    assert torch.allclose(after.z, before.z)
    assert torch.allclose(c @ narrow.linear_map().T, before.z * math.sqrt(7 / 3))
    assert after.terms["nuclear_norm"] <= before.terms["nuclear_norm"]


def test_codes_start_at_the_same_scale_with_fewer_columns():
    h = torch.randn(50, 400)
    square, narrow = (
        part.encode(h[:, : part.encoder_dim]) for part in (NuclearNorm(400), narrowed(400, 40))
    )
    # What varies most is the mean of 50 x 40 squares of Gaussian numbers.
    assert (narrow.var() / square.var()).item() == pytest.approx(1, abs=4 * math.sqrt(2 / 2000))


def test_a_matrix_has_no_more_columns_than_the_encodings_dimensions():
    wide = latentrank.build("lorae", (1, 20), 100, net="curves")  # behind 64 units
    assert wide.bottleneck.matrix.shape == (100, 65)
    assert latentrank.build("lorae", (1, 20), 60, net="curves").bottleneck.matrix.shape == (60, 60)
    x = torch.randn(3, 1, 20)
    assert torch.allclose(wide.fold().encode(x), wide.encode(x), atol=1e-5)


def test_a_model_with_fewer_columns_is_saved_and_loaded(tmp_path):
    model = latentrank.build("lorae", (1, 20), 100, net="curves").eval()
    latentrank.save(model, tmp_path)
    x = torch.randn(3, 1, 20)
    assert torch.equal(latentrank.load(tmp_path).encode(x), model.encode(x))
