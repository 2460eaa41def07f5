"""A small package, installed beside latentrank, adds one of everything and is known everywhere.

The package is in `tests/plugin`; what it adds is named in its pyproject.toml alone.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PLUGIN = Path(__file__).parent / "plugin"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def latentrank(tmp_path_factory):
    """The command, in a folder where the package is installed, and that folder."""
    folder = tmp_path_factory.mktemp("plugin")
    install = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    source = folder / "source"  # a build leaves files beside its source
    subprocess.run([sys.executable, "-c", _COPY, PLUGIN, source], check=True)
    subprocess.run(
        [sys.executable, "-m", "pip", *install, "--target", folder / "site", source], check=True
    )
    paths = [str(folder / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "200"}

    def command(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "latentrank", *arguments],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    command.folder = folder
    return command


_COPY = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2])"


@pytest.fixture(scope="module")
def runs(latentrank):
    """Two runs of the package's method on its data with its networks."""
    for seed in ("0", "1"):
        latentrank(
            "train", "schatten", "--data", "spirals", "--net", "tiny", "--penalty", "0.01",
            "--epochs", "3", "--seed", seed, "--out", f"run{seed}",
        )  # fmt: skip
    return ["run0", "run1"]


def test_what_is_added_is_listed(latentrank):
    assert "schatten" in latentrank("methods")
    assert "spirals" in latentrank("datasets")
    assert "box" in latentrank("densities")
    assert "--penalty" in latentrank("train", "schatten", "--help")
    assert "margin" in latentrank("densities")
    assert "One dense layer each way." in latentrank("networks")
    assert "largest number in any code" in latentrank("metrics")


def test_a_run_of_it_is_like_any_other(latentrank, runs):
    folder = latentrank.folder / runs[0]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["method"] == "schatten"
    assert metrics["true_dimension"] == 1
    assert json.loads((folder / "model.json").read_text())["net"] == "tiny"
    assert "schatten" in (folder / "report.html").read_text(encoding="utf-8").lower()


def test_its_density_draws_samples(latentrank, runs):
    latentrank("sample", runs[0], "--density", "box:margin=0.5", "--n", "7", "--out", "s.npz")
    assert np.load(latentrank.folder / "s.npz")["x"].shape == (7, 5)


def test_its_metric_is_evaluated_reported_and_compared(latentrank, runs):
    for run in runs:
        assert "largest code" in latentrank("evaluate", run)
        latentrank("report", run)
        assert "largest code" in (latentrank.folder / run / "report.html").read_text("utf-8")
    latentrank("compare", *runs, "--out", "compare.html")
    assert "largest code" in (latentrank.folder / "compare.html").read_text("utf-8")
