"""Samples on which a search measures a model."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from latentrank.data import Split
from latentrank.data.views import spread_evenly
from latentrank.linalg.precision import to_float64
from latentrank.models.base import BATCH, LatentModel
from latentrank.nets import evaluating, weight_of
from latentrank.preprocessing import Preprocessing

#: Maximum number of samples per measurement.
SAMPLES = 1000


class Subset:
    """Samples, evenly spaced over a split, on which a model is measured.

    Args:
        split: the split to take them from.
        preprocessing: preprocessing of the model.
        samples: maximum number; None takes all.
    """

    def __init__(
        self, split: Split, preprocessing: Preprocessing, samples: int | None = SAMPLES
    ) -> None:
        self._x = split.x
        self._preprocessing = preprocessing
        self._rows = spread_evenly(len(split), samples)

    def batches(self) -> Iterator[Tensor]:
        """The samples, float32, as many at a time as pass through a network together."""
        for start in range(0, len(self._rows), BATCH):
            yield self._preprocessing.normalise(self._x[self._rows[start : start + BATCH]])

    def variance(self) -> float:
        """Mean squared error of the best constant: the variance to be explained."""
        total = squares = torch.zeros(self._x.shape[1:], dtype=torch.float64)
        for x in self.batches():
            total = total + x.double().sum(0)
            squares = squares + x.double().square().sum(0)
        count = len(self._rows)
        return float((squares / count - (total / count).square()).mean())

    @torch.no_grad()
    def encodings(self, model: LatentModel) -> Tensor:
        """The encoder's output for the samples, `(N, encoder_dim)`."""
        like = weight_of(model)
        with evaluating(model):
            return torch.cat([model.encoder(x.to(like)) for x in self.batches()])

    @torch.no_grad()
    def codes(self, model: LatentModel) -> Tensor:
        """Codes of the samples, `(N, L)`, for a bottleneck with no state except its parameters."""
        return model.bottleneck.encode(self.encodings(model))

    @torch.no_grad()
    def error(self, model: LatentModel, codes: Tensor) -> float:
        """Mean squared error of the samples' reconstructions from codes, `(N, L)`."""
        squared, count = 0.0, 0
        parts = zip(torch.split(codes, BATCH), self.batches(), strict=True)
        with evaluating(model):
            for z, x in parts:
                output = model.decode(z)
                squared += float(to_float64(output - x.to(output)).square().sum())
                count += x.numel()
        return squared / count
