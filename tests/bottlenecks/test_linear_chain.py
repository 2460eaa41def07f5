"""IRMAE's matrices: their product, how they start, and the paper's ablations."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import latentrank
from latentrank.bottlenecks import LinearChain
from latentrank.errors import InputError


def in_irmae(latent_dim, **options):
    """The chain of a whole model, so that its options must have reached it."""
    return latentrank.build("irmae", (6,), latent_dim, **options).bottleneck


MADE = pytest.mark.parametrize("make", [LinearChain, in_irmae])


def arrays(chain):
    return [matrix.detach().double().numpy() for matrix in chain.chain()]


@MADE
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_code_is_multiplied_by_one_matrix_after_another(make, depth):
    chain, h = make(4, depth=depth).double(), torch.randn(3, 4).double()
    assert len(list(chain.parameters())) == depth
    for z, row in zip(chain(h).z.detach().numpy(), h.numpy(), strict=True):
        expected = row
        for matrix in arrays(chain):
            expected = matrix @ expected
        np.testing.assert_allclose(z, expected)
    torch.testing.assert_close(chain.encode(h), chain(h).z)
    torch.testing.assert_close(h @ chain.linear_map().T, chain(h).z)


@MADE
def test_nothing_is_penalised(make):
    assert make(4)(torch.randn(3, 4)).terms == {}


@MADE
@pytest.mark.parametrize("factor", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("fixed", [False, True])
def test_entries_start_with_a_multiple_of_a_dense_layers_variance(make, factor, fixed):
    """Uniform as those of `nn.Linear` are, and independent; by default with that variance."""
    width, options = 64, {"depth": 2, "fixed": fixed}
    if factor != 1:
        options["init_variance"] = factor
    entries = np.stack(arrays(make(width, **options))).ravel()
    layer = nn.Linear(width, width, bias=False).weight.detach().double().numpy()
    # The square of a uniform number varies by 4/5 of its squared mean.
    error = math.sqrt(0.8 / layer.size + 0.8 / entries.size)
    ratio = np.mean(entries**2) / np.mean(layer**2)
    assert abs(ratio / factor - 1) < 4 * error
    assert abs(entries.mean()) < 4 * entries.std() / math.sqrt(entries.size)
    assert np.abs(entries).max() == pytest.approx(np.abs(layer).max() * math.sqrt(factor), rel=0.01)


def a_step(model):
    """Every parameter moves far."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model.losses(torch.rand(8, 6))["loss"].backward()
    optimizer.step()


def test_learning_moves_every_matrix():
    model = latentrank.build("irmae", (6,), 4, depth=3)
    before = arrays(model.bottleneck)
    a_step(model)
    assert all((a != b).all() for a, b in zip(arrays(model.bottleneck), before, strict=True))


def test_fixed_matrices_stay_while_the_networks_learn_through_them():
    model = latentrank.build("irmae", (6,), 4, depth=3, fixed=True)
    before, networks = arrays(model.bottleneck), [p.clone() for p in model.encoder.parameters()]
    assert len(before) == 3
    a_step(model)
    for matrix, kept in zip(arrays(model.bottleneck), before, strict=True):
        np.testing.assert_array_equal(matrix, kept)
    for parameter, start in zip(model.encoder.parameters(), networks, strict=True):
        assert not torch.equal(parameter, start)


def test_fixed_matrices_are_kept_with_the_weights():
    chain, again = LinearChain(4, depth=3, fixed=True), LinearChain(4, depth=3, fixed=True)
    again.load_state_dict(chain.state_dict())
    assert torch.equal(again.linear_map(), chain.linear_map())


@MADE
@pytest.mark.parametrize("fixed", [False, True])
def test_a_shared_matrix_is_applied_again_and_again(make, fixed):
    chain = make(4, depth=3, shared=True, fixed=fixed)
    first = arrays(chain)[0]
    np.testing.assert_allclose(
        chain.linear_map().detach().numpy(), np.linalg.matrix_power(first, 3), rtol=1e-4, atol=1e-6
    )
    assert sum(p.numel() for p in chain.parameters()) == (0 if fixed else first.size)


def test_matrices_that_are_not_shared_differ():
    for first, second in [(0, 1), (0, 2), (1, 2)]:
        matrices = arrays(in_irmae(4, depth=3))
        assert not np.array_equal(matrices[first], matrices[second])


def test_a_shared_matrix_learns_from_each_place_where_it_stands():
    """Its gradient is the sum of those that matrices of its value would have."""
    shared, apart = LinearChain(4, depth=3, shared=True), LinearChain(4, depth=3)
    with torch.no_grad():
        for matrix in apart.matrices:
            matrix.copy_(shared.matrices[0])
    h, target = torch.randn(5, 4), torch.randn(5, 4)
    for chain in (shared, apart):
        (chain(h).z - target).square().sum().backward()
    torch.testing.assert_close(
        shared.matrices[0].grad, torch.stack([matrix.grad for matrix in apart.matrices]).sum(0)
    )


@MADE
def test_nonlinear_puts_a_relu_between_the_matrices_and_nowhere_else(make):
    chain, h = make(4, depth=3, nonlinear=True).double(), torch.randn(20, 4).double()
    first, second, third = arrays(chain)
    expected = np.maximum(np.maximum(h.numpy() @ first.T, 0) @ second.T, 0) @ third.T
    np.testing.assert_allclose(chain(h).z.detach().numpy(), expected)
    assert (expected < 0).any()
    assert chain.linear_map() is None


def test_no_matrix_and_no_variance_are_refused():
    with pytest.raises(InputError, match="depth is 0, expected at least one matrix"):
        LinearChain(4, depth=0)
    for factor in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match="expected a positive factor"):
            LinearChain(4, init_variance=factor)
