"""Which rank each method finds by itself on images whose true dimension is two.

    python benchmarks/auto_rank.py [METHOD ...] [--seeds 5] [--epochs 300]

The images are those of `gaussian2d`, a bump whose centre moves over a square, at every eighth pixel
(8 x 8), 400 to train on and 400 to test on; dense networks, codes of width 32, Adam at 1e-3. A
method is written as a name, options and settings of the training, such as `rrae,rank=auto`. Each
training takes well below a minute of one core. A rank counts as found where it is at most one from
the truth: codes that lie on a curved surface span one direction more than it has. The gap is the
median ratio of the variances on both sides of the largest gap, where a search takes its rank there.
"""

import argparse
import statistics
import time
from typing import Any, NamedTuple

import torch
from lightning.pytorch import seed_everything

import latentrank
from latentrank import data
from latentrank.config import TrainConfig
from latentrank.data import Dataset, Split
from latentrank.io import parse_value
from latentrank.training import fit
from latentrank.training.rank_search.subset import Subset

METHODS = [
    "rrae,rank=auto",
    "rrae,rank=auto,adapt=grow",
    "vrrae,rank=auto",
    "vrrae,rank=auto,adapt=grow",
    "lorae,rank=auto",
    "irmae-wd",
    "irmae-wd,depth=8",
    "irmae-wd,init_variance=0.1",
    "irmae-wd,weight_decay=0",
    "irmae-wd,optimizer=adamw,weight_decay=0.1",
]
LATENT_DIM = 32


class Found(NamedTuple):
    """What one training found."""

    rank: int
    sure: bool
    gap: float
    error: float
    seconds: float


def small_gaussians() -> Dataset:
    whole = data.load("gaussian2d", train_size=400, test_size=400)
    train, test = (Split(split.x[:, :, 3::8, 3::8].copy()) for split in (whole.train, whole.test))
    return Dataset(
        "gaussian2d, 8 x 8", train, test, bounded=False, true_dimension=whole.true_dimension
    )


def find(method: str, given: dict[str, Any], dataset: Dataset, seed: int, epochs: int) -> Found:
    settings = {name: value for name, value in given.items() if name in TrainConfig.model_fields}
    options = {name: value for name, value in given.items() if name not in settings}
    seed_everything(seed, verbose=False)
    model = latentrank.build(method, dataset.shape, LATENT_DIM, "mlp", False, **options)
    config = TrainConfig(
        epochs=epochs,
        validate_every=epochs,
        learning_rate=1e-3,
        seed=seed,
        device="cpu",
        **settings,
    )
    start = time.process_time()
    history = fit(model, dataset, config, progress=False)
    seconds = time.process_time() - start
    report = history.reports["rank_search"]
    error = history.rows[-1]["validation_error"]
    gap = report.get("ratio", float("nan"))
    return Found(report["rank"], report["reliable"], gap, error, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="*", default=METHODS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=300)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dataset = small_gaussians()
    truth = dataset.true_dimension
    variance = Subset(dataset.test, dataset.preprocessing).variance()
    print(
        f"{dataset.name}, true dimension {truth}, {arguments.epochs} epochs; errors in % of the "
        "variance"
    )
    print(
        f"{'method':42} {'ranks':15} {'mean':>5} {'spread':>6} {'within 1':>8} {'sure':>5} "
        f"{'gap':>5} {'error':>6} {'seconds':>7}"
    )
    for written in arguments.methods:
        method, *pairs = written.split(",")
        given = {name: parse_value(value) for name, value in (p.split("=") for p in pairs)}
        found = [
            find(method, given, dataset, seed, arguments.epochs) for seed in range(arguments.seeds)
        ]
        ranks = [one.rank for one in found]
        within = sum(abs(rank - truth) <= 1 for rank in ranks)
        print(
            f"{written:42} {' '.join(map(str, ranks)):15} {statistics.fmean(ranks):5.2f} "
            f"{statistics.pstdev(ranks):6.2f} {f'{within}/{len(found)}':>8} "
            f"{f'{sum(one.sure for one in found)}/{len(found)}':>5} "
            f"{statistics.median(one.gap for one in found):5.0f} "
            f"{100 * statistics.fmean(one.error for one in found) / variance:6.2f} "
            f"{max(one.seconds for one in found):7.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
