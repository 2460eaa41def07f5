"""An error message recommends only options that its command has, or says whose they are."""

import re
from pathlib import Path

import numpy as np
import pytest
import typer
import xarray as xr
import yaml
from PIL import Image

import latentrank
from latentrank import RunConfig, runs
from latentrank.__main__ import main
from latentrank.cli import app
from tests.report.test_page import undrawn

COMMANDS = typer.main.get_command(app).commands
P = np.random.default_rng(0).random((30, 2))
U = P @ np.random.default_rng(1).random((2, 4))


def table(path, rows, header="a,b,u0,u1,u2,u3"):
    lines = [",".join(map(str, row)) for row in rows]
    path.write_text("\n".join([header, *lines, ""]))


def changed(row, column, value):
    rows = np.hstack([P, U]).tolist()
    rows[row][column] = value
    return rows


def images(folder, sizes):
    folder.mkdir()
    for i, size in enumerate(sizes):
        Image.fromarray(np.full(size, i, np.uint8)).save(folder / f"{i}.png")


def broken(folder):
    """Data that every reader has something to say about, by name."""
    table(folder / "text.csv", changed(1, 2, "oops"))
    table(folder / "missing.csv", changed(1, 2, ""))
    table(folder / "parameter.csv", changed(1, 0, "oops"))
    table(folder / "lost.csv", np.hstack([P, U])[:, :5], "a,b,u0,u1,u2")
    np.savez(folder / "labelled.npz", x=U[:, :3], labels_of=np.zeros(30))
    np.save(folder / "shape.npy", np.zeros((5, 6, 10)))
    np.save(folder / "nan.npy", np.full((5, 4), np.nan))
    along = xr.Dataset({"u": (("t", "sample"), U.T)}, coords={"p": ("sample", P[:, 0])})
    along.to_netcdf(folder / "along.nc")
    grids = {"u": (("sample", "t"), U), "v": (("sample", "w"), U[:, :3])}
    xr.Dataset(grids).to_netcdf(folder / "grids.nc")
    images(folder / "sizes", [(8, 8), (8, 9)])
    (folder / "nothing").mkdir()
    return [str(path) for path in sorted(folder.iterdir())]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs on a table and on images, their models alone, and broken data."""
    folder = tmp_path_factory.mktemp("advice")
    table(folder / "t.csv", np.hstack([P, U]))
    images(folder / "i", [(8, 8)] * 20)
    for name, source, more in (("table", "t.csv", {"parameters": "a,b"}), ("images", "i", {})):
        config = RunConfig(method="pca", data=str(folder / source), latent_dim=2, **more)
        run = runs.train(config, folder / name, progress=False)
        latentrank.save(run.model(), folder / f"saved-{name}")
    (folder / "broken").mkdir()
    return folder


@pytest.fixture(scope="module")
def sources(folder):
    return [*broken(folder / "broken"), "mnist", "hf:nobody/nothing", "nowhere.npy", "mnits"]


def foreign(command, sentence):
    """The options in a sentence that are neither the command's nor said to be another's."""
    found = []
    for part in re.split(r"[;:(]", sentence):
        of = re.search(r"latentrank (\w+)", part)
        owner = COMMANDS[of[1] if of and of[1] in COMMANDS else command]
        own = {option for one in owner.params for option in [*one.opts, *one.secondary_opts]}
        found += [word for word in re.findall(r"(?<![\w-])--[a-z][a-z-]*", part) if word not in own]
    return found


def test_foreign_options_are_recognised():
    assert foreign("predict", "x.csv has text; leave it out (--columns).") == ["--columns"]
    assert foreign("train", "x.csv has text; leave it out (--columns).") == []
    assert foreign("embed", "No data; give --download to latentrank train.") == []
    assert foreign("embed", "No data; give --columns to latentrank export.") == ["--columns"]


KINDS = ("table", "images", "saved-table", "saved-images")


def of_run(command, takes):
    """Calls of a command with a run or a model, and other data."""
    return [(command, kind, *takes) for kind in KINDS]


CALLS = [
    *of_run("report", ["--data"]),
    *of_run("compare", ["--data"]),
    *of_run("evaluate", ["--data"]),
    *of_run("embed", ["--data"]),
    *of_run("interpolate", ["--data"]),
    *of_run("explore", ["--data"]),
    *of_run("sample", ["--density", "gmm", "--data"]),
    ("predict", "table", "--parameters"),
    # Sizes that no data have, so that nothing is trained.
    ("train", "pca", "--test-size", "9999", "--data"),
    ("sweep", "lorae", "--test-size", "9999", "--search", "penalty=1e-3,1e-2", "--data"),
    ("reproduce",),
]


def arguments(call, folder, source):
    """A call of a command with data; `reproduce` has theirs in a file."""
    if call[0] != "reproduce":
        named = {kind: str(folder / kind) for kind in KINDS}
        return [*(named.get(word, word) for word in call), source]
    part = {"data": source, "settings": {"test_size": 9999}, "metrics": {"accuracy": "accuracy"}}
    Path("mine.yaml").write_text(
        yaml.safe_dump({"title": "Mine", "parts": [part], "rows": ["pca"]})
    )
    return ["reproduce", "mine.yaml"]


@pytest.mark.parametrize("call", CALLS, ids="-".join)
def test_refusals_advise_options_of_their_command(
    call, folder, sources, capfd, tmp_path, monkeypatch
):
    undrawn(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTRANK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LATENTRANK_DATA", raising=False)
    refusals, advice = 0, {}
    for source in sources:
        if main(arguments(call, folder, source)) == 2:
            refusals += 1
            sentence = capfd.readouterr().err.splitlines()[-1]
            if found := foreign(call[0], sentence):
                advice[sentence] = found
    assert advice == {}
    assert refusals >= len(sources) - 3  # in three of them, predict finds all that it needs


def test_notes_advise_options_too(folder, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    # An empty cache, without the weights.
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    part = {"data": str(folder / "i"), "metrics": {"FID": "fid:gmm", "error": "error"}}
    Path("mine.yaml").write_text(
        yaml.safe_dump({"title": "Mine", "seeds": 1, "parts": [part], "rows": ["pca"]})
    )
    assert main(["reproduce", "mine.yaml"]) == 0
    told = capfd.readouterr()
    page = Path("reproductions/mine/table.md").read_text()
    for text in (told.out, told.err, page):
        assert "--weights PATH" in " ".join(text.split())
        assert "--download" in text
        assert "download=" not in text
