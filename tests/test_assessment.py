"""What is measured of a run, and what is refused before minutes are spent on it."""

import json

import numpy as np
import pytest

from latentrank import assessment, runs
from latentrank.assessment import Features, assess
from latentrank.config import RunConfig
from latentrank.errors import InputError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTRANK_CACHE", str(tmp_path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assessment")
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = rng.integers(0, 60, (60, 1, 8, 8), dtype=np.uint8)
    x[y == 1, :, 2:6, 2:6] += 120
    np.savez(folder / "labelled.npz", x=x, y=y)
    np.savez(folder / "table.npz", x=rng.normal(size=(40, 5)), y=np.arange(40) % 2)
    return folder


def trained(folder, method, data):
    where = folder / f"{method}-{data}"
    if not where.exists():
        values = {"method": method, "data": str(folder / data), "latent_dim": 4, "epochs": 1}
        runs.train(RunConfig(**values), where, progress=False)
    return runs.Run(where)


def test_distances_of_each_density_and_of_reconstructions(folder):
    said = []
    found = assess(
        trained(folder, "ae", "labelled.npz"),
        Features("classifier"),
        ["gaussian"],
        n=20,
        probes=False,
        say=said.append,
    )
    assert list(found["generation"]) == ["reconstruction", "gaussian"]
    assert found["features"] == "classifier"
    for values in found["generation"].values():
        assert {"FD-classifier", "precision", "recall", "density", "coverage"} <= set(values)
        assert "FID" not in values
    assert found["generation"]["gaussian"]["n_fake"] == 20
    assert found["generation"]["reconstruction"]["n_fake"] == 12
    assert said[0] == "features, classifier"
    assert json.loads(json.dumps(found)) == found


def test_a_gan_has_no_reconstructions(folder):
    gan = trained(folder, "nsgan", "labelled.npz")
    found = assess(gan, Features("classifier"), n=20, probes=False)
    assert list(found["generation"]) == ["prior"]
    assert found["reconstruction_error"] is None


def test_probes_of_every_kind_where_there_are_labels(folder, monkeypatch):
    monkeypatch.setattr(assessment, "KINDS", ("linear", "knn"))
    found = assess(trained(folder, "ae", "table.npz"))
    assert sorted(found["probes"]) == ["knn", "linear"]
    assert list(found["probes"]["linear"]) == ["10", "32"]
    assert 0 <= found["probes"]["linear"]["10"]["accuracy"] <= 1
    assert "generation" not in found


def test_mistakes_are_told_first(folder):
    table, images = trained(folder, "ae", "table.npz"), trained(folder, "ae", "labelled.npz")
    with pytest.raises(InputError, match=r"measured on images, and .* holds none"):
        assess(table, Features("classifier"))
    with pytest.raises(InputError, match="did you mean 'gaussian'"):
        assess(images, Features("classifier"), ["gausian"], say=pytest.fail)
