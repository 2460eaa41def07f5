"""Metrics that compare generated and real samples on features, and metrics of interpolations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from latentrank.errors import InputError
from latentrank.evaluation.classifier import Classifier
from latentrank.evaluation.distances import (
    density_coverage,
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from latentrank.evaluation.entropy import interpolation_entropy
from latentrank.metrics.base import Better, Measured, Metric
from latentrank.metrics.subject import Subject


def _frechet(subject: Subject, density: str, features: str) -> float:
    return frechet_distance(*subject.features(features, density))


def _kernel(subject: Subject, density: str, features: str) -> Measured:
    return Measured(*kernel_distance(*subject.features(features, density)))


def _one_of(
    compare: Callable[..., Sequence[float]], place: int
) -> Callable[[Subject, str, str], float]:
    """One of the numbers that a comparison of features gives together."""
    return lambda subject, density, features: subject.once(compare, features, density)[place]


def _entropy(subject: Subject, _: str, features: str) -> Measured:
    classifier = subject.extractor(features)
    if not isinstance(classifier, Classifier):
        raise InputError(
            "The entropy of interpolated images needs a classifier; leave out the features."
        )
    images, prepare = subject.dataset.train.x, subject.dataset.preprocessing.normalise
    found = interpolation_entropy(
        subject.model, images, classifier, seed=subject.seed, prepare=prepare
    )
    return Measured(*found)


def _distance(name: str, compute: object, better: Better, title: str, text: str) -> Metric:
    return Metric(
        name,
        compute,  # type: ignore[arg-type]
        better,
        ("images",),
        "DENSITY",
        ("samples", "seed", "features"),
        (),
        title,
        f"{text} of generated against real images, on their features.",
    )


METRICS = (
    _distance("fd", _frechet, "lower", "{distance}", "Fréchet distance"),
    _distance("kd", _kernel, "lower", "{kernel}", "Kernel distance"),
    _distance("precision", _one_of(precision_recall, 0), "higher", "precision", "Precision"),
    _distance("recall", _one_of(precision_recall, 1), "higher", "recall", "Recall"),
    _distance("density", _one_of(density_coverage, 0), "higher", "density", "Density"),
    _distance("coverage", _one_of(density_coverage, 1), "higher", "coverage", "Coverage"),
    Metric(
        "entropy",
        _entropy,
        "lower",
        ("images", "labels", "codes"),
        uses=("seed", "features"),
        usual=(),
        help="Entropy of the classifier on images decoded between codes, in nats.",
    ),
)
