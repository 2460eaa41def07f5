"""RRAE's strong form against numpy's decomposition and finite differences."""

import numpy as np
import pytest
import torch

from latentrank.bottlenecks import TruncatedSVD
from latentrank.errors import InputError

TALL, WIDE = (11, 5), (4, 7)


def encodings(shape):
    """Not centred, so that subtracting a mean would show."""
    return torch.randn(shape, dtype=torch.float64) + 1


def cut(h, k):
    """`sum_{i <= k} s_i u_i v_i^T`."""
    u, s, vt = np.linalg.svd(h.numpy(), full_matrices=False)
    return torch.from_numpy((u[:, :k] * s[:k]) @ vt[:k])


def finalized(batches, rank=2):
    bottleneck = TruncatedSVD(batches[0].shape[1], rank).double()
    bottleneck.finalize(batches)
    return bottleneck.eval()


@pytest.mark.parametrize("shape", [TALL, WIDE], ids=str)
@pytest.mark.parametrize("k", [1, 3])
def test_training_cuts_the_batch_to_its_leading_directions(shape, k):
    h = encodings(shape)
    latent = TruncatedSVD(shape[1], k).train()(h)
    torch.testing.assert_close(latent.z, cut(h, k))
    assert latent.terms == {}
    lost = torch.linalg.svdvals(h)[k:].square().sum()
    torch.testing.assert_close((h - latent.z).square().sum(), lost)


@pytest.mark.parametrize("shape", [TALL, WIDE], ids=str)
def test_the_gradient_is_that_of_the_cut_itself(shape):
    """Against a fixed target: a loss that sees singular values alone would hide half of it."""
    target, h = encodings(shape), encodings(shape).requires_grad_()
    bottleneck = TruncatedSVD(shape[1], 2).train()
    assert torch.autograd.gradcheck(lambda h: (bottleneck(h).z - target).square().sum(), (h,))


def test_a_batch_smaller_than_the_rank_passes_whole():
    h = encodings((2, 7))
    assert torch.equal(TruncatedSVD(7, 3).train()(h).z, h)


def test_the_basis_is_that_of_all_encodings_together():
    """Which joining the bases of batches without their singular values would not give."""
    batches = [10 * encodings((6, 5)), encodings((6, 5)), encodings((2, 5))]
    bottleneck, h = finalized(batches), encodings((4, 5))
    leading = np.linalg.svd(torch.cat(batches).numpy())[2][:2]
    projector = torch.from_numpy(leading.T @ leading)
    torch.testing.assert_close(bottleneck.linear_map(), projector)
    torch.testing.assert_close(bottleneck.encode(h), h @ projector)
    assert torch.equal(bottleneck(h).z, bottleneck.encode(h))
    basis = bottleneck.basis()
    torch.testing.assert_close(basis.T @ basis, torch.eye(2).double())


def test_training_continues_with_the_batchs_own_directions_after_a_basis_was_found():
    bottleneck, h = finalized([encodings(TALL)]), encodings(TALL)
    torch.testing.assert_close(bottleneck.train()(h).z, cut(h, 2))


@pytest.mark.filterwarnings("ignore:The model has no basis")
def test_without_a_basis_inference_cuts_the_batch_it_is_given():
    bottleneck, h = TruncatedSVD(5, 2).eval(), encodings(TALL)
    torch.testing.assert_close(bottleneck(h).z, cut(h, 2))
    assert bottleneck.basis() is None
    assert bottleneck.linear_map() is None


def test_only_inference_warns_that_there_is_no_basis(recwarn):
    bottleneck, h = TruncatedSVD(5, 2), encodings(TALL)
    bottleneck.train().encode(h)
    assert not recwarn
    with pytest.warns(UserWarning, match="The model has no basis yet"):
        bottleneck.eval().encode(h)


def test_rank_and_basis_are_kept_with_the_weights():
    bottleneck = TruncatedSVD(5, 3).double()
    bottleneck.rank = 2
    bottleneck.finalize([encodings(TALL)])
    again = TruncatedSVD(5, 3).double().eval()
    again.load_state_dict(bottleneck.state_dict())
    assert again.rank == 2
    h = encodings((1, 5))
    assert torch.equal(again.encode(h), bottleneck.encode(h))


def test_another_rank_needs_another_basis():
    h = encodings(TALL)
    bottleneck = finalized([h], rank=3)
    for k in (1, 3):
        bottleneck.rank = k
        assert bottleneck.basis() is None
        torch.testing.assert_close(bottleneck.train()(h).z, cut(h, k))
        bottleneck.finalize([h])
        assert bottleneck.basis().shape == (5, k)
        torch.testing.assert_close(bottleneck.encode(h), cut(h, k))
    kept = bottleneck.basis().clone()
    bottleneck.rank = 3
    assert torch.equal(bottleneck.basis(), kept)


@pytest.mark.parametrize("rank", [0, 4])
def test_a_rank_outside_what_it_was_built_for_is_refused(rank):
    with pytest.raises(InputError, match=f"rank is {rank}, expected 1 to 3"):
        TruncatedSVD(5, 3).rank = rank
    with pytest.raises(InputError, match=f"rank is {rank} with latent_dim 3, expected 1 to 3"):
        TruncatedSVD(3, rank)
