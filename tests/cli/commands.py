"""What tests of the commands share: settings of a short training, and how a refusal reads."""

import json
from pathlib import Path

import yaml

from latentrank.__main__ import main
from latentrank.config import RunConfig

SMALL = ["--epochs", "1", "--latent-dim", "4", "--no-report"]


def run_of(folder):
    return str(folder / "run")


def squares(folder):
    return str(folder / "squares.npz")


def config_of(path):
    return RunConfig(**yaml.safe_load((Path(path) / "config.yaml").read_text())).flat()


def metrics_of(path):
    return json.loads((Path(path) / "metrics.json").read_text())


def refused(arguments, capfd):
    """The sentence with which a command refuses its input."""
    assert main([str(argument) for argument in arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("latentrank: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err
