"""Parameters of the estimator that contradict each other."""

import pytest

from latentrank import LowRankAutoencoder
from latentrank.errors import InputError


def test_a_rank_that_is_given_twice_is_refused(plane):
    estimator = LowRankAutoencoder("rrae", latent_dim=4, rank=2, options={"rank": 3}, epochs=1)
    with pytest.raises(InputError, match="rank is 2, and 3 in options; give only one"):
        estimator.fit(plane)
    assert estimator.set_params(rank=None).fit(plane).rank_ == 3
