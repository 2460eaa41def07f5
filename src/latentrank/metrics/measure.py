"""Measuring a run: stored values are reused, the rest are computed and stored."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from numbers import Real
from typing import Any, Final

from latentrank import density as densities
from latentrank.errors import InputError, check_known, check_returned
from latentrank.evaluation.classifier import Classifier
from latentrank.evaluation.features import check_features, distance_name, weights_of
from latentrank.metrics.base import Measured, Need
from latentrank.metrics.registry import METRICS, Spec, parse
from latentrank.metrics.store import Value, add, model_digest, read
from latentrank.metrics.subject import FROM_TEST_CODES, Subject
from latentrank.torch_state import own_defaults


def check(text: str) -> Spec:
    """Reject a metric before the runs that it would be measured on are trained.

    Args:
        text: the metric, in the form that `parse` reads.

    Returns:
        The metric, with a valid argument.

    Raises:
        InputError: an unknown metric, or an argument that it does not take.

    Example:
        >>> check("accuracy:ten")
        Traceback (most recent call last):
        latentrank.errors.InputError: The number of labels is 'ten', expected an integer of...
    """
    spec = parse(text)
    kind, argument = spec.metric.argument, spec.argument
    if kind == "DENSITY":
        _known_density(argument)
    elif "|" in kind:
        check_known(f"argument of {spec.metric.name}", argument, kind.split("|"))
    if spec.metric.check is not None:
        try:
            spec.metric.check(argument)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(
                f"The metric is '{text}', expected {spec.metric.form} ({error}); correct it."
            ) from None
    return spec


@own_defaults()
def measure(subject: Subject, text: str) -> Value:
    """One metric of one run, computed or read from the run's folder.

    Args:
        subject: the run.
        text: the metric, in the form that `parse` reads.

    Returns:
        The value, finite.

    Raises:
        InputError: an unknown metric, or one that cannot be measured for this run.
    """
    spec = check(text)
    if spec.metric.argument == "DENSITY":
        spec = spec._replace(argument=subject.density(spec.argument))
    request = _request(subject, spec)
    if spec.metric.stored:
        for value in reversed(read(subject.folder, subject.measured_on)):
            if value.answers(spec.text, request):
                return value
    _check_needs(subject, spec)
    subject.say(spec.text)
    given: list[Any] = [spec.features] if spec.features else []
    if spec.metric.of:
        given.append(measure(subject, spec._replace(metric=METRICS.get(spec.metric.of)).text))
    measured = spec.metric.compute(subject, spec.argument, *given)
    if not isinstance(measured, Measured):
        measured = Measured(measured)
    check_returned(measured.value, Real, spec.metric.compute)
    measured = measured._replace(value=float(measured.value))
    if not math.isfinite(measured.value):
        raise InputError(f"The metric {text} of {subject.folder.name} is {measured.value}.")
    value = Value(
        spec.text,
        _title(spec),
        measured.value,
        measured.spread,
        spec.metric.better,
        {**_identity(subject, spec), **measured.details},
        model_digest(subject.folder),
    )
    if spec.metric.stored:
        add(subject.folder, [value])
    return value


def usual(
    subject: Subject,
    features: str | None = None,
    density: Sequence[str] | None = None,
    *,
    probes: bool = True,
) -> list[str]:
    """The default metrics of a run.

    Args:
        subject: the run.
        features: feature network for distances; None leaves distances out, since the features must
            be chosen.
        density: densities to generate from; by default the model's usual ones.
        probes: whether to train classifiers on the codes if there are labels.

    Returns:
        The metrics that can be measured for this run, as text.

    Raises:
        InputError: unknown features or densities, densities without features, or features and
            data without images.
    """
    found: list[str] = []
    every = METRICS.working().values()
    if density and features is None:
        raise InputError(
            f"The densities {', '.join(density)} were given without features to measure distances "
            "on; name some, such as classifier."
        )
    if features is not None:
        check_features(features)
        for name in density or ():
            _known_density(name)
        _check_needs(subject, Spec(METRICS.get("fd"), features, ""))
        chosen = density or subject.model.usual_densities
        found += [
            Spec(metric, features if "features" in metric.uses else "", one).text
            for one in [*(["reconstruction"] if subject.reconstructs else []), *chosen]
            for metric in every
            if metric.argument == "DENSITY"
        ]
    for metric in every:
        if not metric.stored or (metric.argument == "LABELS" and not probes):
            continue
        for argument in metric.usual or ():
            spec = Spec(metric, "classifier" if "features" in metric.uses else "", argument)
            if is_possible(subject, spec):
                found.append(spec.text)
    return list(dict.fromkeys(found))


def is_possible(subject: Subject, spec: Spec) -> bool:
    """Whether the run has what the metric needs, and enough labels for its argument."""
    labels = subject.full_dataset.train.labels if spec.metric.argument == "LABELS" else None
    enough = labels is None or spec.argument == "all" or int(spec.argument) < len(labels)
    return enough and all(_NEEDS[need][0](subject) for need in spec.metric.needs)


def _known_density(text: str) -> None:
    """Reject an unknown density before the features are computed, which takes minutes."""
    if text not in ("usual", *FROM_TEST_CODES):
        densities.parse(text)


def _title(spec: Spec) -> str:
    if not spec.features:
        return spec.metric.title
    distance = distance_name(spec.features)
    kernel = "KID" if distance == "FID" else distance.replace("FD-", "KD-", 1)
    return spec.metric.title.format(distance=distance, kernel=kernel)


def _request(subject: Subject, spec: Spec) -> dict[str, Any]:
    """The part of the value's identity known before it is computed."""
    uses = spec.metric.uses
    known: dict[str, Any] = {}
    if subject.measured_on is not None:
        known["data"] = subject.measured_on
    if spec.metric.argument == "DENSITY":
        known["density"] = spec.argument
    if "samples" in uses and spec.argument != "reconstruction":
        known["samples"] = subject.samples
    if "seed" in uses:
        known["seed"] = subject.seed
    if spec.features:
        known["features"] = {"name": spec.features}
        if key := subject.weights_key(spec.features):
            known["features"]["weights"] = key
    return known


