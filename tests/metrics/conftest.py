import numpy as np
import pytest

from latentrank import runs
from latentrank.config import RunConfig
from tests.squares import labelled_squares


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTRANK_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="package")
def folder(tmp_path_factory):
    """A folder with labelled images and a labelled table."""
    folder = tmp_path_factory.mktemp("metrics")
    rng = np.random.default_rng(0)
    x, y = labelled_squares(rng, 120, 60)
    np.savez(folder / "images.npz", x=x, y=y)
    np.savez(folder / "table.npz", x=rng.normal(size=(40, 5)), y=np.arange(40) % 2)
    np.save(folder / "plain.npy", rng.normal(size=(40, 5)))
    return folder


@pytest.fixture(scope="package")
def trained(folder):
    """Train a method on a file of the folder, once."""

    def train(method, data, name="", **settings):
        where = folder / f"{method}-{data}{name}"
        if not where.exists():
            values = {"method": method, "data": str(folder / data), "latent_dim": 4, "epochs": 1}
            runs.train(RunConfig(**values, **settings), where, progress=False)
        return runs.Run(where)

    return train
