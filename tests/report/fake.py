"""A linear model with everything that a report reads of a run, made in milliseconds."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

import latentrank
from latentrank.data import Dataset, Split
from latentrank.linalg import rank, spectrum
from latentrank.metrics import Value
from latentrank.models.spec import Spec
from latentrank.models.statistics import CodeStatistics
from latentrank.preprocessing import Preprocessing
from latentrank.runs.kept import Kept

WIDTH = 6


class LinearModel:
    """Codes are the first `kept` of six orthonormal coordinates, the others zero."""

    reconstructs = True

    def __init__(self, shape: tuple[int, ...], kept: int) -> None:
        self.shape = shape
        size = int(np.prod(shape))
        basis = torch.linalg.qr(torch.randn(size, WIDTH, generator=torch.manual_seed(3)))[0]
        self.statistics = CodeStatistics(WIDTH)
        self.basis = basis * (torch.arange(WIDTH) < kept)
        self.preprocessing = Preprocessing()
        self.spec = Spec(method="lorae", input_shape=shape, latent_dim=WIDTH)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return (x.flatten(1) - 0.5) @ self.basis

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return (z @ self.basis.mT + 0.5).reshape(len(z), *self.shape)

    def encode_array(self, x: np.ndarray) -> np.ndarray:
        return self.encode(self.preprocessing.normalise(x)).numpy()

    def decode_array(self, z: np.ndarray) -> np.ndarray:
        return self.preprocessing.denormalise(self.decode(torch.from_numpy(z.astype(np.float32))))


@dataclass
class FakeRun:
    folder: Path
    config: dict[str, Any]
    metrics: dict[str, Any]
    history: dict[str, np.ndarray]
    the_model: LinearModel
    the_dataset: Dataset
    asked: list[str] = field(default_factory=list)
    lacks: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    held_out: bool = True
    measured_on: str | None = None

    def model(self) -> LinearModel:
        return self.the_model

    def dataset(self) -> Dataset:
        return self.the_dataset

    @property
    def kept(self) -> Kept:
        return Kept.of(self.dataset())

    def codes(self, split: str) -> np.ndarray:
        return self.encoded(split)["codes"]

    def encoded(self, split: str) -> dict[str, np.ndarray]:
        self.asked.append(split)
        part = getattr(self.dataset(), split)
        with torch.no_grad():
            codes = self.the_model.encode(self.the_dataset.preprocessing.normalise(part.x))
        return {"codes": codes.numpy(), **part.metadata}


def fake_gan(folder: Path, **config: Any) -> FakeRun:
    """The same data behind a real, untrained GAN."""
    run = fake_run(folder, method="nsgan", **config)
    run.the_model = latentrank.build("nsgan", (1, 8, 8), latent_dim=WIDTH).eval()  # type: ignore[assignment]
    with torch.no_grad():
        codes = run.the_model.encode(torch.from_numpy(run.dataset().train.x) / 255)
    run.the_model.statistics.update([codes])
    run.the_model.spec = run.the_model.spec.model_copy(  # type: ignore[attr-defined]
        update={"preprocessing": run.the_dataset.preprocessing}
    )
    run.metrics.update(
        validation_error=None, rank_of="discriminator features", warning="It has collapsed."
    )
    return run


def measured(metric: str, name: str, value: float, better: str, **identity: Any) -> Value:
    """A value of a model without weights in its folder; the spread is a hundredth."""
    return Value(metric, name, value, value / 100, better, identity)


INCEPTION = {"name": "inception", "weights": "0", "preprocessing": "2048 of Inception v3"}
EVALUATION = [
    measured(
        f"fd[inception]:{density}", "FID", value, "lower",
        density=density, samples=n, seed=0, test_samples=30, features=INCEPTION,
    )
    for density, n, value in (("reconstruction", 30, 5.5), ("gmm", 5000, 9.25))
]  # fmt: skip
EVALUATION.append(measured("accuracy:10", "accuracy", 50.0, "higher", probe="mlp", labels=10))


def fake_run(
    folder: Path,
    shape: tuple[int, ...] = (1, 8, 8),
    kept: int = 4,
    *,
    known: str = "labels",
    data: str = "digits",
    seed: int = 0,
    error: float = 0.0123456,
    true_dimension: int | None = None,
    **config: Any,
) -> FakeRun:
    """A run on noise; real-valued data with mean 3 and deviation 2 unless samples are images."""
    rng = np.random.default_rng(5)
    bounded = len(shape) >= 3

    def split(count: int) -> Split:
        x = rng.random((count, *shape))
        x = (x * 255).astype(np.uint8) if bounded else (4 * x - 2).astype(np.float32)
        labels = np.arange(count) % 5 if known == "labels" else None
        parameters = rng.random((count, 2)) if known == "parameters" else None
        return Split(x, labels, parameters)

    dataset = Dataset(
        data,
        split(60),
        split(30),
        mean=0.0 if bounded else 3.0,
        std=1.0 if bounded else 2.0,
        bounded=bounded,
        true_dimension=true_dimension,
    )
    run = FakeRun(
        folder,
        {"method": "lorae", "data": data, "seed": seed, "options": {"penalty": 1e-3}, **config},
        {},
        {
            "epoch": np.arange(1.0, 4),
            "seconds": np.arange(1.0, 4),
            "validation_error": np.array([3.0, 2.0, 1.0]),
            "rank": np.array([6.0, 5.0, 4.0]),
            "train/loss": np.array([3.0, 2.0, 1.0]),
            "train/reconstruction": np.array([2.0, 1.0, 0.5]),
            "train/nuclear_norm": np.array([9.0, 8.0, 7.0]),
        },
        LinearModel(shape, kept),
        dataset,
    )
    run.the_model.preprocessing = dataset.preprocessing
    run.the_model.statistics.update([torch.from_numpy(run.codes("train"))])
    codes = run.codes("test")
    run.metrics.update(
        method="lorae",
        data=data,
        rank=int(rank(codes)),
        latent_dim=WIDTH,
        validation_error=error,
        error_of_the_mean=4 * error,
        seconds=252.3,
        epochs=3,
        true_dimension=true_dimension,
        singular_values=spectrum(codes).tolist(),
    )
    run.asked.clear()
    return run