def _identity(subject: Subject, spec: Spec) -> dict[str, Any]:
    known = _request(subject, spec)
    if spec.argument == "reconstruction" and "samples" in spec.metric.uses:
        known["samples"] = len(subject.dataset.test)
    if spec.features:
        network = subject.extractor(spec.features)
        known["test_samples"] = len(subject.dataset.test)
        known["features"] = {
            "name": spec.features,
            "weights": network.key,
            "preprocessing": network.protocol,
        }
        if isinstance(network, Classifier):
            known["features"]["accuracy"] = network.accuracy
            known["features"]["trained_on"] = network.trained_on
    return known


# --- what a metric needs ------------------------------------------------------------------------


def check_possible(subject: Subject, text: str) -> None:
    """Refuse, before anything is trained, a metric that the data or the method cannot have.

    Args:
        subject: a run, trained or not.
        text: the metric, in the form that `parse` reads.

    Raises:
        InputError: an unknown metric, data without the labels, parameters or images that it needs,
            or a method without codes of samples.
    """
    _check_needs(subject, check(text), but=_OF_TRAINED)


def check_weights(subject: Subject, text: str) -> None:
    """Refuse a metric on features of a network without weights; download them if allowed.

    Args:
        subject: a run, trained or not.
        text: the metric, in the form that `parse` reads.

    Raises:
        InputError: the weights are neither here nor may be downloaded, or the download failed.
    """
    if (features := check(text).features) not in ("", "classifier"):
        weights_of(features, subject.weights.get(features), download=subject.download)


def _check_needs(subject: Subject, spec: Spec, but: Collection[Need] = ()) -> None:
    for need in spec.metric.needs:
        present, sentence = _NEEDS[need]
        if need not in but and not present(subject):
            raise InputError(
                sentence.format(
                    data=subject.dataset.name,
                    shape=subject.dataset.shape,
                )
            )


#: What is known only once a run is trained.
_OF_TRAINED: Final = frozenset[Need]({"history"})
#: What is known without the data.
OF_METHOD: Final = frozenset[Need]({"codes"}) | _OF_TRAINED
_NEEDS: dict[Need, tuple[Callable[[Subject], bool], str]] = {
    "images": (
        lambda s: len(s.dataset.shape) == 3 and s.dataset.preprocessing.bounded,
        "Distances and entropies are measured on images, and {data} contains none (one sample has "
        "shape {shape}); choose another metric.",
    ),
    "labels": (
        lambda s: s.dataset.train.labels is not None and s.dataset.test.labels is not None,
        "The metric needs labels, and the data {data} has no labels; choose another metric.",
    ),
    "parameters": (
        lambda s: s.dataset.train.parameters is not None,
        "The metric needs parameters of the samples, and the data {data} has none; choose another "
        "metric.",
    ),
    "posterior": (
        lambda s: s.has_posterior,
        "The metric needs a Gaussian posterior; choose a method with one, such as vae or vrrae.",
    ),
    "history": (
        lambda s: "history" not in s.run.lacks,
        "The metric needs the history of the training, which a saved model does not have; choose "
        "another metric.",
    ),
    "codes": (
        lambda s: s.reconstructs,
        "The metric needs codes of samples, which the method does not have; choose another metric.",
    ),
}
