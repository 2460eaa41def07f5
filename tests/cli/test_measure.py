"""Values that evaluate measures, prints and keeps."""

import errno
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from latentrank import metrics, runs
from latentrank.__main__ import main
from latentrank.cli.features import weights_by_name
from latentrank.cli.options import _own_networks
from latentrank.errors import InputError
from latentrank.evaluation.features import weights_of
from tests.cli.commands import refused, run_of
from tests.data.test_standard import write_mnist
from tests.kill import interrupted_write

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_evaluate(folder, capfd):
    command = ["evaluate", run_of(folder), "--features", "classifier", "--n", "20"]
    assert main([*command, "--density", "gaussian, prior", "--no-probes"]) == 0
    out = capfd.readouterr().out
    assert "FD-classifier" in out
    assert "FID" not in out
    assert "validation error" in out  # as train and report call it
    found = metrics.read(run_of(folder))
    densities = ["reconstruction", "gaussian", "prior"]
    assert [v.identity["density"] for v in found if v.name == "FD-classifier"] == densities
    assert {v.identity["samples"] for v in found if v.identity.get("density") == "prior"} == {20}


def test_evaluate_measures_what_is_asked_for(folder, capfd):
    asked = [part for name in ("linear-accuracy:10", "effective_rank", "seconds")
             for part in ("--metric", name)]  # fmt: skip
    assert main(["evaluate", run_of(folder), *asked]) == 0
    out, err = capfd.readouterr()
    assert "linear" in out
    assert re.search(r"^ effective rank  ", out, re.MULTILINE)  # as compare calls it
    assert re.search(r"^ training time +\S+ s *$", out, re.MULTILINE)
    assert "--features" not in err


def test_evaluate_without_a_choice_of_features_measures_no_distance(folder, capfd):
    assert main(["evaluate", run_of(folder), "--no-probes"]) == 0
    out, err = capfd.readouterr()
    assert "FD-classifier" not in out
    assert "--features classifier, inception or timm:NAME" in err


def test_values_that_cannot_be_stored_are_an_error(folder, tmp_path, capfd):
    run = tmp_path / "run"
    shutil.copytree(run_of(folder), run)
    known = json.loads((run / "metrics.json").read_text())
    known.pop("measured", None)
    (run / "metrics.json").write_text(json.dumps(known))

    def no_space(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    with interrupted_write(0, no_space):
        assert "metrics.json cannot be written" in refused(["evaluate", run], capfd)


def test_values_are_measured_on_the_data_of_the_run_alone(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4)), np.arange(60) % 2
    np.savez(tmp_path / "a.npz", x=x, y=y)
    run = str(tmp_path / "run")
    settings = ["--latent-dim", "2", "--no-report", "--out", run]
    assert main(["train", "pca", "--data", str(tmp_path / "a.npz"), *settings]) == 0
    np.savez(tmp_path / "a.npz", x=x * 2, y=y)
    with pytest.raises(InputError, match=r"content of .*a\.npz has changed since"):
        _ = metrics.Subject(runs.Run(run).settings, Path(run)).dataset
    (tmp_path / "a.npz").unlink()
    with pytest.raises(
        InputError, match=r"cannot be read: There is no .*a\.npz; if they have moved"
    ):
        _ = metrics.Subject(runs.Run(run).settings, Path(run)).dataset
    with pytest.raises(InputError, match=r"data given .* There is no .*b\.npz; give those that"):
        runs.Run(run).read_data(tmp_path / "b.npz")


def test_weights_without_a_name_belong_to_the_network_that_is_used(folder, capfd):
    asked = ["evaluate", run_of(folder), "--metric", "fd[timm:resnet18]:gaussian"]
    assert "There is no file none.pth" in refused([*asked, "--weights", "none.pth"], capfd)
    two = [*asked, "--metric", "fid:gaussian", "--weights", "none.pth"]
    assert "as in --weights inception=none.pth" in refused(two, capfd)
    unused = ["evaluate", run_of(folder), "--weights", "none.pth"]
    assert "no network with such a file is used" in refused(unused, capfd)
    recipe = ["reproduce", "irmae-table-6", "--no-train", "--weights", "inception=none.pth"]
    assert "seeds have been trained" in refused(recipe, capfd)  # the weights are accepted
    several = ["reproduce", "lorae-table-3", "--no-train", "--weights", "none.pth"]
    assert "inception and timm:tf_efficientnet_lite0; write which" in refused(several, capfd)
    assert weights_by_name(["a=b.pth"], ["inception", "classifier"]) == {
        "inception": Path("a=b.pth")
    }


def test_files_of_weights_and_networks_may_be_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own.py").write_text(
        "from torch import nn\ndef pair():\n    return nn.Linear(6, 2), nn.Linear(2, 6)\n"
    )
    given = weights_by_name(["inception=~/a.pth", "timm:x=~/b.pth"], [])
    assert given == {"inception": tmp_path / "a.pth", "timm:x": tmp_path / "b.pth"}
    assert weights_by_name(["~/a.pth"], ["inception"]) == {"inception": tmp_path / "a.pth"}
    assert weights_of("inception", "~/own.py") == tmp_path / "own.py"
    assert _own_networks("~/own.py:pair").keys() == {"encoder", "decoder"}


def test_a_known_data_set_that_has_moved_is_measured_where_it_is(tmp_path, monkeypatch):
    write_mnist(tmp_path / "there" / "mnist")
    run = str(tmp_path / "run")
    settings = ["--data-root", str(tmp_path / "there"), "--train-size", "5", "--latent-dim", "2"]
    assert main(["train", "pca", "--data", "mnist", *settings, "--no-report", "--out", run]) == 0
    (tmp_path / "there").rename(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path))  # a shell leaves `--data=~/here` as it is
    moved = ["evaluate", run, "--data=~/here"]
    # Its classifier is trained on all samples, of which the run saw five.
    assert main([*moved, "--n", "6", "--metric", "fd:gaussian"]) == 0
