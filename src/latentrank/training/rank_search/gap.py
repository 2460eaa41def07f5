"""Rank search after training: the position of the largest gap of the spectrum."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from latentrank.formatting import counted
from latentrank.linalg import gap
from latentrank.methods.rank_target import RankTarget
from latentrank.models.base import LatentModel
from latentrank.training.rank_search.base import RankSearch

#: A gap is clear if the values on either side differ by this factor.
CLEAR = 10.0


class GapSearch(RankSearch):
    """The position of the largest gap in the spectrum of the training codes.

    It does not act during training (Zeng and Graham 2023).
    """

    needs: ClassVar[str] = (
        "a code that is linear in the encoder's output, as with a chain of matrices (linear_map)"
    )

    @classmethod
    def applies(cls, target: RankTarget) -> bool:
        """Always."""
        return True

    @classmethod
    def suits(cls, model: LatentModel) -> bool:
        """Whether the code is linear in the encoder's output."""
        return model.bottleneck.linear_map() is not None

    def report(self, model: LatentModel) -> dict[str, Any]:
        """`rank`, the `ratio` of the values around the gap; `reliable` if it is clear."""
        variances = model.statistics.variances
        values = torch.zeros(model.latent_dim, dtype=torch.float64)
        values[: len(variances)] = variances.double()
        rank, ratio = gap(values)
        clear = ratio >= CLEAR
        place = counted(rank, "direction")
        times = f"the next value is {ratio:.3g} times smaller"
        return {
            "rank": rank,
            "ratio": ratio,
            "reliable": clear,
            "message": f"The largest gap of the spectrum is after {place}: {times}."
            if clear
            else f"The spectrum has no clear gap; the largest is after {place}, where {times}.",
        }
