from copy import deepcopy
from importlib import import_module

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from latentrank.errors import InputError
from latentrank.evaluation.labelled import Labelled
from latentrank.evaluation.probe import KINDS, ProbeResult, probe, supervised

module = import_module("latentrank.evaluation.probe")  # of the same name as its function


@pytest.fixture
def clusters(rng):
    """Four well separated clusters in 6 dimensions, 100 training and 40 test samples each."""
    centres = 8 * rng.normal(size=(4, 6))
    labels, test_labels = np.repeat(np.arange(4), 100), np.repeat(np.arange(4), 40)
    codes = centres[labels] + rng.normal(size=(400, 6))
    return codes, labels, centres[test_labels] + rng.normal(size=(160, 6)), test_labels


def test_accuracy_counts_every_sample_once(rng):
    logits = rng.normal(size=(2001, 3)).astype(np.float32)
    guesses, y = logits.argmax(1), rng.integers(0, 3, 2001)
    for labels in (guesses, y):
        found = module._accuracy(nn.Identity(), Labelled(logits, labels), torch.device("cpu"))
        assert found == pytest.approx(accuracy_score(labels, guesses), rel=1e-12)


def test_head_has_two_hidden_layers_of_width_128_with_half_of_them_dropped():
    layers = list(module._head(7, 3))
    linear = [(one.in_features, one.out_features) for one in layers if isinstance(one, nn.Linear)]
    assert linear == [(7, 128), (128, 128), (128, 3)]
    assert [one.p for one in layers if isinstance(one, nn.Dropout)] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("labels", "held", "limit", "last"),
    [
        (99, 0, 500, 500),
        (100, 20, 20_000, 11 * 25),
        (10_000, 2000, 20_000, 11 * 32),  # an epoch of 8000 samples is 32 steps of up to 256
    ],
)
def test_training_ends_after_ten_looks_without_a_better_one(monkeypatch, labels, held, limit, last):
    """From 100 labels on a fifth is held out; the first look is the best, and ten more follow."""
    done = []

    def fit(network, batch, y, rows, optimiser, rng, *, batch_size, steps, after_step):
        assert (len(rows), batch_size, steps) == (labels - held, 256, limit)
        assert optimiser.defaults["lr"] == 1e-3
        for step in range(1, steps + 1):
            done.append(step)
            if after_step(step):
                break

    monkeypatch.setattr(module, "fit_classes", fit)
    monkeypatch.setattr(module, "_accuracy", lambda *given: 0.0)
    data = Labelled(np.zeros((labels, 2), np.float32), np.arange(labels) % 2)
    module._train(nn.Linear(2, 2), data, 0, torch.device("cpu"))
    assert done[-1] == last


def test_codes_have_a_root_mean_square_of_one_for_the_mlp(monkeypatch, rng):
    seen = []
    monkeypatch.setattr(module, "_train", lambda network, data, *_: seen.append(data.x))
    monkeypatch.setattr(module, "_accuracy", lambda network, data, *_: seen.append(data.x) or 0.0)
    codes, test = 30 * rng.normal(size=(2, 50, 4)).astype(np.float32)
    module._mlp_accuracy(Labelled(codes, np.arange(50) % 2), Labelled(test, np.zeros(50)), 2, 0)
    root = np.sqrt(np.square(codes.astype(np.float64)).mean())
    for found, given in zip(seen, (codes, test), strict=True):
        np.testing.assert_allclose(found, given / root, rtol=1e-6)


@pytest.mark.parametrize(("count", "neighbours"), [(3, 1), (12, 3), (16, 4), (20, 5), (60, 5)])
def test_a_vote_is_over_half_the_samples_of_a_class_and_at_most_five(rng, count, neighbours):
    y, test_y = np.arange(count) % 2, np.arange(20_000) % 2
    x, test = (rng.normal(size=(len(n), 2)) + 0.5 * n[:, None] for n in (y, test_y))
    found = probe(x, y, test, test_y, kind="knn").accuracy_mean
    scores = {
        k: KNeighborsClassifier(k).fit(x, y).score(test, test_y) for k in range(1, min(count, 9))
    }
    assert [k for k, score in scores.items() if score == found] == [neighbours]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_labels", [20, None])
