"""What a bottleneck of one's own has without asking."""

import pytest
import torch

from latentrank.bottlenecks import Bottleneck
from latentrank.errors import InputError


class Doubled(Bottleneck):
    def encode(self, h):
        return 2 * h


@pytest.mark.parametrize("training", [True, False])
def test_a_bottleneck_that_only_encodes_does_so_in_training_too(training):
    bottleneck, h = Doubled(3).train(training), torch.randn(4, 3)
    latent = bottleneck(h, torch.arange(4))
    assert torch.equal(latent.z, 2 * h)
    assert latent.terms == {}


def test_nothing_is_claimed_of_a_bottleneck_that_only_encodes():
    bottleneck = Doubled(3)
    bottleneck.finalize([torch.randn(4, 3)])
    assert bottleneck.encoder_dim == bottleneck.latent_dim == 3
    assert bottleneck.linear_map() is None
    assert bottleneck.basis() is None
    assert bottleneck.learning_rate_factors() == {}


def test_the_encoder_may_be_wider_than_the_code():
    bottleneck = Doubled(3, encoder_dim=7)
    assert (bottleneck.encoder_dim, bottleneck.latent_dim) == (7, 3)


@pytest.mark.parametrize("width", [0, -1, 2.5])
def test_a_code_has_a_whole_number_of_entries(width):
    with pytest.raises(InputError, match=f"latent_dim is {width}, expected"):
        Doubled(width)
