"""Every command that takes a run takes a saved model, however it was saved."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import latentrank
from latentrank import LowRankAutoencoder, metrics, runs
from latentrank.__main__ import main
from latentrank.report.explore import write_explore
from tests.report.test_page import read, undrawn

NETWORKS = """
from torch import nn

def networks():
    return (nn.Sequential(nn.Flatten(), nn.Linear(64, 4)),
            nn.Sequential(nn.Linear(4, 64), nn.Unflatten(1, (1, 8, 8))))
"""
ALONE = {"spectrum", "interpolation", "pca_grid", "samples"}
WITH_DATA = ALONE | {"coefficients", "reconstructions", "latent"}


def looped(model, x):
    """A custom training loop, as in the documentation."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for batch in torch.from_numpy(x).split(20):
        optimiser.zero_grad()
        model.losses(batch)["loss"].backward()
        optimiser.step()
    model.finalize(lambda: torch.from_numpy(x).split(20))
    return model.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    x = np.random.default_rng(0).random((60, 1, 8, 8), np.float32)
    x[:, :, 2:6, 2:6] *= np.linspace(0, 1, 60, dtype=np.float32)[:, None, None, None]
    np.savez(folder / "x.npz", x=x, y=np.arange(60) % 2, parameters=np.arange(60.0))
    (folder / "mine.py").write_text(NETWORKS)
    names: dict = {}
    exec(NETWORKS, names)
    encoder, decoder = names["networks"]()
    model = latentrank.build("rrae", (1, 8, 8), 4, rank=2, encoder=encoder, decoder=decoder)
    latentrank.save(looped(model, x), folder / "loop")
    latentrank.save_pretrained(
        looped(latentrank.build("lorae", (1, 8, 8), 4), x), folder / "shared", license="mit"
    )
    ae = LowRankAutoencoder("lorae", latent_dim=4, epochs=1, random_state=0)
    ae.fit(x).save(folder / "estimator")
    return folder


