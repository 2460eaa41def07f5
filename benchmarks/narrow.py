"""LoRAE with as many columns as its encoder has directions, beside the square matrix of the paper.

    python benchmarks/narrow.py [--seeds 8] [--steps 3000]

RRAE's network for curves, whose last layer has 64 units, at a latent width of 256: the matrix has
65 columns, or 256. Both are trained on `curves:two-sines` as in the recipe `rrae-curves`, from the
same seeds, with the exact norm. Given are the rank of the training codes, the relative error on the
training curves and the nuclear norm in the end, as ratios of means with their standard errors.
"""

import argparse
import math
import statistics
from typing import NamedTuple

import torch
from lightning.pytorch import seed_everything

import latentrank
from latentrank import data
from latentrank.bottlenecks import NuclearNorm
from latentrank.config import TrainConfig
from latentrank.data import Dataset
from latentrank.training import fit

LATENT_DIM, PENALTY = 256, 1e-3


class Found(NamedTuple):
    """What one training ended with."""

    rank: float
    error: float
    norm: float


def trained(curves: Dataset, square: bool, seed: int, steps: int) -> Found:
    """Train one of the two forms."""
    narrow = NuclearNorm.narrow
    if square:
        NuclearNorm.narrow = lambda self, span: None  # type: ignore[method-assign]
    seed_everything(seed, verbose=False)
    model = latentrank.build(
        "lorae", curves.shape, LATENT_DIM, net=curves.net, bounded=False,
        penalty=PENALTY, reconstruction="relative",
    )  # fmt: skip
    NuclearNorm.narrow = narrow  # type: ignore[method-assign]
    config = TrainConfig(
        steps=steps, batch_size=20, learning_rate=1e-3, schedule="multistep",
        optimizer="adabelief", validate_every=10**6, seed=seed,
    )  # fmt: skip
    fit(model, curves, config, progress=False)
    x = curves.preprocessing.normalise(curves.train.x)
    with torch.no_grad():
        error = float((model(x) - x).norm() / x.norm())
        return Found(
            model.rank(), error, float(torch.linalg.matrix_norm(model.bottleneck.matrix, "nuc"))
        )


def main() -> None:
    """Train both forms in turn and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3000)
    given = parser.parse_args()
    curves = data.load("curves:two-sines")
    found: dict[bool, list[Found]] = {True: [], False: []}
    for seed in range(given.seeds):
        for square, kept in found.items():
            kept.append(trained(curves, square, seed, given.steps))
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
