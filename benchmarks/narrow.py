"""LoRAE with as many columns as its encoder has directions, beside the square matrix of the paper.

    python benchmarks/narrow.py [--seeds 20] [--steps 2000]

A dense network whose layers have 64 units, at a latent width of 200: the matrix has 65 columns, or
200. Both are trained on scikit-learn's digits, from the same seeds, with the exact norm. Given are
the rank of the training codes, the mean squared error on the training samples and the nuclear norm
in the end, as ratios of means with their standard errors.
"""

import argparse
import math
import statistics
from typing import NamedTuple

import numpy as np
import torch
from lightning.pytorch import seed_everything
from sklearn.datasets import load_digits

import latentrank
from latentrank.bottlenecks import NuclearNorm
from latentrank.config import TrainConfig
from latentrank.data import Dataset, Split
from latentrank.nets import NETWORKS
from latentrank.nets.mlp import dense_pair
from latentrank.training import fit

LATENT_DIM, PENALTY = 200, 1e-4


NETWORKS.register(
    "64 units",
    lambda shape, into, code: dense_pair(shape, [64, 64, 64, into], [code, 64, 64, 64]),
)


class Found(NamedTuple):
    """What one training ended with."""

    rank: float
    error: float
    norm: float


def trained(digits: Dataset, square: bool, seed: int, steps: int) -> Found:
    """Train one of the two forms."""
    narrow = NuclearNorm.narrow
    if square:
        NuclearNorm.narrow = lambda self, span: None  # type: ignore[method-assign]
    seed_everything(seed, verbose=False)
    model = latentrank.build(
        "lorae", digits.shape, LATENT_DIM, net="64 units", bounded=False, penalty=PENALTY
    )
    NuclearNorm.narrow = narrow  # type: ignore[method-assign]
    config = TrainConfig(
        steps=steps, learning_rate=1e-3, schedule="multistep", validate_every=10**6, seed=seed
    )
    fit(model, digits, config, progress=False)
    x = model.preprocessing.normalise(digits.train.x)
    with torch.no_grad():
        error = float((model(x) - x).square().mean())
        return Found(
            model.rank(), error, float(torch.linalg.matrix_norm(model.bottleneck.matrix, "nuc"))
        )


def main() -> None:
    """Train both forms in turn and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="at least 2")
    parser.add_argument("--steps", type=int, default=2000)
    given = parser.parse_args()
    x = np.float32(load_digits().data / 16)
    digits = Dataset("digits", Split(x[:1437]), Split(x[1437:]), bounded=False)
    found: dict[bool, list[Found]] = {True: [], False: []}
    for seed in range(given.seeds):
        for square, kept in found.items():
            kept.append(trained(digits, square, seed, given.steps))
            print("square" if square else "narrow", seed, kept[-1], flush=True)
    for name in Found._fields:
        square, narrow = ([getattr(one, name) for one in found[kind]] for kind in (True, False))
        means = [statistics.mean(values) for values in (square, narrow)]
        errors = [
            statistics.stdev(values) / len(values) ** 0.5 / mean
            for values, mean in zip((square, narrow), means, strict=True)
        ]
        print(
            f"{name:6} square {means[0]:.5g}  narrow {means[1]:.5g}  ratio "
            f"{means[1] / means[0]:.3f} +- {math.hypot(*errors) * means[1] / means[0]:.3f}"
        )


if __name__ == "__main__":
    main()
