"""Where a run's data are located, and what a new run is called."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

import latentrank
from latentrank import data, runs
from latentrank.config import RunConfig
from latentrank.errors import InputError
from latentrank.runs import Run, default_folder
from latentrank.runs.cache import folder_name
from latentrank.runs.configure import absolute, absolute_source
from tests.data.test_standard import write_mnist

X = np.random.default_rng(0).normal(size=(20, 3))


@pytest.fixture(autouse=True)
def _files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    for name in ("one", "two"):
        with h5py.File(f"{name}.h5", "w") as file:
            file["fields/T"] = X


def test_paths_become_absolute_and_names_stay(tmp_path):
    assert absolute_source("x.npy") == str(tmp_path / "x.npy")
    assert absolute_source("one.h5:/fields/T") == str(tmp_path / "one.h5:/fields/T")
    for name in ("mnist", "curves:stairs", "hf:me/pulses", "in memory"):
        assert absolute_source(name) == name


def test_links_keep_their_names(tmp_path):
    """As in the folders of tools that keep files under the hash of their content."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "x.npy").rename(tmp_path / "cache" / "0a1b2c")
    (tmp_path / "x.npy").symlink_to(tmp_path / "cache" / "0a1b2c")
    np.save("x.parameters.npy", X[:, :1])
    (tmp_path / "link").symlink_to(tmp_path)
    for given in ("x.npy", "link/x.npy", "cache/../x.npy"):
        found = data.load(absolute_source(given))
        np.testing.assert_array_equal(found.train.parameters, found.train.x[:, :1])
    assert absolute(".") == absolute("cache/..") == str(tmp_path)


def test_runs_are_named_after_the_file_and_the_array_in_it():
    named = [
        default_folder(RunConfig(method="rrae", data=f"{name}.h5:/fields/T")).name
        for name in ("one", "two")
    ]
    assert named == ["one-T-rrae", "two-T-rrae"]
    assert default_folder(RunConfig(method="ae", data="x.npy")).name == "x-ae"
    assert default_folder(RunConfig(method="ae", data="curves:stairs")).name == "curves-stairs-ae"


def test_a_cached_run_depends_on_the_content_of_an_array_in_a_file():
    before = folder_name(RunConfig(method="ae", data="one.h5:/fields/T"))
    with h5py.File("one.h5", "r+") as file:
        file["fields/T"][0] = 9
    assert folder_name(RunConfig(method="ae", data="one.h5:/fields/T")) != before


def test_data_in_memory_have_a_name_and_no_path_until_they_are_saved():
    config = RunConfig(method="pca", data="samples", latent_dim=2)
    latentrank.train(config, "run", dataset=X, progress=False)
    assert Run("run").config["data"] == "samples"
    with pytest.raises(InputError, match=r"'samples'; .* in memory, give a file that holds them"):
        Run("run").dataset()
    run = Run("run")
    run.read_data("x.npy")
    assert run.dataset().fingerprint == data.load(X).fingerprint


def test_a_known_data_set_is_found_where_its_files_have_moved(monkeypatch):
    write_mnist(Path("there/mnist"))
    config = RunConfig(method="pca", data="mnist", data_root="there", latent_dim=2)
    latentrank.train(config, "run", progress=False)
    trained = Run("run").dataset()
    Path("there").rename("here")
    with pytest.raises(
        InputError, match=r"No mnist data: .*; if they have moved, give .* read_data"
    ):
        Run("run").dataset()
    for place in ("here", "mnist"):  # as the variable says
        run = Run("run")
        run.read_data(place)
        assert run.dataset().fingerprint == trained.fingerprint
        monkeypatch.setenv("LATENTRANK_DATA", "here")


def test_a_path_of_data_is_not_a_name_that_it_happens_to_equal(monkeypatch):
    for folder in ("shapes", "new/shapes"):
        Path(folder).mkdir(parents=True)
        np.save(f"{folder}/x.npy", X)
    config = RunConfig(method="pca", data=Path("shapes"), latent_dim=2)
    latentrank.train(config, "run", progress=False)
    assert Run("run").dataset().fingerprint == data.load("./shapes").fingerprint
    shutil.rmtree("shapes")
    monkeypatch.chdir("new")
    run = Run("../run")
    run.read_data(Path("shapes"))
    assert run.dataset().shape == X.shape[1:]


def test_a_name_of_data_is_not_a_folder_that_it_happens_to_equal():
    folder = latentrank.save(latentrank.build("ae", (1, 64, 64), latent_dim=2), "saved")
    Path("gaussian2d").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save("gaussian2d/0.png")
    assert len(runs.opened(folder, "gaussian2d").dataset().test) == 1000
