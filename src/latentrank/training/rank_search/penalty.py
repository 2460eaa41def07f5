"""Rank search by penalty: adjusts its weight until the code has the target rank or error."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from latentrank import methods
from latentrank.config import TrainConfig
from latentrank.formatting import counted
from latentrank.linalg import RANK_THRESHOLD, rank_of_spectrum, spectrum
from latentrank.methods.rank_target import RankTarget
from latentrank.models.base import LatentModel
from latentrank.training.context import data_of, model_of
from latentrank.training.rank_search.base import (
    BEGIN,
    BEGIN_AUTO,
    READINGS,
    SETTLE,
    PeriodicSearch,
    agreed,
    agreed_error,
)
from latentrank.training.rank_search.subset import Subset
from latentrank.training.rank_search.trend import Learning, Trend

#: Once a penalised matrix has shrunk to this share of its size at the start of the search, the
#: penalty is no longer raised. Below that size, Adam's noise decides which directions remain.
SPENT = 0.1


@dataclass
class Steering:
    """Adjusts a penalty until the quantity it controls reaches its target.

    Steps are logarithmic, at most 30 % per reading. Rank and error respond slowly, so the penalty
    is changed only if they would not reach the target at their present rate of change; each time
    they cross the target, the step is halved (bisection once there is a bracket), and a penalty
    that proved too high becomes an upper bound.

    Attributes:
        penalty: its present value.
        step: logarithm of the next factor.
        ceiling: the penalty stays at or below this.
        within: number of readings in which the target must be within reach for the penalty to be
            left alone.

    Example:
        >>> steering = Steering(1e-3)
        >>> for _ in range(150):  # the target is at 0.05
        ...     penalty = steering.update(math.log(0.05 / steering.penalty))
        >>> 0.04 < penalty < 0.06
        True
    """

    penalty: float
    step: float = math.log(1.3)
    ceiling: float = 1e4
    within: float = 40.0
    trend: Trend = field(default_factory=Trend)

    def update(self, miss: float) -> float:
        """The penalty for the next interval.

        Args:
            miss: distance of the controlled quantity from its target: positive if the penalty is
                too low, negative if it is too high, 0 if it is right.
        """
        side = math.copysign(1.0, miss)
        if miss * self.trend.value < 0:
            self.step = max(self.step / 2, math.log(1.02))
            self.trend = Trend(miss)
            if miss < 0:
                self.ceiling = min(self.ceiling, self.penalty)
        elif miss:
            self.step = min(1.1 * self.step, math.log(1.3))
            self.trend.update(miss)
        else:
            # Only the side matters for the next reading, not the rate of change.
            self.trend = Trend(1e-9 * self.trend.value)
        if miss and not self.trend.arrives(self.within):
            moved = self.penalty * math.exp(side * self.step)
            self.penalty = min(max(moved, 1e-8), self.ceiling)
        return self.penalty


def miss_of_rank(values: Tensor, target: int) -> float:
    """The distance of a spectrum from the target rank, for `Steering.update`.

    Args:
        values: `(L,)` float64, covariance singular values over the largest, descending.
        target: target rank, 1 to `L`.

    Returns:
        0 if exactly `target` values count; else the distance of the square root of the first
        excess, or missing, value from the threshold. Square roots, which are standard deviations of
        the code, change at a steady rate under Adam.

    Example:
        >>> import torch
        >>> values = torch.tensor([1.0, 0.25, 1e-2, 1e-6], dtype=torch.float64)
        >>> [round(miss_of_rank(values, k), 3) for k in (1, 2, 3, 4)]
        [0.49, 0.09, 0.0, -0.009]
    """
    over = float(values[target]) if target < len(values) else 0.0
    if over > RANK_THRESHOLD:
        return math.sqrt(over) - math.sqrt(RANK_THRESHOLD)
    return min(math.sqrt(float(values[target - 1])) - math.sqrt(RANK_THRESHOLD), 0.0)


def miss_of_error(error: float, target: float) -> float:
    """The distance of an error from just below its target, for `Steering.update`.

    Returns:
        0 between 80 % and 95 % of the target; else the logarithm of the ratio of 95 % of the target
        to the error.
    """
    return 0.0 if 0.8 * target <= error <= 0.95 * target else math.log(0.95 * target / error)


class PenaltySearch(PeriodicSearch):
    """Adjusts the weight of a loss term by `Steering`.

    A target rank or error refers to the test split, as in reports. `auto` measures on
    training samples: in the first part of the run the weight is a hundredth of its initial value
    and the lowest error is recorded; from then on the target is that error plus `tolerance` of the
    data's variance.

    The method's row names the term (`rank_search_term`).
    """

    needs: ClassVar[str] = (
        "a loss term whose weight it can adjust; the method's row names it (rank_search_term)"
    )

    kept = ("steering", "plateau", "size", "learning")

    def __init__(self, model: LatentModel, config: TrainConfig, target: RankTarget) -> None:
        super().__init__(model, config, target)
        self._term = str(_term(model))
        self.steering = Steering(model.term_weights[self._term])
        self.plateau = math.inf
        self.size = math.inf
        self.learning = Learning()

    @classmethod
    def applies(cls, target: RankTarget) -> bool:
        """Whether a rank, an error or `auto` is requested."""
        return target.auto or target.rank is not None or target.error is not None

    @classmethod
    def suits(cls, model: LatentModel) -> bool:
        """Whether the named term is among the weighted ones."""
        return _term(model) in model.term_weights

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the samples to measure on."""
        data = data_of(trainer)
        split = data.dataset.train if self.target.auto else data.dataset.test
        self._subset = Subset(split, data.preprocessing)
        self._slack = self.target.tolerance * self._subset.variance()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the initial, or restored, weight."""
        self._apply(model_of(pl_module), trainer.global_step / self.horizon(trainer))

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Leave the weight itself, from which another training of the model starts."""
        self._apply(model_of(pl_module), 1.0)

    def _apply(self, model: LatentModel, share: float) -> None:
        plain = self.target.auto and share < BEGIN_AUTO
        model.term_weights[self._term] = self.steering.penalty / (100 if plain else 1)

    def read(self, trainer: Trainer, model: LatentModel, share: float) -> None:
        """Adjust the weight."""
        early = share < (BEGIN_AUTO if self.target.auto else BEGIN)
        miss = self._miss(trainer, model, share, early)
        size = agreed(trainer, _size(model))
        if early:
            self.size = size
        elif math.isfinite(miss):  # infinite if the run is too short for an early reading
            # Late in the run, a penalty can still prove too high, but no longer too low.
            late = share >= SETTLE and self.target.rank is None
            bounded = late or size < SPENT * self.size
            self.steering.update(min(miss, 0.0) if bounded else miss)
        self._apply(model, share)

    def _miss(self, trainer: Trainer, model: LatentModel, share: float, early: bool) -> float:
        codes = self._subset.codes(model)
        if self.target.rank is not None:
            return agreed(trainer, miss_of_rank(spectrum(codes), self.target.rank))
        error = agreed_error(trainer, self._subset.error(model, codes))
        if early:
            self.plateau = min(self.plateau, error)
            if self.target.auto:
                self.learning.update(error, READINGS * (1 - share), self._slack)
        return miss_of_error(error, self._highest)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the weight as `penalty`."""
        pl_module.log("penalty", model_of(pl_module).term_weights[self._term])

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the result on the entire test split, even if nothing was left to train."""
        model, data = model_of(pl_module), data_of(trainer)
        share = trainer.global_step / self.horizon(trainer)
        self._apply(model, share)
        test = Subset(data.dataset.test, data.preprocessing, None)
        codes = test.codes(model)
        rank, error = int(rank_of_spectrum(spectrum(codes))), test.error(model, codes)
        if self.target.rank is not None:
            self._held = rank == self.target.rank
        elif self.target.error is not None:
            self._held = error <= self.target.error
        else:
            own = self._subset.error(model, self._subset.codes(model))
            self._held = own <= self._highest
        # What was asked for may be reached at any time, but auto searches to the end.
        self._is_cut = self.target.auto and (share < SETTLE or math.isinf(self.plateau))
        self._reached: dict[str, Any] = {"rank": rank, "error": error}

    @property
    def _highest(self) -> float:
        """The error bound, unless a rank is requested; infinite if none could be measured."""
        return self.target.error or self.plateau + self._slack

    @property
    def _doubt(self) -> str | None:
        """Why the result is unreliable, or None."""
        if self._is_cut:
            return "the search was cut short, train for longer"
        if not self._held:
            return "the target was not reached"
        if self.learning.still:
            return "the target was set while the networks were still learning, train for longer"
        return None

    def report(self, model: LatentModel) -> dict[str, Any]:
        """`rank` and `error` reached, the final `penalty`; `reliable` if the target is met."""
        asked, reached, doubt = self.target, self._reached, self._doubt
        penalty = model.term_weights[self._term]
        bound = self._highest if asked.rank is None and math.isfinite(self._highest) else None
        aim = "" if bound is None else f", for an error of {bound:.3g}"
        if asked.rank is not None:
            aim = f", for {counted(asked.rank, 'direction')}"
        return {
            **reached,
            "reliable": doubt is None,
            "penalty": penalty,
            "target_rank": asked.rank,
            "target_error": bound,
            "message": f"The penalty weight was adjusted to {penalty:.3g}{aim}: "
            f"{counted(reached['rank'], 'direction')} with an error of {reached['error']:.3g}"
            + ("." if doubt is None else f"; {doubt}."),
        }


def _term(model: LatentModel) -> str | None:
    """The loss term whose weight the model's method lets a search adjust."""
    return methods.get(model.spec.method).rank_search_term


@torch.no_grad()
def _size(model: LatentModel) -> float:
    """The spectral norm of the matrix in front of the code; infinite without one."""
    matrix = model.bottleneck.linear_map()
    return math.inf if matrix is None else float(torch.linalg.matrix_norm(matrix.float(), ord=2))
