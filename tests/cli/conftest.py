"""A run, and a folder to work in."""

import numpy as np
import pytest

from latentrank.__main__ import main
from tests.cli.commands import SMALL, run_of, squares
from tests.squares import labelled_squares


@pytest.fixture(scope="package")
def folder(tmp_path_factory):
    """Labelled images, curves with no labels, and a run on the images."""
    folder = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    x, y = labelled_squares(rng, 80, 80)
    np.savez(folder / "squares.npz", x=x, y=y)
    np.save(folder / "table.npy", rng.normal(size=(40, 6)))
    command = ["train", "rrae", "--data", squares(folder), "--rank", "2", *SMALL]
    assert main([*command, "--out", run_of(folder)]) == 0
    return folder


@pytest.fixture
def elsewhere(folder, monkeypatch, tmp_path):
    """Work in an empty folder, so that nothing is left in the repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTRANK_CACHE", str(folder / "cache"))
