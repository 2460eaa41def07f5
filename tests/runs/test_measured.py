import json
import shutil

import numpy as np
import pytest

import latentrank
from latentrank import Run, RunConfig, TrainConfig, train
from latentrank.data import Dataset, Split, axes
from latentrank.errors import InputError
from latentrank.runs.measured import _doubts, measured
from latentrank.training import fit


@pytest.mark.parametrize("shape", [(12,), (12, 8)])
def test_few_of_many_unexplained_columns_or_channels_are_listed(shape):
    x = np.zeros((5, *shape), np.float32)
    names = axes.Axes(channels=tuple(axes.Axis(f"v{i}", "m/s") for i in range(12)))
    dataset = Dataset("mine", Split(x), Split(x), axes=names, bounded=False)
    good = {"rank": 1, "latent_dim": 2, "validation_error": 0.5, "error_of_the_mean": 1.0}
    what = "columns" if len(shape) == 1 else "channels"
    [told] = _doubts({**good, "explained_variance_by_channel": [0.0] * 12}, dataset)
    assert f"of {what} v0, v1, v2, v3, v4, v5, v6, v7, v8, v9 and 2 more is explained" in told
    [told] = _doubts({**good, "explained_variance_by_channel": [1.0, 0.0] + [1.0] * 10}, dataset)
    assert f"of {what[:-1]} v1 is explained" in told


def test_columns_that_vary_in_test_samples_alone_are_named():
    x = np.random.default_rng(0).normal(size=(40, 3)) * [1.0, 0.0, 1.0]
    test = x[30:].copy()
    test[4, 1] = 5000.0
    names = axes.Axes(channels=tuple(map(axes.Axis, ("p", "valve", "T"))))
    for held, known in ((test, True), (x[30:], False)):
        dataset = Dataset("plant", Split(x[:30]), Split(held), axes=names)
        model = latentrank.build("pca", (3,), latent_dim=2, bounded=False)
        fit(model, dataset, TrainConfig(device="cpu"), progress=False)
        codes = model.encode(next(model.batches(dataset.test.x)))
        told = measured(model, dataset, codes).get("warning", "")
        assert ("vary in column valve, and the training samples do not" in told) == known
        assert "Less than" not in told


@pytest.mark.parametrize(("method", "advice"), [("pca", "raise latent_dim"), ("ae", "train for")])
def test_what_is_solved_in_closed_form_is_not_to_be_trained_for_longer(method, advice):
    x = np.random.default_rng(0).normal(size=(40, 12))
    dataset = Dataset("noise", Split(x[:30]), Split(x[30:]))
    model = latentrank.build(method, (12,), latent_dim=1, bounded=False)
    fit(model, dataset, TrainConfig(epochs=1, device="cpu"), progress=False)
    codes = next(model.batches(dataset.test.x))
    assert advice in measured(model, dataset, model.encode(codes))["warning"]


EDITS = [
    {"rank": "high"}, {"rank": True}, {"rank": -1}, {"latent_dim": 0}, {"data": None},
    {"singular_values": [1.0, "x"]}, {"singular_values": []}, {"singular_values": [1.0]},
    {"validation_error": "0.3"}, {"validation_error": float("inf")}, {"gap_rank": 10**400},
    {"effective_rank": "x"}, {"warning": ["a"]}, {"epochs": 1.5}, {"rank_search": []},
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    x = np.random.default_rng(0).normal(size=(60, 3))
    config = RunConfig(method="pca", data="mine", latent_dim=2)
    return train(config, folder, dataset=x, progress=False)


@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_metrics_edited_by_hand_are_refused_in_a_sentence(edit, trained, tmp_path):
    run = Run(shutil.copytree(trained.folder, tmp_path / "run"))
    path, (name,) = run.folder / "metrics.json", edit
    path.write_text(json.dumps(run.metrics | edit))
    with pytest.raises(InputError, match=rf"metrics.json is not as written \({name} is "):
        run.metrics["rank"]


@pytest.mark.parametrize("name", ["rank", "latent_dim", "singular_values", "seconds", "method"])
def test_metrics_that_lack_a_value_are_refused_in_a_sentence(name, trained, tmp_path):
    run = Run(shutil.copytree(trained.folder, tmp_path / "run"))
    kept = {key: value for key, value in run.metrics.items() if key != name}
    (run.folder / "metrics.json").write_text(json.dumps(kept))
    with pytest.raises(InputError, match=rf"\({name} is missing\); restore it, or remove it"):
        run.metrics["rank"]


def test_samples_to_diagnose_a_model_are_of_the_whole_split(monkeypatch):
    """Images in folders of classes are read class by class."""
    x = np.arange(1000.0)[:, None] * [1.0, -1.0]
    dataset = Dataset("sorted", Split(x), Split(x))
    model = latentrank.build("pca", (2,), latent_dim=1, bounded=False)
    fit(model, dataset, TrainConfig(device="cpu"), progress=False)
    monkeypatch.setattr(model, "diagnose", lambda seen: {"seen": seen[:, 0].tolist()})
    seen = measured(model, dataset, model.encode(next(model.batches(x))))["seen"]
    ends = dataset.preprocessing.normalise(x[[0, -1]])[:, 0].tolist()
    assert (len(seen), seen[0], seen[-1]) == (256, *ends)
