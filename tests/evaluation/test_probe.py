from copy import deepcopy
from importlib import import_module

import numpy as np
import pytest
import torch
from torch import nn

from latentrank.errors import InputError
from latentrank.evaluation.probe import (
    KINDS,
    ProbeResult,
    draw_labels,
    probe,
    supervised,
)


@pytest.fixture
def clusters(rng):
    """Four well separated clusters in 6 dimensions, 100 training and 40 test samples each."""
    centres = 8 * rng.normal(size=(4, 6))
    labels, test_labels = np.repeat(np.arange(4), 100), np.repeat(np.arange(4), 40)
    codes = centres[labels] + rng.normal(size=(400, 6))
    return codes, labels, centres[test_labels] + rng.normal(size=(160, 6)), test_labels


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
    monkeypatch.setattr(import_module("latentrank.evaluation.probe"), "FIXED_STEPS", 20)
    state = torch.random.get_rng_state()
    first = probe(*clusters, n_labels=8, draws=2)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(99)
    assert probe(*clusters, n_labels=8, draws=2) == first


def test_dropout_is_on_in_training_and_off_in_measuring(clusters, monkeypatch):
    module = import_module("latentrank.evaluation.probe")
    modes = set()

    class Watched(nn.Linear):
        def forward(self, x):
            modes.add((torch.is_inference_mode_enabled(), self.training))
            return super().forward(x)

    monkeypatch.setattr(module, "MAX_STEPS", 60)
    data = module.Labelled(clusters[0].astype(np.float32), clusters[1])
    module._train(Watched(6, 4), data, seed=0, device=torch.device("cpu"))
    assert modes == {(False, True), (True, False)}


def test_training_stops_when_nothing_improves_and_keeps_the_best_weights(clusters, monkeypatch):
    module = import_module("latentrank.evaluation.probe")
    seen, accuracies = [], [0.1, 0.9, 0.5, 0.9, 0.5]

    def scripted(network, data, device, prepare):
        assert len(data.y) == 80  # a fifth of the labels, none of them trained on
        seen.append(deepcopy(network.state_dict()))
        return accuracies[len(seen) - 1]

    monkeypatch.setattr(module, "_accuracy", scripted)
    monkeypatch.setattr(module, "PATIENCE", 3)
    network = nn.Linear(6, 4)
    data = module.Labelled(clusters[0].astype(np.float32), clusters[1])
    module._train(network, data, seed=0, device=torch.device("cpu"))
    assert len(seen) == 5
    assert torch.equal(network.weight, seen[1]["weight"])
    assert not torch.equal(network.weight, seen[4]["weight"])


@pytest.mark.parametrize(("kind", "runs"), [("mlp", 2), ("linear", 1), ("knn", 1)])
def test_with_all_labels_only_random_probes_are_repeated(clusters, kind, runs):
    assert len(probe(*clusters, kind=kind, draws=2).accuracies) == runs


@pytest.mark.parametrize("n_labels", [4, 10, 53, 60])
def test_labels_are_spread_evenly_and_drawn_once(n_labels):
    labels = np.repeat([5, 7, 9], [20, 20, 20])
    rows = draw_labels(labels, n_labels, seed=3)
    assert len(set(rows.tolist())) == n_labels
    counts = np.bincount(labels[rows], minlength=10)[[5, 7, 9]]
    assert counts.max() - counts.min() <= 1


def test_a_class_with_too_few_samples_is_used_up_and_the_others_fill_in():
    labels = np.repeat([0, 1, 2], [2, 50, 50])
    counts = np.bincount(labels[draw_labels(labels, 20, seed=0)])
    assert counts.tolist() == [2, 9, 9]


def test_every_sample_of_a_class_can_be_drawn():
    labels = np.repeat([0, 1], 10)
    seen = {int(row) for seed in range(60) for row in draw_labels(labels, 2, seed)}
    assert seen == set(range(20))


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
        ({"n_labels": 1}, "1 labels were requested"),
        ({"draws": 0}, "draws is 0"),
        ({"labels_train": np.zeros(3)}, r"labels of shape \(3,\) for 400 training samples"),
        ({"labels_test": np.zeros(3)}, r"labels of shape \(3,\) for 160 test samples"),
        ({"labels_train": np.zeros(400)}, "hold a single class"),
        ({"codes_test": np.zeros((160, 5))}, r"shape \(6,\) and test samples \(5,\)"),
        ({"codes_train": np.full((400, 6), np.nan)}, "with finite values"),
        ({"codes_train": np.zeros((400, 6, 1))}, r"shape \(400, 6, 1\) were given"),
    ],
)
def test_unusable_input_is_explained(clusters, change, message):
    names = ("codes_train", "labels_train", "codes_test", "labels_test")
    with pytest.raises(InputError, match=message):
        probe(**(dict(zip(names, clusters, strict=True)) | change))
