"""Gaussian mixtures on codes of low rank: the density `gmm` against scikit-learn on all columns.

    python benchmarks/mixtures.py

60 000 codes of rank 12 in 128 columns, 4 components.
"""

from __future__ import annotations

import numpy as np
from harness import record, row, take_turns
from sklearn.mixture import GaussianMixture

from latentrank import density

SAMPLES, WIDTH, RANK, COMPONENTS = 60_000, 128, 12, 4


def codes_of_rank(samples: int, width: int, rank: int) -> np.ndarray:
    """Codes as a low-rank method makes them: clusters in a subspace, computed in float32."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(width, rank)))[0].astype(np.float32)
    centres = 2 * rng.normal(size=(10, rank))
    coefficients = centres[rng.integers(10, size=samples)] + rng.normal(size=(samples, rank))
    return coefficients.astype(np.float32) @ basis.T


def main() -> None:
    codes = codes_of_rank(SAMPLES, WIDTH, RANK)

    def own() -> None:
        density.fit("gmm", codes, components=COMPONENTS).log_prob(codes[:1000])

    def full_width() -> None:
        # In float32, scikit-learn refuses the singular covariances of such codes.
        model = GaussianMixture(COMPONENTS, random_state=0, max_iter=200)
        model.fit(codes.astype(np.float64)).score_samples(codes[:1000])

    seconds = take_turns({"ours": own, "scikit-learn": full_width}, rounds=5, warmup=1)
    what = f"mixture of {COMPONENTS} on {SAMPLES} x {WIDTH} codes of rank {RANK}, over ours: "
    rows = [row(what + "scikit-learn, all columns", seconds, "scikit-learn", "ours", "at least 5")]
    record("mixtures", rows)


if __name__ == "__main__":
    main()