def test_separable_clusters_are_told_apart(clusters, kind, n_labels):
    found = probe(*clusters, kind=kind, n_labels=n_labels, draws=1)
    assert found.accuracy_mean > 0.97
    assert (found.n_labels, found.kind) == (n_labels or 400, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_at_chance(rng, kind):
    codes, labels = rng.normal(size=(1200, 5)), rng.integers(0, 4, 1200)
    found = probe(codes[:400], labels[:400], codes[400:], labels[400:], kind=kind, draws=1)
    assert found.accuracy_mean == pytest.approx(0.25, abs=0.07)


def test_only_the_mlp_and_the_neighbours_see_a_circle(rng):
    codes = rng.normal(size=(1500, 2))
    labels = (np.linalg.norm(codes, axis=1) > 1.18).astype(int)
    data = codes[:1000], labels[:1000], codes[1000:], labels[1000:]
    assert probe(*data, kind="mlp", draws=1).accuracy_mean > 0.95
    assert probe(*data, kind="knn").accuracy_mean > 0.93
    assert probe(*data, kind="linear").accuracy_mean < 0.65


@pytest.mark.parametrize("kind", KINDS)
def test_the_unit_of_the_codes_does_not_matter(clusters, kind):
    codes, labels, test, test_labels = clusters
    plain = probe(*clusters, kind=kind, n_labels=30, draws=1)
    tiny = probe(2.0**-40 * codes, labels, 2.0**-40 * test, test_labels, kind, 30, draws=1)
    assert tiny.accuracies == pytest.approx(plain.accuracies, abs=0.02)


def test_directions_of_rounding_do_not_disturb_the_mlp(clusters, rng):
    codes, labels, test, test_labels = clusters
    pad = [1e-7 * rng.normal(size=(len(x), 100)) for x in (codes, test)]
    wide = np.hstack([codes, pad[0]]), labels, np.hstack([test, pad[1]]), test_labels
    assert probe(*wide, n_labels=20, draws=1).accuracy_mean > 0.97


def test_draws_are_seeded_and_differ(rng):
    codes, labels = rng.normal(size=(300, 3)), np.arange(300) % 3
    codes[:, 0] += 1.5 * labels
    data = codes, labels, codes, labels
    first, again = (probe(*data, kind="knn", n_labels=12, draws=4) for _ in range(2))
    assert first.accuracies == again.accuracies
    assert len(set(first.accuracies)) > 1
    assert first.accuracy_mean == pytest.approx(np.mean(first.accuracies))
    assert first.accuracy_std == pytest.approx(np.std(first.accuracies))


def test_the_mlp_repeats_itself_and_leaves_the_global_random_state_alone(clusters, monkeypatch):
    monkeypatch.setattr(module, "FIXED_STEPS", 20)
    state = torch.random.get_rng_state()
    first = probe(*clusters, n_labels=8, draws=2)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(99)
    assert probe(*clusters, n_labels=8, draws=2) == first


def test_dropout_is_on_in_training_and_off_in_measuring(clusters, monkeypatch):
    modes = set()

    class Watched(nn.Linear):
        def forward(self, x):
            modes.add((torch.is_inference_mode_enabled(), self.training))
            return super().forward(x)

    monkeypatch.setattr(module, "MAX_STEPS", 60)
    data = Labelled(clusters[0].astype(np.float32), clusters[1])
    module._train(Watched(6, 4), data, seed=0, device=torch.device("cpu"))
    assert modes == {(False, True), (True, False)}


def test_training_stops_when_nothing_improves_and_keeps_the_best_weights(clusters, monkeypatch):
    seen, accuracies = [], [0.1, 0.9, 0.5, 0.9, 0.5]

    def scripted(network, data, device, prepare):
        assert len(data.y) == 80  # a fifth of the labels, none of them trained on
        seen.append(deepcopy(network.state_dict()))
        return accuracies[len(seen) - 1]

    monkeypatch.setattr(module, "_accuracy", scripted)
    monkeypatch.setattr(module, "PATIENCE", 3)
    network = nn.Linear(6, 4)
    data = Labelled(clusters[0].astype(np.float32), clusters[1])
    module._train(network, data, seed=0, device=torch.device("cpu"))
    assert len(seen) == 5
    assert torch.equal(network.weight, seen[1]["weight"])
    assert not torch.equal(network.weight, seen[4]["weight"])


@pytest.mark.parametrize(("kind", "runs"), [("mlp", 2), ("linear", 1), ("knn", 1)])
def test_with_all_labels_only_random_probes_are_repeated(clusters, kind, runs):
    assert len(probe(*clusters, kind=kind, draws=2).accuracies) == runs


def test_a_test_class_that_training_never_shows_is_an_error(clusters):
    codes, labels, test, test_labels = clusters
    for kind in KINDS:
        odd = np.where(test_labels == 3, 9, test_labels)
        found = probe(codes, labels, test, odd, kind, draws=1)
        assert found.accuracy_mean == pytest.approx(0.75, abs=0.03)


def test_supervised_trains_the_encoder_with_the_head(rng):
    labels = np.arange(300) % 2
    images = rng.integers(0, 60, (300, 1, 4, 4)).astype(np.uint8)
    images[labels == 1, 0, 1, 2] += 160
    encoders = []

    def factory():
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
        encoders.append((encoder, encoder[1].weight.detach().clone()))
        return encoder

    found = supervised(factory, images[:200], labels[:200], images[200:], labels[200:], draws=2)
    assert found.accuracy_mean > 0.95
    assert (found.kind, found.n_labels) == ("supervised", 200)
    for encoder, start in encoders:
        assert not torch.equal(encoder[1].weight, start)
    assert not torch.equal(encoders[0][1], encoders[1][1])


def test_a_single_result_has_no_spread():
    assert ProbeResult((0.5,), 10, "mlp").accuracy_std == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "knnn"}, "no kind of probe 'knnn'; did you mean 'knn'"),
        ({"n_labels": 401}, "401 labels were requested, expected 2 to 400"),
        ({"codes_test": np.zeros((160, 5))}, r"shape \(6,\) and test samples \(5,\)"),
        (
            {"codes_train": np.r_[np.zeros(2399), np.nan].reshape(400, 6)},
            "codes hold NaN or infinity",
        ),
        ({"codes_train": np.zeros((400, 6, 1))}, r"codes have shape \(400, 6, 1\)"),
    ],
)
def test_unusable_input_is_explained(clusters, change, message):
    names = ("codes_train", "labels_train", "codes_test", "labels_test")
    with pytest.raises(InputError, match=message):
        probe(**(dict(zip(names, clusters, strict=True)) | change))


@pytest.mark.parametrize("trained", ["codes", "encoder"])
def test_a_later_draw_is_the_first_of_a_later_seed(rng, monkeypatch, trained):
    """So that the seeds of runs and the draws of one of them are choices of the same kind."""
    monkeypatch.setattr(module, "FIXED_STEPS", 3)
    x, y = rng.normal(size=(800, 4)).astype(np.float32), np.arange(800) % 2
    data = x[:90], y[:90], x[90:], y[90:]

    def measured(draws, seed):
        if trained == "codes":
            return probe(*data, n_labels=30, draws=draws, seed=seed).accuracies
        return supervised(nn.Identity, *data, n_labels=30, draws=draws, seed=seed).accuracies

    found = measured(3, 5)
    assert len(set(found)) == 3
    assert found == tuple(measured(1, seed)[0] for seed in (5, 6, 7))


def test_the_supervised_baseline_leaves_the_generators_of_accelerators_alone(rng, monkeypatch):
    monkeypatch.setattr(module, "FIXED_STEPS", 3)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("reseeded"))
    x, y = rng.normal(size=(90, 4)).astype(np.float32), np.arange(90) % 2
    supervised(nn.Identity, x, y, x, y, n_labels=30, draws=1)
