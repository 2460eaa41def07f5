"""Gaussian mixtures on codes of low rank: the density `gmm` against scikit-learn on all columns.

    python benchmarks/mixtures.py

Prints medians of several repetitions, which alternate, and their ratio.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from sklearn.mixture import GaussianMixture

from latentrank import density


def codes_of_rank(samples: int, width: int, rank: int) -> np.ndarray:
    """Codes as a low-rank method makes them: clusters in a subspace, computed in float32."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(width, rank)))[0].astype(np.float32)
    centres = 2 * rng.normal(size=(10, rank))
    coefficients = centres[rng.integers(10, size=samples)] + rng.normal(size=(samples, rank))
    return coefficients.astype(np.float32) @ basis.T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=60_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--rank", type=int, default=12)
    parser.add_argument("--components", type=int, default=4)
    parser.add_argument("--repetitions", type=int, default=3)
    given = parser.parse_args()
    codes = codes_of_rank(given.samples, given.width, given.rank)

    def own() -> None:
        density.fit("gmm", codes, components=given.components).log_prob(codes[:1000])

    def full_width() -> None:
        # In float32, scikit-learn refuses the singular covariances of such codes.
        model = GaussianMixture(given.components, random_state=0, max_iter=200)
        model.fit(codes.astype(np.float64)).score_samples(codes[:1000])

    seconds: dict[str, list[float]] = {"gmm": [], "scikit-learn, all columns": []}
    for _ in range(given.repetitions):
        for name, run in zip(seconds, (own, full_width), strict=True):
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(
        f"{given.samples} x {given.width} codes of rank {given.rank}, {given.components} components"
    )
    for name, values in seconds.items():
        spread = f"{min(values):.2f} to {max(values):.2f}"
        print(f"{name:>26}  {medians[name]:7.2f} s of processor time ({spread})")
    first, second = medians.values()
    print(f"ratio of the medians: {second / first:.1f}")


if __name__ == "__main__":
    main()