@pytest.fixture(autouse=True)
def _quick_and_elsewhere(folder, monkeypatch, tmp_path):
    undrawn(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTRANK_CACHE", str(folder / "cache"))


@pytest.fixture(params=["loop", "shared", "estimator"])
def saved(request, folder):
    """The folder of a model, and the options that it needs."""
    own = ["--networks", f"{folder / 'mine.py'}:networks"] if request.param == "loop" else []
    return folder / request.param, own


def data(folder):
    return ["--data", str(folder / "x.npz")]


def figures(place):
    return {path.stem for path in (place / "figures").glob("*.png")} - {"interpolation-linear"}


def run(*arguments):
    assert main([str(argument) for argument in arguments]) == 0


def refused(capfd, *arguments):
    assert main([str(argument) for argument in arguments]) == 2
    return capfd.readouterr().err


def test_report(saved, folder, capfd):
    place, own = saved
    run("report", place, *own)
    alone = read(place / "report.html")
    assert figures(place) == ALONE
    assert "give data with --data" in capfd.readouterr().err.replace("\n", " ")
    run("report", place, *own, *data(folder))
    text = read(place / "report.html")
    assert figures(place) == WITH_DATA
    assert "validation error" in text
    assert "may have been trained on these" in capfd.readouterr().err
    assert "figures that need data" in refused(capfd, "report", place, *own)
    assert read(place / "report.html") == text
    assert figures(place) == WITH_DATA
    for page in (text, alone):
        assert "Every loss term" not in page
        assert "not trained on" not in page
    assert "covariance of the training codes" in alone
    assert "validation error" not in alone


def test_explore(saved, folder):
    pytest.importorskip("starlette")
    from latentrank.report.live import Explorer

    place, own = saved
    run("explore", place, *own)
    page = (place / "explore.html").read_text()
    assert "Pick a random image" in page
    run("explore", place, *own, *data(folder))
    assert "Pick a test image" in (place / "explore.html").read_text()
    if own:
        return  # the live page takes a run that has been opened
    for source, shown in ((None, "random images"), (folder / "x.npz", "test images")):
        found = runs.opened(place, source)
        assert f"Codes of {shown} in the plane" in Explorer(found).page()
        assert write_explore(found).is_file()


def test_evaluate_stores_values_for_the_data_that_they_were_measured_on(saved, folder, capfd):
    place, own = saved
    run("evaluate", place, *own, *data(folder), "--metric", "accuracy:all")
    assert "rank" in capfd.readouterr().out
    assert metrics.read(place) == []
    shutil.rmtree(place / "figures", ignore_errors=True)
    run("report", place, *own)
    assert "Labels predicted from codes" not in read(place / "report.html")
    run("report", place, *own, *data(folder))
    assert "Labels predicted from codes" in read(place / "report.html")
    for metric in ("accuracy:all", "error"):
        message = refused(capfd, "evaluate", place, *own, "--metric", metric)
        assert "needs samples; give some with --data" in message


def test_metrics_of_an_unknown_training_are_absent(folder, capfd):
    arguments = ("evaluate", folder / "shared", *data(folder), "--metric")
    assert "shared has no seconds" in refused(capfd, *arguments, "seconds")
    message = refused(capfd, *arguments, "seconds-per-100-batches")
    assert "needs the history of the training" in message


def test_codes_samples_and_pictures(saved, folder, tmp_path, capfd):
    place, own = saved
    run("embed", place, *own, *data(folder), "--out", tmp_path / "codes.npz")
    with np.load(tmp_path / "codes.npz") as codes:
        assert codes["codes"].shape == (60, 4)
        assert codes["parameters"].shape == (60, 1)
    run("sample", place, *own, "--n", 3, "--out", tmp_path / "samples.npz")
    gmm = ("sample", place, *own, "--n", 3, "--density", "gmm:components=2")
    run(*gmm, *data(folder), "--out", tmp_path / "gmm.npz")
    if place.name == "estimator":
        run(*gmm, "--out", tmp_path / "kept.npz")
    else:
        assert "some with --data" in refused(capfd, *gmm)
    run("interpolate", place, *own, "--out", tmp_path / "random.png")
    run("interpolate", place, *own, *data(folder), "--out", tmp_path / "between.png")
    run("interpolate", place, *own, *data(folder), "--kind", "parameters")


def test_prediction_needs_the_parameters_of_data(saved, folder, tmp_path, capfd):
    place, own = saved
    np.savetxt(tmp_path / "new.csv", [[3.5], [4.5]], header="p", comments="")
    command = ("predict", place, *own, "--parameters", tmp_path / "new.csv")
    assert "without data, but this needs samples; give some with --data." in refused(
        capfd, *command
    )
    run(*command, *data(folder), "--out", tmp_path / "fields.npz")
    with np.load(tmp_path / "fields.npz") as found:
        assert found["fields"].shape[0] == 2
    assert not list(place.glob("parameters-*"))  # the next data may be others


def test_export(saved, tmp_path):
    pytest.importorskip("onnx")
    place, own = saved
    run("export", place, *own, "--out", tmp_path / "encoder.onnx")


@pytest.mark.parametrize("given", [True, False])
def test_compare(folder, given, capfd):
    names = ("loop", "shared", "estimator")
    own = ("--networks", f"{folder / 'mine.py'}:networks")
    run("compare", *(folder / name for name in names), *own, *(data(folder) if given else []))
    page = Path("compare.html").read_text(encoding="utf-8")
    for name in ("RRAE", "LoRAE, model shared", "LoRAE, model estimator"):
        assert name in page
    assert ("Reconstructions" in page) == ("Between two samples" in page) == given
    assert "--data" in capfd.readouterr().err or given
    assert re.search(r"error [0-9.]+\s%", page) or not given


def test_a_run_and_a_model_without_data_are_not_compared(folder, tmp_path, capfd):
    source = str(folder / "x.npz")
    run("train", "ae", "--data", source, "--epochs", 1, "--latent-dim", 4, "--no-report",
        "--out", tmp_path / "run")  # fmt: skip
    both = (tmp_path / "run", folder / "shared")
    assert "give it to saved models with --data" in refused(capfd, "compare", *both)
    run("compare", *both, "--data", source)


def test_missing_networks_are_asked_for(folder, capfd):
    for command in ("report", "compare", "explore", "sample", "export"):
        message = refused(capfd, command, folder / "loop")
        assert "--networks FILE.py:FUNCTION" in message
    own = f"{folder / 'mine.py'}:networks"
    message = refused(capfd, "compare", folder / "shared", "--networks", own)
    assert "expected once for each of the 0 with custom networks" in message


def test_what_the_model_alone_has_is_measured_without_data(folder, capfd):
    assert main(["evaluate", str(folder / "shared"), "--metric", "rank"]) == 0
    assert re.search(r"validation error +\u2013\n", capfd.readouterr().out)
