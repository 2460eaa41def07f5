"""What may be given with a run that is resumed."""

import numpy as np
import pytest

import latentrank
from latentrank import RunConfig, runs
from latentrank.errors import InputError


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(0).normal(size=(40, 5)))
    config = RunConfig(method="rrae", data="x.npy", latent_dim=4, options={"rank": 2}, epochs=1)
    return latentrank.train(config, "run", progress=False)


def test_settings_may_be_repeated_as_they_are(run):
    same = {"method": "rrae", "latent_dim": 4, "rank": "2", "learning_rate": 5e-4, "seed": 0}
    resumed = runs.resume(run.folder, {**same, "epochs": 2}, progress=False)
    assert resumed.metrics["epochs"] == 2


@pytest.mark.parametrize(
    ("given", "was"),
    [({"method": "ae"}, "rrae"), ({"rank": "3"}, "2"), ({"learning_rate": 1e-3}, "0.0005")],
)
def test_another_value_is_refused_beside_the_present_one(run, given, was):
    (name,) = given
    told = f"{name} of the run in run is {was} and cannot be changed; leave it out"
    with pytest.raises(InputError, match=told):
        runs.resume(run.folder, {**given, "epochs": 2}, progress=False)


def test_data_that_have_moved_can_be_given(run):
    (run.folder.parent / "x.npy").rename("there.npy")
    with pytest.raises(InputError, match="if they have moved, give their new location"):
        runs.resume(run.folder, {"epochs": 2}, progress=False)
    resumed = runs.resume(run.folder, {"epochs": 2, "data": "there.npy"}, progress=False)
    assert resumed.metrics["epochs"] == 2
