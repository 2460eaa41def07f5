"""What a subject takes from the run, and what from its own settings."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from latentrank import runs
from latentrank.config import RunConfig
from latentrank.errors import InputError
from latentrank.metrics import Subject
from latentrank.metrics import subject as subject_module
from latentrank.metrics.subject import _between


def settings(folder, **values):
    return RunConfig(method="ae", data=str(folder / "images.npz"), **values)


@pytest.mark.parametrize("of_run", [0, 3])
def test_the_seed_is_the_run_s_unless_one_is_given(folder, tmp_path, of_run):
    config = settings(folder, seed=of_run)
    assert Subject(config, tmp_path).seed == of_run
    assert [Subject(config, tmp_path, seed=seed).seed for seed in (0, 5)] == [0, 5]


@pytest.mark.parametrize("asked", [{}, {"download": False}, {"download": True}])
def test_weights_are_downloaded_only_if_asked_and_never_for_a_classifier(
    folder, tmp_path, monkeypatch, asked
):
    found = {}
    monkeypatch.setattr(
        subject_module, "_extractor", lambda name, data, given, may, on: found.update({name: may})
    )
    subject = Subject(settings(folder), tmp_path, **asked)
    for name in ("inception", "timm:vit", "classifier"):
        subject.extractor(name)
    expected = asked.get("download", False)
    assert found == {"inception": expected, "timm:vit": expected, "classifier": False}


@pytest.mark.parametrize(
    "part", [{}, {"train_size": 40}, {"test_size": 12}, {"train_size": 40, "test_size": 12}]
)
def test_all_of_the_data_are_seen_whatever_part_was_trained_on(folder, tmp_path, part):
    subject = Subject(settings(folder, **part), tmp_path)
    of_run, every = subject.dataset, subject.full_dataset
    assert len(of_run.train) == part.get("train_size", len(every.train))
    assert len(of_run.test) == part.get("test_size", len(every.test))
    with np.load(folder / "images.npz") as file:
        assert len(every.train) + len(every.test) == len(file["x"])


def test_the_complete_data_are_read_again_where_they_have_changed(tmp_path):
    for time in (1, 2):
        np.save(tmp_path / "x.npy", np.full((20, 3), float(time)))
        os.utime(tmp_path / "x.npy", (time, time))
        config = RunConfig(method="ae", data=str(tmp_path / "x.npy"), train_size=4)
        assert Subject(config, tmp_path / "run").full_dataset.train.x.min() == time


def test_of_a_run_on_a_part_of_the_data_changed_data_are_refused(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 3))
    np.save(tmp_path / "x.npy", x)
    settings = {"data": str(tmp_path / "x.npy"), "train_size": 20, "latent_dim": 2}
    run = runs.train(RunConfig(method="pca", **settings), tmp_path / "run", progress=False)
    np.save(tmp_path / "x.npy", 2 * x)
    with pytest.raises(InputError, match="has changed since the run"):
        _ = Subject(run.settings, run.folder).full_dataset


def test_the_data_of_an_opened_run_are_its_own(folder, tmp_path):
    """As for a saved model, which is measured on other data than its configuration names."""
    run = SimpleNamespace(dataset=lambda: "its own")
    assert Subject(settings(folder), tmp_path, opened=run).dataset == "its own"


def test_a_finished_run_is_asked_for_its_data_and_a_folder_of_values_is_not(trained, tmp_path):
    run = trained("ae", "table.npz")
    kept = Subject(run.settings, run.folder)
    assert kept.dataset is kept.run.dataset()
    (tmp_path / "metrics.json").write_text("{}")
    assert len(Subject(run.settings, tmp_path).dataset.train) == len(run.dataset().train)


def test_features_are_compared_once_real_ones_first(folder, tmp_path):
    subject, calls = Subject(settings(folder), tmp_path), []
    pair = np.zeros((2, 3)), np.ones((2, 3))
    subject.__dict__["_known"] = {("classifier", density): pair for density in ("gmm", "prior")}

    def compare(real, made):
        calls.append((real, made))
        return len(calls)

    asked = [subject.once(compare, "classifier", one) for one in ("gmm", "prior", "gmm")]
    assert asked == [1, 2, 1]
    assert all(given[0] is pair[0] and given[1] is pair[1] for given in calls)


def test_weights_are_known_by_their_content(folder, tmp_path):
    """Values measured with other weights of a network of the same name are other values."""
    keys = []
    for name in ("one", "two", "copy"):
        path = tmp_path / f"{name}.pth"
        path.write_bytes(b"1" if name == "one" else b"2")
        keys.append(Subject(settings(folder), tmp_path, weights={"inception": path}))
    first, second, copy = (subject.weights_key("inception") for subject in keys)
    assert None not in (first, second)
    assert first != second == copy
    assert keys[0].weights_key("classifier") is None


def test_weights_that_were_given_must_be_there(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert Subject(settings(folder), tmp_path).weights_key("inception") is None
    given = {"inception": Path("nowhere.pth")}
    with pytest.raises(InputError, match=r"nowhere\.pth"):
        Subject(settings(folder), tmp_path, weights=given).weights_key("inception")


def test_an_interpolation_needs_two_codes():
    ends = np.array([[0.0, 2.0], [4.0, 0.0]])
    found = _between(ends, 50, seed=0)
    share = found[:, 0] / 4
    assert share.min() >= 0
    assert share.max() <= 1
    np.testing.assert_allclose(found[:, 1], 2 * (1 - share))
    with pytest.raises(InputError, match="one test sample; an interpolation needs at least two"):
        _between(ends[:1], 50, seed=0)
