"""Metrics of the latent space and of the training."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrank.errors import InputError, check_count
from latentrank.evaluation.collapse import active_units, kl_per_unit
from latentrank.evaluation.prediction import fold_error, parameter_error, reconstruction_error
from latentrank.evaluation.theory import adam_gradient_norms, relative_contrasts, theorem_step_size
from latentrank.metrics.base import Metric
from latentrank.metrics.subject import Subject
from latentrank.models.base import LatentModel
from latentrank.parametric import KINDS
from latentrank.runs.train import new_model

EPSILON = 0.1  # Adam's epsilon in theorem 1, where the usual 1e-8 would make the step vanish
_KINDS = "|".join(("auto", *KINDS))
_PILOT_STEPS, _PILOT_STEP_SIZE = 20, 1e-3


def _of_training(name: str) -> Callable[[Subject, str], float]:
    def metric(subject: Subject, _: str) -> float:
        value = subject.metrics.get(name)
        if value is None:
            if name == "validation_error":
                subject.run.need_samples()
            raise InputError(f"{subject.folder.name} has no {name.replace('_', ' ')}.")
        return float(value)

    return metric


def _active_share(subject: Subject, _: str) -> float:
    """Share of all units, which compares across code widths."""
    means = subject.posterior()[0]
    return active_units(means) / len(means.T)


def _seconds_per_100_batches(subject: Subject, _: str) -> float:
    history = subject.run.history
    steps = float(history["step"][-1])
    if not steps:
        raise InputError(
            f"The method {subject.config.method} is not trained by batches, so it has no time for "
            "them; look at seconds."
        )
    return 100 * float(history["seconds"][-1]) / steps


def _contrast(subject: Subject, argument: str) -> float:
    found = relative_contrasts(subject.codes("test"), seed=subject.seed)
    return float(found.min() if argument == "lowest" else np.median(found))


def _check_steps(argument: str) -> None:
    check_count(int(argument) if argument.isdecimal() else argument, "steps")


def _gradient(subject: Subject, argument: str) -> float:
    """Smallest gradient norm of `argument` steps of theorem 1, from an untrained model.

    The unknown minimum of the loss is replaced by its lower bound 0; the bound on the gradient is
    the largest norm in a short pilot run, and K is that bound, as the theorem states for the loss.
    """
    x = subject.dataset.preprocessing.normalise(subject.dataset.train.x)
    model = new_model(subject.config, subject.dataset).train()
    pilot, horizon = copy.deepcopy(model), int(argument)
    start = float(model.losses(x)["loss"].detach())

    def norms(network: LatentModel, step_size: float, steps: int) -> NDArray[Any]:
        parameters = list(network.parameters())
        return adam_gradient_norms(
            lambda: network.losses(x)["loss"], parameters, step_size, steps, EPSILON
        )

    bound = float(norms(pilot, _PILOT_STEP_SIZE, _PILOT_STEPS).max())
    step_size = theorem_step_size(start, bound, bound, horizon, EPSILON)
    return float(norms(model, step_size, horizon).min())


_OF_TRAINING = {
    "rank": "Rank by count of the test codes.",
    "validation_error": "Mean squared error of the reconstructed test samples.",
    "seconds": "Training time.",
    "rank_training_codes": "Rank by count of the training codes.",
    "effective_rank": "Exponential of the entropy of the spectrum.",
    "participation_ratio": "Squared sum of the spectrum over its sum of squares.",
    "gap_rank": "Values before the largest ratio of consecutive values of the spectrum.",
}

METRICS = (
    *(
        Metric(
            name,
            _of_training(name),
            "lower" if name == "validation_error" else None,
            ("codes",) if name == "validation_error" else (),
            title="training time" if name == "seconds" else "",
            unit=" s" if name == "seconds" else "",
            help=text,
            stored=False,
        )
        for name, text in _OF_TRAINING.items()
    ),
    Metric(
        "training-error",
        lambda s, _: reconstruction_error(s.model, s.dataset, "train"),
        "lower",
        ("codes",),
        usual=(),
        help="Relative error of the reconstructed training samples, in percent.",
        unit=" %",
    ),
    Metric(
        "seconds-per-100-batches",
        _seconds_per_100_batches,
        "lower",
        ("history",),
        usual=(),
        title="seconds for 100 batches",
        help="Training time for 100 batches.",
    ),
    Metric(
        "prediction-error",
        lambda s, kind: parameter_error(s.model, s.dataset, kind),
        "lower",
        ("parameters", "codes"),
        argument=_KINDS,
        usual=("auto",),
        help="Error at the parameters of the test split in percent, by kind of interpolation.",
        unit=" %",
    ),
    Metric(
        "fold-error",
        lambda s, kind: fold_error(s.model, s.dataset, kind),
        "lower",
        ("parameters", "codes"),
        argument=_KINDS,
        help="Error at training parameters held out of the interpolation, by kind, in percent.",
        unit=" %",
    ),
    Metric(
        "active-units",
        lambda s, _: active_units(s.posterior()[0]),
        needs=("posterior",),
        help="Number of coordinates whose posterior mean depends on the data.",
    ),
    Metric(
        "active-share",
        _active_share,
        needs=("posterior",),
        help="Active units as a fraction of all units.",
    ),
    Metric(
        "kl-per-unit",
        lambda s, _: float(kl_per_unit(*s.posterior()).mean()),
        needs=("posterior",),
        title="KL per unit",
        help="Mean divergence of the posterior from the prior, in nats.",
    ),
    Metric(
        "contrast",
        _contrast,
        "higher",
        argument="lowest|median",
        uses=("seed",),
        needs=("codes",),
        help="Relative contrast of distances from test codes to others.",
    ),
    Metric(
        "gradient",
        _gradient,
        "lower",
        argument="STEPS",
        check=_check_steps,
        title="gradient norm",
        help="Smallest gradient norm over a number of steps of the convergence theorem.",
    ),
)
