"""How far the polar factor of LoRAE's matrix moves in one step of training.

    python benchmarks/warm_start.py [--width 256] [--steps 3000]

The gradient of the nuclear norm is the polar factor of the matrix. Iterations for it could start
from that of the step before, if it were near. Trained on scikit-learn's digits with the exact norm;
given are the rank of the codes, and in the last hundred steps the mean distance between successive
polar factors (Frobenius, relative to their norm; 1.41 if unrelated) and the mean spectral norm of
a step of the matrix relative to its median singular value.
"""

import argparse
from statistics import fmean

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from sklearn.datasets import load_digits
from torch import Tensor

import latentrank
from latentrank.config import TrainConfig
from latentrank.data import Dataset, Split
from latentrank.training import fit

LAST = 100


class Moves(Callback):
    """The distances between successive matrices, and between their polar factors."""

    def __init__(self) -> None:
        self.before: tuple[Tensor, Tensor] | None = None
        self.turned: list[float] = []
        self.stepped: list[float] = []

    def on_train_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Compare with the step before, in the last steps."""
        if trainer.global_step < trainer.max_steps - LAST:
            return
        matrix = module.model.bottleneck.matrix.detach().clone()
        u, s, vh = torch.linalg.svd(matrix)
        factor = u @ vh
        if self.before is not None:
            moved, turned = matrix - self.before[0], factor - self.before[1]
            self.turned.append(float(turned.norm() / factor.norm()))
            self.stepped.append(float(torch.linalg.matrix_norm(moved, 2) / s.median()))
        self.before = matrix, factor


def main() -> None:
    """Train and print the distances."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--steps", type=int, default=3000, help=f"more than {LAST}")
    given = parser.parse_args()
    x = np.float32(load_digits().data / 16)
    digits = Dataset("digits", Split(x[:1437]), Split(x[1437:]), bounded=False)
    seed_everything(0, verbose=False)
    model = latentrank.build("lorae", digits.shape, given.width, bounded=False, penalty=1e-3)
    moves = Moves()
    config = TrainConfig(steps=given.steps, learning_rate=5e-4, validate_every=10**6)
    fit(model, digits, config, progress=False, callbacks=[moves])
    rows, columns = model.bottleneck.matrix.shape
    print(f"matrix {rows} x {columns}, rank {model.rank()}")
    print(f"change of the polar factor {fmean(moves.turned):.2f}")
    print(f"step of the matrix over its median singular value {fmean(moves.stepped):.1f}")


if __name__ == "__main__":
    main()
