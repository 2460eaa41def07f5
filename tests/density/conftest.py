"""Codes of exact rank, as the low-rank methods make them, and every density fitted to codes."""

import numpy as np
import pytest

from latentrank import density

# Options small enough for a test; the densities of other packages have to be quick by default.
QUICK = {
    "gmm": {"components": 2},
    "gmm:covariance=tied": {"components": 2},
    "gmm:covariance=diag": {"components": 2},
    "gmm:covariance=spherical": {"components": 2},
    "flow": {"steps": 5},
}
FITTED = [name for name in (*density.names(), *QUICK) if name != "prior"]


def low_rank(samples, width, rank, *, seed=0, mean=0.0, dtype=np.float32):
    """Codes `mean + a U^T`, computed in `dtype` as a model would."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(width, rank)))[0].astype(dtype)
    coefficients = (rng.normal(size=(samples, rank)) * np.geomspace(1, 0.05, rank)).astype(dtype)
    return coefficients @ basis.T + dtype(mean) * rng.normal(size=width).astype(dtype)


def quick(spec, codes):
    """The density with options small enough for a test."""
    return density.fit(spec, codes, **QUICK.get(spec, {}))


@pytest.fixture(params=dict.fromkeys(FITTED))
def name(request):
    """Every density that is fitted, with the options that change its formula."""
    if request.param == "flow":
        pytest.importorskip("zuko")
    return request.param
