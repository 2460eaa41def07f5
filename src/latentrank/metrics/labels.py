"""Metrics of label prediction from codes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray
from torch import nn

from latentrank import methods
from latentrank.errors import InputError
from latentrank.evaluation.features import place
from latentrank.evaluation.probe import Kind, ProbeResult, probe, supervised
from latentrank.metrics.base import Measured, Metric
from latentrank.metrics.store import Value
from latentrank.metrics.subject import Subject

_SIZES = ("10", "100", "1000", "10000", "all")


def _labels(subject: Subject) -> tuple[NDArray[Any], NDArray[Any]]:
    train, test = subject.full_dataset.train.labels, subject.full_dataset.test.labels
    if train is None or test is None:
        raise InputError(f"The data {subject.dataset.name} has no labels to classify by.")
    return train, test


def label_count(argument: str, available: int = sys.maxsize) -> int:
    """The number of labels that a classifier learns from.

    Args:
        argument: an integer of at least 2, one for each of two classes, or `"all"`.
        available: number of labels that exist.

    Raises:
        InputError: any other argument, or more labels than exist.
    """
    if argument == "all":
        return available
    count = int(argument) if argument.isdecimal() else 0
    if count < 2:
        raise InputError(
            f"The number of labels is '{argument}', expected an integer of at least 2, or all."
        )
    if count > available:
        raise InputError(f"{count} labels were requested, and there are {available}.")
    return count


def _draws(count: int) -> int:
    """Several draws for few labels; one for many, where the choice hardly matters."""
    return 3 if count < 10_000 else 1


def _percent(found: ProbeResult) -> Measured:
    spread = 100 * found.accuracy_std if len(found.accuracies) > 1 else None
    details: dict[str, str | int] = {"probe": found.kind, "labels": found.n_labels}
    details["draws"] = len(found.accuracies)
    return Measured(100 * found.accuracy_mean, spread, details)


def _accuracy(kind: Kind) -> Callable[[Subject, str], Measured]:
    def accuracy(subject: Subject, argument: str) -> Measured:
        train, test = _labels(subject)
        count = label_count(argument, len(train))
        codes = subject.all_codes("train"), subject.all_codes("test")
        return _percent(
            probe(codes[0], train, codes[1], test, kind, count, _draws(count), subject.seed)
        )

    return accuracy


def _supervised(subject: Subject, argument: str) -> Measured:
    train, test = _labels(subject)
    every, config = subject.full_dataset, subject.config
    count = label_count(argument, len(train))

    def encoder() -> nn.Module:
        width, net = config.latent_dim or every.latent_dim, config.net or every.net
        return methods.build(config.method, every.shape, width, net).encoder

    found = supervised(
        encoder,
        every.train.x,
        train,
        every.test.x,
        test,
        count,
        _draws(count),
        subject.seed,
        place(config.machine.device),
        every.preprocessing.normalise,
    )
    return _percent(found)


def _wrong(subject: Subject, argument: str, right: Value) -> Measured:
    return Measured(100 - right.value, right.spread, right.identity)


def _metric(
    name: str, compute: Callable[..., Measured], usual: tuple[str, ...], classifier: str
) -> Metric:
    wrong = compute is _wrong
    title = "errors" if wrong else "accuracy"
    return Metric(
        name,
        compute,
        "lower" if wrong else "higher",
        ("labels",) if name.startswith("supervised") else ("labels", "codes"),
        "LABELS",
        ("seed",),
        usual,
        title,
        f"{title.capitalize()} of {classifier}, in percent of the test samples.",
        unit=" %",
        check=label_count,
        of=name.replace("mistakes", "accuracy") if wrong else "",
    )


METRICS = (
    _metric("accuracy", _accuracy("mlp"), _SIZES, "an MLP on the codes"),
    _metric("linear-accuracy", _accuracy("linear"), _SIZES, "a logistic regression on the codes"),
    _metric("knn-accuracy", _accuracy("knn"), _SIZES, "nearest neighbours on the codes"),
    _metric("mistakes", _wrong, (), "an MLP on the codes"),
    _metric("supervised-accuracy", _supervised, (), "an encoder trained on labels alone"),
    _metric("supervised-mistakes", _wrong, (), "an encoder trained on labels alone"),
)
