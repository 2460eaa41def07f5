"""Automatic rank selection: `k` or the penalty is moved while a model is trained.

A run is measured a hundred times over its length. One of
`latentrank.training.rank_search.trackers`, which know nothing of training, decides from the
measured numbers; the callbacks here measure and carry out.

What `auto` looks for is the same everywhere: the fewest directions that leave at most `tolerance`
of the data's variance more unexplained than many directions do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from latentrank import methods
from latentrank.bottlenecks.base import RankBottleneck
from latentrank.config import TrainConfig
from latentrank.data import DataModule, Split, to_float
from latentrank.data.module import spread_evenly
from latentrank.linalg import gap, rank_of_spectrum, spectrum, truncate_rank
from latentrank.linalg.precision import to_float64
from latentrank.methods.rank_target import RankTarget, rank_target
from latentrank.models.autoencoder import Autoencoder
from latentrank.models.base import LatentModel
from latentrank.training.module import TrainingModule
from latentrank.training.rank_search.trackers import (
    ErrorAt,
    Growing,
    Learning,
    Shrinking,
    Steering,
    miss_of_error,
    miss_of_rank,
    restore,
    state,
)

#: How often a run is measured, and on how many samples at most.
READINGS = 100
SAMPLES = 1000

#: Share of a run before which nothing is decided: codes of untrained networks say nothing, and
#: `auto` needs to know which error many directions reach.
BEGIN = 0.1
BEGIN_AUTO = 0.3

#: Share of a run up to which `auto` waits for networks that still learn.
WAIT = 0.5

#: Share of the data's variance that must be explained before directions are given up.
LEARNED = 0.1

#: Share of a run after which no direction is given up any more: what is kept needs its time.
SETTLE = 0.8

#: A spectrum is read at its largest gap with confidence if the values on its two sides differ by
#: this factor.
CLEAR = 10.0

#: Share of its size, when steering begins, to which a penalised matrix may shrink before the
#: penalty is raised no more. Below, Adam's noise decides which directions are left.
SPENT = 0.1

_BATCH = 250


class Probe:
    """Samples, evenly spread over a split, on which a model is measured.

    Args:
        split: where they are from.
        samples: how many at most; None takes all.
    """

    def __init__(self, split: Split, samples: int | None = SAMPLES) -> None:
        self._x = split.x
        self._rows = spread_evenly(len(split), samples)

    def batches(self) -> Iterator[Tensor]:
        """The samples, float32, a few hundred at a time."""
        for start in range(0, len(self._rows), _BATCH):
            yield to_float(self._x[self._rows[start : start + _BATCH]])

    def variance(self) -> float:
        """Mean squared error of the best constant: what there is to explain."""
        total = squares = torch.zeros(self._x.shape[1:], dtype=torch.float64)
        for x in self.batches():
            total = total + x.double().sum(0)
            squares = squares + x.double().square().sum(0)
        count = len(self._rows)
        return float((squares / count - (total / count).square()).mean())

    @torch.no_grad()
    def encodings(self, model: LatentModel) -> Tensor:
        """What the encoder makes of them, `(N, encoder_dim)`."""
        like = next(model.parameters())
        training = model.training
        model.eval()
        encoded = torch.cat([model.encoder(x.to(like)) for x in self.batches()])
        model.train(training)
        return encoded

    @torch.no_grad()
    def error(self, model: LatentModel, codes: Tensor) -> float:
        """Mean squared error of their reconstructions from codes, `(N, L)`."""
        training = model.training
        model.eval()
        squared, count = 0.0, 0
        parts = zip(torch.split(codes, _BATCH), self.batches(), strict=True)
        for z, x in parts:
            output = model.decode(z)
            squared += float(to_float64(output - x.to(output)).square().sum())
            count += x.numel()
        model.train(training)
        return squared / count


class RankControl(Callback):
    """Finds a rank while a model is trained, and reports what came out."""

    def report(self, model: LatentModel) -> dict[str, Any]:
        """What was found, for the metrics: plain values.

        `rank` is always among them, with `sure`, whether it can be relied on, and `says`, a
        sentence on both.

        Args:
            model: after training.
        """
        raise NotImplementedError


class GapReading(RankControl):
    """Reads the rank off where the spectrum of the training codes falls the furthest.

    Nothing is done in training (Zeng and Graham 2023).
    """

    def report(self, model: LatentModel) -> dict[str, Any]:
        """`rank`, the `ratio` of the values beside the gap; `sure` if that is clear."""
        variances = model.statistics.variances
        values = torch.zeros(model.latent_dim, dtype=torch.float64)
        values[: len(variances)] = variances.double()
        rank, ratio = gap(values)
        clear = ratio >= CLEAR
        times = f"the next value is {ratio:.3g} times smaller"
        return {
            "rank": rank,
            "ratio": ratio,
            "sure": clear,
            "says": f"The spectrum falls the furthest after {rank} directions: {times}."
            if clear
            else f"The spectrum has no clear gap; the largest is after {rank} directions, where "
            f"{times}.",
        }


class _Measured(RankControl):
    """Reads the model a hundred times a run."""

    def __init__(self, config: TrainConfig) -> None:
        self._config = config

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Every hundredth part of the run, measure and act."""
        horizon = self.horizon(trainer)
        every = max(horizon // READINGS, 1)
        if trainer.global_step % every == 0 and trainer.global_step <= horizon:
            self.read(trainer, _model(pl_module), trainer.global_step / horizon)

    def horizon(self, trainer: Trainer) -> int:
        """Steps of the run, without those of a second stage."""
        return self._config.steps or self._config.epochs * int(trainer.num_training_batches)

    def read(self, trainer: Trainer, model: LatentModel, share: float) -> None:
        """Measure and act.

        Args:
            trainer: which runs the training.
            model: which is trained.
            share: of the run that is over, 0 to 1.
        """
        raise NotImplementedError


class AdaptiveRank(_Measured):
    """Moves the rank of a `RankBottleneck` by `Shrinking` or by `Growing`.

    Errors are those of training samples: the test split has no say. Networks learn one direction
    after the other, and before they have, one is as good as many: shrinking waits until what they
    would still learn at their present pace is no more than twice the tolerance, or half of the run
    is over. In the second case the rank is not to be relied on, and the report says so.

    Args:
        config: how the model is trained.
        request: what is asked of the rank.
    """

    def __init__(self, config: TrainConfig, request: RankTarget) -> None:
        super().__init__(config)
        self._request = request
        self.tracker: Shrinking | Growing = (
            Growing(request.most) if request.search == "grow" else Shrinking(request.most)
        )
        self.slack = 0.0
        self.learning = Learning()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the samples to measure on; set the rank to start, or to go on, with."""
        self._probe = Probe(_data(trainer).dataset.train)
        variance = self._probe.variance()
        if isinstance(self.tracker, Shrinking):
            self.tracker.begin = (1 - LEARNED) * variance
        # Data without any variance would leave nothing to divide by.
        self.slack = max(self._request.tolerance * variance, 1e-12)
        _rank_bottleneck(_model(pl_module)).rank = self.tracker.rank

    def read(self, trainer: Trainer, model: LatentModel, share: float) -> None:
        """Let the tracker choose the rank."""
        if self.tracker.closed or not (
            self._request.search == "grow" or self._learned(trainer, model, share)
        ):
            return
        self._decide(trainer, model, self.tracker.update if share < SETTLE else self.tracker.stop)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave no trial open where training ends early, as with patience it may."""
        if not self.tracker.closed:
            self._decide(trainer, _model(pl_module), self.tracker.stop)

    def _learned(self, trainer: Trainer, model: LatentModel, share: float) -> bool:
        """Whether directions may be given up: not while each further one would soon be of use."""
        if not math.isinf(cast(Shrinking, self.tracker).best):
            return True  # it has begun
        if share < BEGIN:
            return False
        codes = truncate_rank(self._probe.encodings(model), self.tracker.rank)
        error = max(_agreed(trainer, self._probe.error(model, codes)), 1e-30)
        self.learning.update(error, READINGS * (1 - share), self.slack)
        return share >= (WAIT if self.learning.still else BEGIN_AUTO)

    def _decide(
        self, trainer: Trainer, model: LatentModel, decision: Callable[[ErrorAt, float], int]
    ) -> None:
        encodings = self._probe.encodings(model)

        def error_at(k: int) -> float:
            error = self._probe.error(model, truncate_rank(encodings, k))
            return max(_agreed(trainer, error), 1e-30)

        _rank_bottleneck(model).rank = decision(error_at, self.slack)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the rank as `directions`."""
        pl_module.log("directions", float(self.tracker.rank))

    def report(self, model: LatentModel) -> dict[str, Any]:
        """`rank`; `sure` if the search came to its end."""
        rank, settled = self.tracker.rank, self.tracker.settled
        way = "up from 1" if self._request.search == "grow" else f"down from {self._request.most}"
        if self.learning.still:
            doubt = "; directions were given up while the networks still learned, train for longer."
        else:
            doubt = "." if settled else "; the search was cut short, train for longer."
        return {
            "rank": rank,
            "sure": settled and not self.learning.still,
            "says": f"The rank was adapted {way}: {_count(rank)}{doubt}",
        }

    def state_dict(self) -> dict[str, Any]:
        """The tracker's state, for checkpoints."""
        return {
            **state(self.tracker),
            "learning": state(self.learning),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        kept = dict(state_dict)
        restore(self.learning, kept.pop("learning"))
        restore(self.tracker, kept)


class SteeredPenalty(_Measured):
    """Moves the weight of a penalty until the code has the rank, or costs the error, asked for.

    A target rank or error is that of the test split, as reports give it. `auto` measures on
    training samples: for the first part of the run the penalty is a hundredth of its start and
    the lowest error is noted; from then on that error, plus `tolerance` of the data's variance,
    is the target.

    Args:
        model: which is trained.
        config: how.
        request: what is asked of the rank.
        penalty: where the weight starts.
    """

    def __init__(
        self, model: LatentModel, config: TrainConfig, request: RankTarget, penalty: float
    ) -> None:
        super().__init__(config)
        self._term = str(methods.get(model.spec.method).rank_search_term)
        self._request = request
        self.steering = Steering(penalty)
        self.plateau = math.inf
        self.size = math.inf
        self.learning = Learning()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the samples to measure on; set the penalty to start, or to go on, with."""
        dataset = _data(trainer).dataset
        self._probe = Probe(dataset.train if self._request.auto else dataset.test)
        self._slack = self._request.tolerance * self._probe.variance()
        self._apply(_model(pl_module), trainer.global_step / self.horizon(trainer))

    def _apply(self, model: LatentModel, share: float) -> None:
        plain = self._request.auto and share < BEGIN_AUTO
        weights = cast(Autoencoder, model).objective.weights
        weights[self._term] = self.steering.penalty / (100 if plain else 1)

    def read(self, trainer: Trainer, model: LatentModel, share: float) -> None:
        """Move the penalty."""
        begin = BEGIN_AUTO if self._request.auto else BEGIN
        early = share < begin
        miss = self._miss(trainer, model, share, early)
        size = _agreed(trainer, _size(model))
        if early:
            self.size = size
        else:
            # Late, a penalty may still be found too high, but no longer too low.
            late = share >= SETTLE and self._request.rank is None
            bounded = late or size < SPENT * self.size
            self.steering.update(min(miss, 0.0) if bounded else miss)
        self._apply(model, share)

    def _miss(self, trainer: Trainer, model: LatentModel, share: float, early: bool) -> float:
        codes = _codes(model, self._probe)
        if self._request.rank is not None:
            return _agreed(trainer, miss_of_rank(spectrum(codes), self._request.rank))
        error = max(_agreed(trainer, self._probe.error(model, codes)), 1e-30)
        if early:
            self.plateau = min(self.plateau, error)
            if self._request.auto:
                self.learning.update(error, READINGS * (1 - share), self._slack)
        return miss_of_error(error, self._request.error or self.plateau + self._slack)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the penalty."""
        pl_module.log("penalty", cast(Autoencoder, _model(pl_module)).objective.weights[self._term])

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure what was reached, on the whole test split."""
        model, probe = _model(pl_module), Probe(_data(trainer).dataset.test, None)
        codes = _codes(model, probe)
        rank, error = int(rank_of_spectrum(spectrum(codes))), probe.error(model, codes)
        if self._request.rank is not None:
            held = rank == self._request.rank
        elif self._request.error is not None:
            held = error <= self._request.error
        else:
            held = self._probe.error(model, _codes(model, self._probe)) <= self._highest
        self._held = held
        self._reached: dict[str, Any] = {"rank": rank, "error": error}

    @property
    def _highest(self) -> float:
        """The error that is not to be exceeded, unless a rank is asked for."""
        return self._request.error or self.plateau + self._slack

    def report(self, model: LatentModel) -> dict[str, Any]:
        """`rank` and `error` reached, the last `penalty`; `sure` if the target holds."""
        asked, reached = self._request, self._reached
        penalty = cast(Autoencoder, model).objective.weights[self._term]
        aim = _count(asked.rank) if asked.rank is not None else f"an error of {self._highest:.3g}"
        if not self._held:
            doubt = "; the target does not hold."
        elif self.learning.still:
            doubt = "; the target was set while the networks still learned, train for longer."
        else:
            doubt = "."
        return {
            **reached,
            "sure": self._held and not self.learning.still,
            "penalty": penalty,
            "target_rank": asked.rank,
            "target_error": None if asked.rank is not None else self._highest,
            "says": f"The penalty was steered to {penalty:.3g}, for {aim}: "
            f"{_count(reached['rank'])} with an error of {reached['error']:.3g}{doubt}",
        }

    def state_dict(self) -> dict[str, Any]:
        """The steering's state, for checkpoints."""
        return {
            **state(self.steering),
            "plateau": self.plateau,
            "size": self.size,
            "learning": state(self.learning),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        kept = dict(state_dict)
        self.plateau, self.size = float(kept.pop("plateau")), float(kept.pop("size"))
        restore(self.learning, kept.pop("learning"))
        restore(self.steering, kept)


def callback(model: LatentModel, config: TrainConfig) -> RankControl | None:
    """What finds the rank of a model while it is trained; None where it was given a number.

    Args:
        model: the autoencoder.
        config: how it is trained.

    Example:
        >>> import latentrank
        >>> model = latentrank.build("rrae", (6,), latent_dim=4, rank="auto")
        >>> type(callback(model, TrainConfig())).__name__
        'AdaptiveRank'
        >>> callback(latentrank.build("rrae", (6,), latent_dim=4, rank=2), TrainConfig())
    """
    spec = model.spec
    control, options = methods.get(spec.method).rank_search, spec.options
    request = rank_target(spec.method, control, spec.latent_dim, options)
    if control == "gap":
        return GapReading()
    if control in ("shrink", "grow") and request.auto:
        return AdaptiveRank(config, request)
    asked = request.auto or request.rank is not None or request.error is not None
    if control == "penalty" and asked:
        return SteeredPenalty(model, config, request, float(options["penalty"]))
    return None


def _model(pl_module: LightningModule) -> LatentModel:
    return cast(TrainingModule, pl_module).model


def _data(trainer: Trainer) -> DataModule:
    return cast(DataModule, trainer.datamodule)  # type: ignore[attr-defined]


def _rank_bottleneck(model: LatentModel) -> RankBottleneck:
    return cast(RankBottleneck, model.bottleneck)


@torch.no_grad()
def _codes(model: LatentModel, probe: Probe) -> Tensor:
    """The codes of a bottleneck that learns nothing beside its parameters."""
    return model.bottleneck.encode(probe.encodings(model))


@torch.no_grad()
def _size(model: LatentModel) -> float:
    """The spectral norm of the matrix in front of the code."""
    matrix = model.bottleneck.linear_map()
    return math.inf if matrix is None else float(torch.linalg.matrix_norm(matrix.float(), ord=2))


def _agreed(trainer: Trainer, value: float) -> float:
    """The first process's value: rounding must not lead processes to different ranks."""
    return float(trainer.strategy.broadcast(value))


def _count(directions: int) -> str:
    return f"{directions} direction" + ("" if directions == 1 else "s")
