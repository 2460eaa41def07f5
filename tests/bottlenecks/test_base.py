"""The defaults of a user's bottleneck."""

from contextlib import nullcontext
from functools import partial

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from latentrank.bottlenecks import (
    Bottleneck,
    Gaussian,
    GaussianSVD,
    Identity,
    LearnedBasis,
    LinearChain,
    NuclearNorm,
    RankBottleneck,
    TruncatedSVD,
)
from latentrank.errors import InputError


def marks(bottleneck):
    names = {"adjustable_rank", "begins_with_basis", "is_identity", "capturable"}
    return {name for name in names if getattr(bottleneck, name)}


class Doubled(Bottleneck):
    def encode(self, h):
        return 2 * h


@pytest.mark.parametrize("training", [True, False])
def test_a_bottleneck_that_only_encodes_does_so_in_training_too(training):
    bottleneck, h = Doubled(3).train(training), torch.randn(4, 3)
    latent = bottleneck(h, torch.arange(4))
    assert torch.equal(latent.z, 2 * h)
    assert latent.terms == {}


def test_a_bottleneck_that_only_encodes_has_no_other_abilities():
    bottleneck = Doubled(3)
    bottleneck.finalize([torch.randn(4, 3)])
    assert bottleneck.encoder_dim == bottleneck.latent_dim == 3
    assert bottleneck.linear_map() is None
    assert bottleneck.basis() is None
    assert bottleneck.learning_rate_factors() == {}
    assert bottleneck.posterior(torch.randn(4, 3)) is None
    assert marks(bottleneck) == set()


def test_a_rank_can_be_searched_for_and_training_can_begin_with_a_basis():
    assert marks(RankBottleneck(3, rank=2)) == {"adjustable_rank", "begins_with_basis"}
    assert marks(LearnedBasis(3, rank=2)) == {"begins_with_basis"}


@pytest.mark.parametrize(
    ("make", "captured"),
    [
        (Identity, True),
        (LinearChain, True),
        (Gaussian, True),
        (NuclearNorm, True),
        (partial(NuclearNorm, solver="polar"), True),
        (partial(NuclearNorm, solver="svd"), False),
        (partial(NuclearNorm, solver="gram"), False),
        (partial(GaussianSVD, rank=2), False),
        (partial(LearnedBasis, rank=2), False),
        (partial(TruncatedSVD, rank=2), False),
    ],
)
def test_only_a_step_that_reads_no_value_of_a_tensor_may_be_captured(make, captured):
    """Tensors without values take the place of those of a GPU, and refuse to be read."""
    with FakeTensorMode(), torch.device("cuda"):
        bottleneck = make(3)
        h = torch.ones(4, bottleneck.encoder_dim)
        with nullcontext() if captured else pytest.raises(DataDependentOutputException):
            bottleneck(h)
    assert bottleneck.capturable == captured


def test_only_the_identity_returns_what_it_was_given():
    h = torch.randn(4, 3)
    for bottleneck in (Identity(3), LinearChain(3), NuclearNorm(3), Doubled(3)):
        assert bottleneck.is_identity == (bottleneck.encode(h) is h)


@pytest.mark.parametrize("make", [Identity, Gaussian])
def test_what_has_nothing_to_learn_has_nothing_to_save(make):
    assert make(3).state_dict() == {}


def test_the_encoder_may_be_wider_than_the_code():
    bottleneck = Doubled(3, encoder_dim=7)
    assert (bottleneck.encoder_dim, bottleneck.latent_dim) == (7, 3)


@pytest.mark.parametrize("width", [0, -1, 2.5])
def test_a_code_has_a_whole_number_of_entries(width):
    with pytest.raises(InputError, match=f"latent_dim is {width}, expected"):
        Doubled(width)
