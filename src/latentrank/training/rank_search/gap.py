"""Rank search that only looks: the position of the largest gap of the spectrum after training."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from latentrank.linalg import gap
from latentrank.methods.rank_target import RankTarget
from latentrank.models.base import LatentModel
from latentrank.training.rank_search.base import RankSearch, directions

#: A gap is clear if the values on its two sides differ by this factor.
CLEAR = 10.0


class GapSearch(RankSearch):
    """The position of the largest gap in the spectrum of the training codes.

    Nothing is done in training (Zeng and Graham 2023).
    """

    needs: ClassVar[str] = (
        "a latent that is linear in the encoder's output, as a row of matrices makes it "
        "(linear_map)"
    )

    @classmethod
    def wanted(cls, target: RankTarget) -> bool:
        """Always."""
        return True

    @classmethod
    def suits(cls, model: LatentModel) -> bool:
        """Whether the latent is linear."""
        return model.bottleneck.linear_map() is not None

    def report(self, model: LatentModel) -> dict[str, Any]:
        """`rank`, the `ratio` of the values beside the gap; `reliable` if that is clear."""
        variances = model.statistics.variances
        values = torch.zeros(model.latent_dim, dtype=torch.float64)
        values[: len(variances)] = variances.double()
        rank, ratio = gap(values)
        clear = ratio >= CLEAR
        times = f"the next value is {ratio:.3g} times smaller"
        return {
            "rank": rank,
            "ratio": ratio,
            "reliable": clear,
            "message": f"The largest gap of the spectrum is after {directions(rank)}: {times}."
            if clear
            else "The spectrum has no clear gap; the largest is after "
            f"{directions(rank)}, where {times}.",
        }
