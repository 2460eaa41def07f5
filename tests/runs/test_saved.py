"""Saved models as runs: they report what the run that they came from reports."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import latentrank
from latentrank import LowRankAutoencoder, inference, runs
from latentrank.config import RunConfig
from latentrank.data import Dataset, Split
from latentrank.errors import InputError
from latentrank.io import read_yaml
from latentrank.linalg import spectrum
from latentrank.preprocessing import Preprocessing
from latentrank.runs import opened


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "x.npz"
    rng = np.random.default_rng(0)
    p = rng.uniform(size=(80, 2))
    np.savez(path, x=np.sin(p @ rng.normal(size=(2, 9))) * 5 + 2, parameters=p)
    return path


@pytest.fixture(scope="module")
def run(data):
    settings = {"data": str(data), "latent_dim": 4, "epochs": 2, "options": {"rank": 3}}
    return runs.train(RunConfig(method="rrae", **settings), data.parent / "run", progress=False)


@pytest.fixture(scope="module")
def saved(run):
    return latentrank.save(run.model(), run.folder.parent / "saved")


def test_with_its_data_it_measures_what_the_run_measured(run, saved, data):
    found = opened(saved, data)
    for name, value in found.metrics.items():
        if name != "warning":
            assert value == pytest.approx(run.metrics[name], rel=1e-5), name
    np.testing.assert_array_equal(found.codes("train"), run.codes("train"))
    np.testing.assert_array_equal(found.kept.x, run.kept.x)
    assert found.held_out
    assert found.notes == ()


def test_a_run_says_which_folder_it_is(run, saved):
    assert repr(run) == f"Run({str(run.folder)!r})"
    assert repr(opened(saved)) == f"SavedModel({str(saved)!r})"


def test_without_data_it_reports_on_the_training_codes(run, saved):
    found = opened(saved)
    assert found.metrics["rank"] == run.metrics["rank_training_codes"]
    wanted = spectrum(run.codes("train"))
    # float32 statistics of float32 codes; directions of no variance are left out as zeros
    np.testing.assert_allclose(found.metrics["singular_values"], wanted, rtol=1e-4, atol=1e-7)
    assert found.lacks == {"history", "samples"}
    made = inference.sample(found, "gaussian", 5)
    np.testing.assert_array_equal(made.x, inference.sample(run, "gaussian", 5).x)
    with pytest.raises(InputError, match=r"needs samples; give some with read_data\(\.\.\.\)\."):
        found.codes("test")


def test_data_in_memory_are_in_the_units_of_the_model(run, saved, data):
    given = opened(saved, data).dataset()
    other = Dataset("mine", given.train, given.test)
    found = opened(saved, replace(other, preprocessing=Preprocessing()))
    np.testing.assert_array_equal(found.codes("test"), run.codes("test"))
    half = Dataset("half", given.test, given.train)
    assert not opened(saved, half).held_out
    assert "may have been trained" in opened(saved, half).notes[0]
    with pytest.raises(InputError, match=r"have shape \(3,\), expected \(9,\)"):
        opened(saved, Dataset("mine", Split(np.eye(3)), Split(np.eye(3))))


def test_an_estimator_keeps_its_training_codes(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 5))
    ae = latentrank.LowRankAutoencoder("ae", latent_dim=2, epochs=1, random_state=0).fit(x)
    found = opened(ae.save(tmp_path / "a"))
    np.testing.assert_array_equal(found.codes("train"), ae.embedding_)
    assert inference.sample(found, "gmm:components=2", 3).x.shape == (3, 5)
    (tmp_path / "a" / "estimator.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match="is damaged; save the estimator again"):
        opened(tmp_path / "a").codes("train")


def test_a_model_saved_before_finalize_is_finalized_with_the_data(tmp_path):
    model = latentrank.build("rrae", (1, 64, 64), latent_dim=4, rank=2).eval()
    folder = latentrank.save(model, tmp_path / "a")
    with pytest.raises(InputError, match="needs the statistics of the training codes"):
        _ = opened(folder).metrics
    found = opened(folder, "gaussian2d")
    assert "saved without finalize" in " ".join(found.notes)
    train = torch.from_numpy(found.dataset().train.x)
    model.finalize(lambda: train.split(50))
    wanted = model.encode_array(found.dataset().test.x)
    np.testing.assert_allclose(found.codes("test"), wanted, atol=1e-5)  # sums in another order


def test_values_that_the_model_cannot_have_seen_are_refused(tmp_path):
    folder = latentrank.save(latentrank.build("ae", (1, 8, 8), latent_dim=2), tmp_path / "a")
    np.save(tmp_path / "x.npy", np.full((6, 8, 8), 200, np.uint8))
    with pytest.raises(InputError, match=r"from 200 to 200, .* trained on .* 0 to 1"):
        opened(folder, tmp_path / "x.npy")
    model = latentrank.load(folder)
    model.preprocessing = Preprocessing(0.0, 255.0, 0.0, 255.0, "uint8")
    folder = latentrank.save(model, tmp_path / "b")
    assert opened(folder, tmp_path / "x.npy").codes("test").shape == (1, 2)
    np.save(tmp_path / "x.npy", np.full((6, 8, 8), 0.5))
    with pytest.raises(InputError, match=r"from 0\.5 to 0\.5, .* trained on .* 255"):
        opened(folder, tmp_path / "x.npy")


def test_networks_are_refused_where_none_are_needed(saved):
    with pytest.raises(InputError, match="has built-in networks"):
        opened(saved, encoder=torch.nn.Identity(), decoder=torch.nn.Identity()).model()


def test_networks_that_are_not_registered_here_are_not_called_built_in(saved, run, tmp_path):
    """A family of another script; its functions, passed in, are not the remedy."""
    for folder, name in ((saved, "model.json"), (run.folder, "config.yaml")):
        copy = shutil.copytree(folder, tmp_path / folder.name)
        for file in (copy / "model.json", copy / name):
            values = read_yaml(file)
            file.write_text(json.dumps({**values, "net": "resmlp"}))
        told = "has the network 'resmlp', which is not registered here; use it from the script"
        for networks in ({}, {"encoder": torch.nn.Identity(), "decoder": torch.nn.Identity()}):
            with pytest.raises(InputError, match=told):
                latentrank.load(copy, **networks)
    with pytest.raises(InputError, match=rf"The run in .* {told}"):
        runs.resume(tmp_path / run.folder.name, {"epochs": 9})


def test_a_folder_with_neither_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not the folder of a run"):
        opened(tmp_path)


def test_a_table_is_read_as_for_the_training(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 4)) @ np.diag([4.0, 3.0, 2.0, 1.0])
    dose = rng.uniform(size=60)
    rows = np.column_stack([dose, values, np.arange(60) % 2])
    path = tmp_path / "plant.csv"
    header = "dose,a,b,c,d,kind"
    np.savetxt(path, rows, delimiter=",", header=header, comments="", fmt="%.6f")
    settings = {"data": str(path), "parameters": "dose", "labels": "kind", "latent_dim": 2}
    run = runs.train(RunConfig(method="pca", **settings), tmp_path / "run", progress=False)
    found = opened(latentrank.save(run.model(), tmp_path / "saved"), path)
    read = found.dataset()
    assert read.parameter_names == ("dose",)
    np.testing.assert_array_equal(np.unique(read.train.labels), [0, 1])
    np.testing.assert_array_equal(found.codes("test"), run.codes("test"))
    embedded = inference.embed(opened(tmp_path / "saved"), split="all", source=path)
    assert embedded["codes"].shape == (60, 2)


@pytest.mark.parametrize("sample", ["table", "curves"])
@pytest.mark.parametrize("kind", ["run", "saved", "estimator"])
def test_the_columns_of_a_table_are_those_of_the_training_in_any_order(kind, sample, tmp_path):
    pandas = pytest.importorskip("pandas")
    x = np.random.default_rng(0).normal(size=(40, 4)) @ np.diag([4.0, 3.0, 2.0, 1.0])
    frame = pandas.DataFrame(x, columns=["dose", "a", "b", "c (mm)"])
    frame.to_csv(tmp_path / "plant.csv", index=False)
    if kind == "estimator":
        LowRankAutoencoder("pca", latent_dim=2, kind=sample).fit(frame).save(tmp_path / kind)
    else:
        source = str(tmp_path / "plant.csv")
        config = RunConfig(method="pca", data=source, latent_dim=2, kind=sample)
        run = runs.train(config, tmp_path / "run", progress=False)
        latentrank.save(run.model(), tmp_path / "saved")
    frame.iloc[:, ::-1].assign(more=1.0).to_csv(tmp_path / "turned.csv", index=False)
    frame.to_csv(tmp_path / "headless.csv", index=False, header=False)
    frame.drop(columns="a").assign(z=1.0).to_csv(tmp_path / "other.csv", index=False)

    def codes(name):
        source = tmp_path / f"{name}.csv"
        return inference.embed(opened(tmp_path / kind), split="all", source=source)["codes"]

    for name in ("turned", "headless"):
        np.testing.assert_array_equal(codes(name), codes("plant"))
    with pytest.raises(InputError, match=r"no column in .* called 'a'"):
        codes("other")


def test_images_in_the_home_folder_are_resized_to_those_of_the_model(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for i in range(4):
        place = tmp_path / "photos" / f"{i}.png"
        place.parent.mkdir(exist_ok=True)
        Image.new("L", (20, 20), i % 2).save(place)
    model = latentrank.build("ae", (1, 16, 16), latent_dim=2)
    found = opened(latentrank.save(model, tmp_path / "model"), "~/photos")
    assert found.dataset().shape == (1, 16, 16)
