"""What classifiers receive from a run, and how their accuracies are reported."""

from types import SimpleNamespace

import numpy as np
import pytest

from latentrank.errors import InputError
from latentrank.evaluation.probe import ProbeResult
from latentrank.metrics import METRICS, Value, labels
from latentrank.metrics.labels import label_count

N = 10_001


def subject(train=N, test=3, latent_dim=None, net=None):
    """The parts of a subject that these metrics use."""
    splits = [
        SimpleNamespace(x=np.zeros(n or 4), labels=None if n is None else np.arange(n) % 2)
        for n in (train, test)
    ]
    data = SimpleNamespace(
        name="mine",
        train=splits[0],
        test=splits[1],
        shape=(1, 8, 8),
        latent_dim=32,
        net="conv",
        preprocessing=SimpleNamespace(normalise=None),
    )
    machine = SimpleNamespace(device="cpu")
    config = SimpleNamespace(method="ae", latent_dim=latent_dim, net=net, machine=machine)
    codes = {"train": np.zeros((train or 4, 2)), "test": np.ones((test or 4, 2))}
    return SimpleNamespace(
        dataset=data, full_dataset=data, config=config, seed=7, all_codes=codes.__getitem__
    )


def compute(name, measured, argument):
    """A metric of a subject; one that is computed from another is given that."""
    metric = METRICS.get(name)
    if not metric.of:
        return metric.compute(measured, argument)
    value, spread, details = METRICS.get(metric.of).compute(measured, argument)
    return metric.compute(measured, argument, Value(metric.of, "", value, spread, identity=details))


@pytest.fixture
def called(monkeypatch):
    """The arguments of each call of a classifier, which is right about half and three quarters."""
    calls = []

    def classify(*given):
        calls.append(given)
        return ProbeResult((0.5, 0.75), 10, "mlp")

    monkeypatch.setattr(labels, "probe", classify)
    monkeypatch.setattr(labels, "supervised", classify)
    return calls


@pytest.mark.parametrize(
    ("argument", "available", "count"), [("2", 2, 2), ("5", 9, 5), ("9", 9, 9), ("all", 1, 1)]
)
def test_as_many_labels_are_taken_as_there_are(argument, available, count):
    assert label_count(argument, available) == count


@pytest.mark.parametrize("argument", ["1", "0", "-2", "2.5", "", "10"])
def test_other_numbers_of_labels_are_refused(argument):
    with pytest.raises(
        InputError, match=r"expected an integer of at least 2, or all|there are 9\."
    ):
        label_count(argument, 9)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accuracy", 62.5),
        ("linear-accuracy", 62.5),
        ("mistakes", 37.5),
        ("supervised-accuracy", 62.5),
        ("supervised-mistakes", 37.5),
    ],
)
def test_accuracies_are_in_percent_with_their_spread(called, name, value):
    found = compute(name, subject(), "10")
    assert (found.value, found.spread) == (value, 12.5)
    assert found.details == {"probe": "mlp", "labels": 10, "draws": 2}


def test_a_single_draw_has_no_spread(monkeypatch):
    monkeypatch.setattr(labels, "probe", lambda *given: ProbeResult((0.5,), 10, "mlp"))
    assert METRICS.get("accuracy").compute(subject(), "10").spread is None


@pytest.mark.parametrize("name", ["knn-accuracy", "supervised-accuracy"])
@pytest.mark.parametrize(
    ("argument", "count", "draws"),
    [("10", 10, 3), ("9999", 9999, 3), ("10000", 10_000, 1), ("all", N, 1)],
)
def test_few_labels_are_drawn_three_times_and_many_once(called, name, argument, count, draws):
    METRICS.get(name).compute(subject(), argument)
    ((*_, n_labels, drawn, seed),) = [given[:8] for given in called]
    assert (n_labels, drawn, seed) == (count, draws, 7)


@pytest.mark.parametrize("name", ["accuracy", "linear-accuracy", "knn-accuracy", "mistakes"])
def test_a_classifier_learns_from_training_codes_and_is_measured_on_test_codes(called, name):
    measured = subject(6, 4)
    compute(name, measured, "all")
    ((codes, train, test_codes, test, *_),) = called
    np.testing.assert_array_equal(codes, measured.all_codes("train"))
    np.testing.assert_array_equal(test_codes, measured.all_codes("test"))
    assert (len(train), len(test)) == (6, 4)


@pytest.mark.parametrize(
    ("name", "needs", "title"),
    [
        ("accuracy", ("labels", "codes"), "accuracy"),
        ("mistakes", ("labels", "codes"), "errors"),
        ("supervised-accuracy", ("labels",), "accuracy"),
        ("supervised-mistakes", ("labels",), "errors"),
    ],
)
def test_a_network_trained_on_labels_alone_needs_no_codes(name, needs, title):
    metric = METRICS.get(name)
    assert (metric.needs, metric.title) == (needs, title)


@pytest.mark.parametrize("name", ["accuracy", "supervised-accuracy"])
@pytest.mark.parametrize(("train", "test"), [(None, 3), (4, None)])
def test_labels_of_both_splits_are_needed(called, name, train, test):
    with pytest.raises(InputError, match="The data mine has no labels to classify by"):
        METRICS.get(name).compute(subject(train, test), "all")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [((None, None), (32, "conv")), ((5, "mlp"), (5, "mlp"))],
)
def test_a_supervised_network_is_the_encoder_of_the_run(called, monkeypatch, chosen, expected):
    built = []
    monkeypatch.setattr(
        labels.methods, "build", lambda *given: built.append(given) or SimpleNamespace(encoder="e")
    )
    METRICS.get("supervised-accuracy").compute(subject(4, 3, *chosen), "all")
    assert called[0][0]() == "e"
    assert built == [("ae", (1, 8, 8), *expected)]
