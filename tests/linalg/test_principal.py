"""Principal directions of batches against the singular value decomposition of all of the data."""

import pytest
import torch

from latentrank.linalg import principal

from .matrices import orthonormal

FEATURES = 40


@pytest.mark.parametrize("exact", [FEATURES, FEATURES - 1], ids=["covariance", "iteration"])
@pytest.mark.parametrize("k", [1, 5, 100])
def test_directions_are_those_of_the_centred_data_in_order(monkeypatch, exact, k):
    # The part beyond 16 additional directions shrinks by 0.85^17 in each of 13 products: to 1e-16.
    monkeypatch.setattr(principal, "EXACT_FEATURES", exact)
    scales = 0.85 ** torch.arange(FEATURES, dtype=torch.float64)
    x = torch.randn(90, FEATURES).double() * scales @ orthonormal(FEATURES, FEATURES).mT + 3
    mean, directions = principal.principal_directions(lambda: x.split(32), FEATURES, k)
    known = min(k, FEATURES)
    wanted = torch.linalg.svd(x - x.mean(dim=0)).Vh[:known]
    torch.testing.assert_close(mean, x.mean(dim=0))
    assert directions.shape == (FEATURES, known)
    # Subtracting the mean leaves 1e-14, which is 1e-8 of the smallest variance.
    overlap = (wanted @ directions).abs()
    torch.testing.assert_close(overlap, torch.eye(known).double(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("exact", [FEATURES, FEATURES - 1], ids=["covariance", "iteration"])
@pytest.mark.parametrize(("samples", "copies"), [(5, 1), (3, 4), (1, 6)])
def test_there_are_no_more_directions_than_the_data_vary_along(monkeypatch, exact, samples, copies):
    monkeypatch.setattr(principal, "EXACT_FEATURES", exact)
    x = (torch.randn(samples, FEATURES) + 3).repeat(copies, 1)
    directions = principal.principal_directions(lambda: x.split(2), FEATURES, 12)[1]
    assert directions.shape == (FEATURES, samples - 1)
    centred = (x - x.mean(dim=0)).double()
    torch.testing.assert_close(centred @ directions @ directions.T, centred, atol=1e-5, rtol=0)
