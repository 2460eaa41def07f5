"""The commands: what they write, what they print, and one sentence for every mistake."""

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import typer
import yaml
from PIL import Image
from torch import nn

import latentrank
from latentrank import cli, density, inference, metrics, runs
from latentrank.__main__ import main
from latentrank.cli import options, output
from latentrank.config import RunConfig, settings
from latentrank.errors import InputError
from latentrank.runs.configure import resolve
from latentrank.runs.train import start

SMALL = ["--epochs", "1", "--latent-dim", "4", "--no-report"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Labelled images, curves with no labels, and a run on the images."""
    folder = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    x = rng.integers(0, 80, (80, 1, 8, 8), dtype=np.uint8)
    x[y == 1, :, 2:6, 2:6] += 120
    np.savez(folder / "squares.npz", x=x, y=y)
    np.save(folder / "table.npy", rng.normal(size=(40, 6)))
    command = ["train", "rrae", "--data", squares(folder), "--rank", "2", *SMALL]
    assert main([*command, "--out", run_of(folder)]) == 0
    return folder


@pytest.fixture(autouse=True)
def _somewhere_else(folder, monkeypatch, tmp_path):
    """Work in an empty folder, so that nothing is left in the repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTRANK_CACHE", str(folder / "cache"))


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


# --- the command itself -------------------------------------------------------------------------


def test_alone_it_shows_help(capfd):
    assert main([]) == 0
    assert "Usage: latentrank" in capfd.readouterr().out


def test_version(capfd):
    assert main(["--version"]) == 0
    assert capfd.readouterr().out == f"latentrank {latentrank.__version__}\n"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("--help", "reproduce"),
        ("train --help", "--learning-rate"),
        ("methods", "lorae"),
        ("methods irmae", "--depth"),
        ("datasets", "curves:stairs"),
    ],
)
def test_it_is_a_module_too_and_what_only_tells_needs_no_torch(command, told):
    code = (
        f"import sys, runpy; sys.argv = ['latentrank', *'{command}'.split()]\n"
        "try: runpy.run_module('latentrank', run_name='__main__')\n"
        "except SystemExit as stop: assert not stop.code\n"
        "slow = {'torch', 'lightning', 'matplotlib', 'sklearn'} & set(sys.modules)\n"
        "assert not slow, slow"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told in done.stdout


def test_the_package_itself_is_imported_without_anything_heavy():
    code = (
        "import sys, latentrank\n"
        "slow = {'torch', 'lightning', 'numpy', 'pydantic', 'typer'} & set(sys.modules)\n"
        "assert not slow, slow"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "command", sorted(c.callback.__name__ for c in cli.app.registered_commands)
)
def test_every_command_explains_itself(command, capfd):
    assert main([command, "--help"]) == 0
    assert f"latentrank {command}" in capfd.readouterr().out


def test_every_setting_is_an_option():
    command = typer.main.get_command(cli.app).commands["train"]
    named = {parameter.name for parameter in command.params}
    assert set(settings()) <= named
    explained = {p.name: p.help for p in command.params if p.name in settings()}
    assert all(explained.values())


def test_words_and_options_are_told_apart():
    tokens = ["--penalty", "-1e-3", "lorae", "--fixed", "--no-shared", "--solver=polar"]
    assert options.extra_options(tokens) == (
        ["lorae"],
        {"penalty": -1e-3, "fixed": True, "shared": False, "solver": "polar"},
    )


def test_a_failure_of_ours_is_one_sentence_and_leaves_its_traceback(monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("latentrank.methods.names", lambda: 1 / 0)
    assert main(["methods"]) == 1
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "ZeroDivisionError" in err
    (kept,) = tmp_path.glob("latentrank-*.txt")
    assert str(kept) in err
    assert "Traceback" in kept.read_text()


def test_debug_shows_the_traceback_wherever_it_stands(capfd):
    assert main(["methods", "lorea", "--debug"]) == 2
    err = capfd.readouterr().err
    assert "Traceback" in err
    assert err.endswith("nsgan.\n")


@pytest.mark.parametrize("begun", [True, False])
def test_a_stopped_training_says_how_to_go_on(folder, monkeypatch, capfd, tmp_path, begun):
    def stopped(settings, out):
        if begun:
            out.mkdir()
            (out / "config.yaml").touch()
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "train", stopped)
    assert main(["train", "ae", "--data", squares(folder), "--out", "my run"]) == 130
    assert capfd.readouterr().err == (
        "latentrank: Stopped; resume with: latentrank train --resume 'my run'\n"
        if begun
        else "latentrank: Stopped before the training began; give the command again.\n"
    )


# --- what there is ------------------------------------------------------------------------------


def test_methods_lists_all_of_them(capfd):
    assert main(["methods"]) == 0
    out = capfd.readouterr().out
    assert all(name in out for name in latentrank.methods.names())


@pytest.mark.parametrize("name", latentrank.methods.names())
def test_a_method_shows_its_options(name, capfd):
    assert main(["methods", name]) == 0
    out = capfd.readouterr().out
    for option in latentrank.methods.get(name).options.model_fields:
        assert f"--{option.replace('_', '-')}" in out


def test_datasets_lists_all_of_them(capfd):
    assert main(["datasets"]) == 0
    out = capfd.readouterr().out
    assert all(name in out for name in latentrank.data.names())


# --- training -----------------------------------------------------------------------------------


def test_training_prints_rank_truth_and_where_the_report_is(capfd):
    small = ["--train-size", "16", "--test-size", "9", "--epochs", "1", "--latent-dim", "4"]
    assert main(["train", "ae", "--data", "gaussian2d", "--net", "mlp", *small]) == 0
    out = capfd.readouterr().out
    where = Path("runs/gaussian2d-ae")
    rank = metrics_of(where)["rank"]
    assert f"{rank} of 4   (parameters of the data: 2)" in out
    assert str(where / "report.html") in out
    assert "<html" in (where / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "command",
    [
        ["rrae", "--rank", "auto"],
        ["vrrae", "--rank", "auto", "--adapt", "grow"],
        ["lorae", "--rank", "auto"],
        ["lorae", "--rank", "2"],
        ["irmae-wd"],
    ],
    ids=" ".join,
)
def test_training_says_whether_the_rank_was_found(command, folder, capfd):
    assert main(["train", *command, "--data", squares(folder), *SMALL]) == 0
    control = metrics_of(f"runs/squares-{command[0]}")["rank_search"]
    assert isinstance(control["reliable"], bool)
    assert control["message"] in " ".join(capfd.readouterr().err.split())


def test_options_of_the_method_and_settings_reach_the_run(folder):
    config = config_of(run_of(folder))
    assert config["options"]["rank"] == 2
    assert (config["epochs"], config["latent_dim"], config["method"]) == (1, 4, "rrae")
    assert metrics_of(run_of(folder))["rank"] == 2


def test_runs_are_numbered_where_a_name_is_taken(folder):
    command = ["train", "ae", "--data", squares(folder), *SMALL]
    assert main(command) == main(command) == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == ["squares-ae", "squares-ae-2"]


def test_a_file_says_the_same_as_options_and_the_command_line_goes_first(folder):
    Path("run.yaml").write_text(
        f"method: irmae\ndata: {squares(folder)}\nepochs: 1\nlatent_dim: 4\nlearning_rate: 1e-3\n"
        "depth: 2\noptions: {init_variance: 2}\n"
    )
    assert main(["train", "--config", "run.yaml", "--no-report", "--out", "a", "--seed", "3"]) == 0
    options = ["--depth", "2", "--init-variance", "2", "--learning-rate", "1e-3", "--seed", "3"]
    command = ["train", "irmae", "--data", squares(folder), *SMALL, *options, "--out", "b"]
    assert main(command) == 0
    assert config_of("a") == config_of("b")
    over = ["--depth", "3", "--learning-rate", "2e-3", "--no-report", "--out", "c"]
    assert main(["train", "--config", "run.yaml", *over]) == 0
    assert config_of("c")["options"] == {**config_of("a")["options"], "depth": 3}
    assert config_of("c")["learning_rate"] == 2e-3


def test_the_resolved_configuration_repeats_the_run(folder):
    given = Path(run_of(folder)) / "config.yaml"
    assert main(["train", "--config", str(given), "--no-report", "--out", "again"]) == 0
    assert config_of("again") == config_of(run_of(folder))
    weights = [Path(f) / "model.safetensors" for f in ("again", run_of(folder))]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_resumed_run_equals_an_uninterrupted_one(folder):
    command = ["train", "lorae", "--data", squares(folder), *SMALL]
    assert main([*command, "--out", "short"]) == 0
    before = runs.Run("short").history["seconds"][0]
    assert main(["train", "--resume", "short", "--epochs", "2", "--no-report"]) == 0
    assert runs.Run("short").history["seconds"][0] == before, "it did not begin again"
    assert main([*command, "--epochs", "2", "--out", "long"]) == 0
    assert config_of("short") == config_of("long")
    ours, theirs = latentrank.load("short").state_dict(), latentrank.load("long").state_dict()
    assert all((ours[name] == theirs[name]).all() for name in theirs)


@pytest.mark.parametrize(
    "change",
    [
        ["--epochs", "4", "--device", "nowhere"],
        ["--epochs", "1"],
        ["--steps", "1000"],
        ["--epochs", "4", "--precision", "12"],
    ],
    ids=" ".join,
)
def test_a_resumption_that_is_refused_leaves_the_run_as_it_was(change, folder, capfd):
    assert main(["train", "ae", "--data", squares(folder), *SMALL, "--out", "run"]) == 0
    files = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    capfd.readouterr()
    refused(["train", "--resume", "run", *change, "--no-report"], capfd)
    assert {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()} == files


def test_a_checkpoint_that_would_run_code_is_not_loaded(folder, capfd):
    assert main(["train", "ae", "--data", squares(folder), *SMALL, "--out", "run"]) == 0
    with Path("run/checkpoints/last.ckpt").open("wb") as file:
        torch.save(_RunsCode(), file)
    capfd.readouterr()
    refused(["train", "--resume", "run", "--epochs", "2", "--no-report"], capfd)
    assert not Path("was-here").exists()
    assert Path("run/metrics.json").is_file()


class _RunsCode:
    def __reduce__(self):
        return Path.touch, (Path("was-here"),)


def test_a_run_stopped_before_its_first_checkpoint_starts_again(folder):
    settled = runs.configure(
        {"method": "ae", "data": squares(folder), "epochs": 1, "latent_dim": 4}
    )
    start(resolve(settled, runs.load_data(settled)), Path("early"))
    assert main(["train", "--resume", "early", "--no-report"]) == 0
    assert metrics_of("early")["epochs"] == 1


def test_a_refused_training_leaves_no_folder(folder, capfd):
    refused(["train", "ae", "--data", squares(folder), "--precision", "12"], capfd)
    refused(["train", "rrae", "--data", squares(folder), "--latent-dim", 4, "--rank", 9], capfd)
    assert not Path("runs").exists() or not list(Path("runs").iterdir())


# --- using a run --------------------------------------------------------------------------------


def test_report(folder, capfd, monkeypatch):
    monkeypatch.setattr("latentrank.report.write_report", lambda run, *_: run.folder / "there.html")
    assert main(["report", run_of(folder)]) == 0
    assert capfd.readouterr().out.strip().endswith("there.html")


@pytest.mark.parametrize("name", ["velocity [m/s]", "[bold]"])
def test_brackets_in_names_are_printed(name, folder, capfd):
    shutil.copytree(run_of(folder), name)
    assert main(["sample", name, "--n", "1", "--out", f"{name}.npz"]) == 0
    assert f"{name}.npz: x (1, 1, 8, 8)" in capfd.readouterr().out
    output.print_table(["", name], [[name, "1"]])
    output.print_pairs({name: name})
    output.messages.print(name)
    told = capfd.readouterr()
    assert (told.out + told.err).count(name) == 5


def test_embed(folder):
    assert main(["embed", run_of(folder), "--out", "codes.npz"]) == 0
    with np.load("codes.npz") as found:
        assert found["codes"].shape == (16, 4)
        assert found["labels"].shape == (16,)
    assert main(["embed", run_of(folder), "--split", "train", "--coefficients"]) == 0
    with np.load(Path(run_of(folder)) / "codes-train.npz") as found:
        assert found["codes"].shape == (64, 2)


def test_sample(folder):
    made = []
    for seed in ("1", "1", "2"):
        spec = "gmm:components=2,covariance=diag"
        assert main(["sample", run_of(folder), "--density", spec, "--n", "9", "--seed", seed]) == 0
        with np.load(
            Path(run_of(folder)) / "samples-gmm-components-2-covariance-diag.npz"
        ) as found:
            made.append(found["codes"])
    np.testing.assert_array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    assert main(["sample", run_of(folder), "--n", "9"]) == 0
    with np.load(Path(run_of(folder)) / "samples-gaussian.npz") as found:
        assert found["x"].shape == (9, 1, 8, 8)
        assert found["x"].dtype == np.uint8
        assert np.linalg.matrix_rank(found["codes"], tol=1e-4) <= 3
    assert main(["sample", run_of(folder), "--out", "grid.png"]) == 0
    assert Path("grid.png").read_bytes()[1:4] == b"PNG"


def test_a_run_without_its_data_is_sampled_from(folder):
    """Pictures included, as for a colleague who was sent the folder of the run alone."""
    np.save("table.npy", np.random.default_rng(0).normal(size=(60, 6)))
    assert main(["train", "vae", "--data", "table.npy", *SMALL, "--out", "moved"]) == 0
    Path("table.npy").rename("elsewhere.npy")
    for spec in ("prior", "gaussian", "gmm", "kde"):
        assert main(["sample", "moved", "--density", spec, "--n", "5"]) == 0
        assert main(["sample", "moved", "--density", spec, "--out", f"{spec}.png"]) == 0
    assert main(["embed", "moved"]) == 0


def test_densities_are_listed_with_their_options(capfd):
    assert main(["densities"]) == 0
    told = capfd.readouterr().out
    for name in density.names():
        assert re.search(rf"^ *{name} ", told, re.MULTILINE)
        for option in density.options(name).values():
            assert re.search(rf" {option.name} +{option.default} ", told)


@pytest.mark.parametrize("kind", ["linear", "spherical", "pca"])
def test_interpolate(folder, kind):
    assert main(["interpolate", run_of(folder), "--kind", kind, "--out", "between.png"]) == 0
    assert Path("between.png").read_bytes()[1:4] == b"PNG"


def test_interpolate_over_parameters(capfd):
    data = ["--data", "curves:shifted-sine", "--test-size", "5"]
    assert main(["train", "rrae", *data, "--rank", "1", *SMALL, "--out", "sine"]) == 0
    assert main(["interpolate", "sine", "--kind", "parameters"]) == 0
    assert "relative error %" in capfd.readouterr().out


def test_evaluate(folder, capfd):
    command = ["evaluate", run_of(folder), "--features", "classifier", "--n", "20"]
    assert main([*command, "--density", "gaussian, prior", "--no-probes"]) == 0
    out = capfd.readouterr().out
    assert "FD-classifier" in out
    assert "FID" not in out
    found = metrics.read(run_of(folder))
    densities = ["reconstruction", "gaussian", "prior"]
    assert [v.identity["density"] for v in found if v.name == "FD-classifier"] == densities
    assert {v.identity["samples"] for v in found if v.identity.get("density") == "prior"} == {20}


def test_evaluate_measures_what_is_asked_for(folder, capfd):
    assert main(["evaluate", run_of(folder), "--metric", "linear-accuracy:10"]) == 0
    out, err = capfd.readouterr()
    assert "linear" in out
    assert "--features" not in err


def test_evaluate_without_a_choice_of_features_measures_no_distance(folder, capfd):
    assert main(["evaluate", run_of(folder), "--no-probes"]) == 0
    out, err = capfd.readouterr()
    assert "FD-classifier" not in out
    assert "--features classifier, inception or timm:NAME" in err


def test_explore(folder, capfd):
    assert main(["explore", run_of(folder)]) == 0
    where = Path(run_of(folder)) / "explore.html"
    assert str(where) in capfd.readouterr().out
    assert where.is_file()


def test_explore_live_prints_its_address_and_how_to_stop_it(folder, capfd, monkeypatch):
    pytest.importorskip("starlette")
    from latentrank.report import server

    def interrupted(app, listener):
        raise KeyboardInterrupt

    monkeypatch.setattr(server, "serve", interrupted)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert main(["explore", run_of(folder), "--live"]) == 130
    out, err = capfd.readouterr()
    port = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\n", out)[1]
    assert f"No browser could be opened here; open the address in one on this machine, or from " \
        f"another one after: ssh -L {port}:127.0.0.1:{port} HOST" in err  # fmt: skip
    assert err.endswith("latentrank: The page is no longer served.\n")


def test_a_port_in_use_is_refused(folder, capfd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = refused(["explore", run_of(folder), "--live", "--port", port], capfd)
    assert f"Port {port} cannot be used (Address already in use); give another --port" in told


def test_compare(folder):
    assert main(["compare", run_of(folder), run_of(folder), "--out", "page.html"]) == 0
    assert "<html" in Path("page.html").read_text(encoding="utf-8")
    assert "rank" in Path("page-files/table.tex").read_text(encoding="utf-8")


def test_a_comparison_is_overwritten_by_force_only(folder, capfd):
    assert main(["compare", run_of(folder)]) == 0
    capfd.readouterr()
    assert "--force" in refused(["compare", run_of(folder)], capfd)
    Path("compare.html").unlink()
    assert "compare-files already exists" in refused(["compare", run_of(folder)], capfd)
    assert main(["compare", run_of(folder), "--force", "--label", "mine"]) == 0
    assert "mine" in Path("compare.html").read_text(encoding="utf-8")


def test_figures_in_another_format_and_style(folder, capfd):
    Path("own.mplstyle").write_text("figure.figsize: 3.3, 2\nfont.size: 7\n", encoding="utf-8")
    command = ["compare", run_of(folder), "--force", "--figure-format", "svg"]
    assert main([*command, "--style", "own.mplstyle"]) == 0
    drawing = Path("compare-files/spectrum.svg").read_text(encoding="utf-8")
    assert "index of the singular value</text>" in drawing
    assert 'width="237.6pt"' in drawing
    capfd.readouterr()
    assert "no style file" in refused([*command, "--style", "none.mplstyle"], capfd)


def test_export(folder, capfd):
    command = ["export", run_of(folder), "--format", "safetensors", "--compress", "0.01"]
    assert main([*command, "--check", "--out", "encoder.safetensors"]) == 0
    told = capfd.readouterr().out
    for part in ("encoder.safetensors", "numbers instead of", "difference from torch"):
        assert part in told
    assert Path("encoder.safetensors").is_file()


def test_a_saved_model_with_networks_of_ones_own_is_exported():
    Path("nets.py").write_text(
        "from torch import nn\n\ndef make():\n    return nn.Linear(6, 2), nn.Linear(2, 6)\n"
    )
    nets = {"encoder": nn.Linear(6, 2), "decoder": nn.Linear(2, 6)}
    latentrank.save(latentrank.build("ae", (6,), latent_dim=2, **nets), "own")
    command = ["export", "own", "--format", "safetensors", "--out", "own.safetensors"]
    assert main([*command, "--networks", "nets.py:make"]) == 0
    assert Path("own.safetensors").is_file()


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["trian"], "Did you mean 'train'?"),
        (["embed"], "Missing argument 'RUN'"),
        (["embed", "nowhere"], "nowhere is not the folder of a run"),
        (["train"], "No method is given"),
        (["train", "lorae"], "No data is given"),
        (["train", "lorea", "--data", "shapes"], "did you mean 'lorae'?"),
        (["train", "lorae", "--data", "shaps"], "did you mean 'shapes'?"),
        (["train", "lorae", "--data", "a/b.npy"], "There is no a/b.npy"),
        (["train", "lorae", "--data", "shapes", "--epoch", "3"], "did you mean 'epochs'?"),
        (["train", "lorae", "--data", "shapes", "--penlty", "3"], "did you mean 'penalty'?"),
        (["train", "lorae", "--data", "shapes", "--penalty", "high"], "expected a number"),
        (["train", "irmae", "--data", "shapes", "--depth", "2.5"], "expected an integer"),
        (["train", "irmae", "--data", "shapes", "--depth", "true"], "expected an integer"),
        (["train", "irmae", "--data", "shapes", "--fixed", "3"], "expected true or false"),
        (["train", "lorae", "--data", "shapes", "--epochs", "0"], "epochs is 0"),
        (["train", "lorae", "--data", "shapes", "--epochs", "x"], "'--epochs'"),
        (["train", "lorae", "--data", "shapes", "--schedule", "x"], "'--schedule'"),
        (
            ["train", "lorae", "--data", "shapes", "--logger", "x"],
            "loggers is 'x', expected a list",
        ),
        (["train", "lorae", "more", "--data", "shapes"], "'more' is an unexpected argument"),
        (["train", "--config", "none.yaml"], "none.yaml cannot be read"),
        (["train", "--resume", "nowhere"], "nowhere is not the folder of a run"),
        (["sample", "{run}", "--density", "gnm"], "did you mean 'gmm'?"),
        (["sample", "{run}", "--n", "0"], "'--n'"),
        (["sample", "{run}", "--density", "gmm:components=2.5"], "components is 2.5"),
        (["sample", "{run}", "--density", "gmm:component=2"], "did you mean 'components'?"),
        (["sample", "{run}", "--density", "kde:bandwidth=-1"], "bandwidth is -1"),
        (["sample", "{run}", "--nn", "3"], "--n"),
        (
            ["sample", "{run}", "--out", "x.jpg"],
            "expected a name ending in .npz, .csv, .png, .pdf or .svg",
        ),
        (["embed", "{run}", "--data", "{folder}/table.npy"], "give data of that shape"),
        (["embed", "{run}", "--out", "{folder}/squares.npz"], "already exists"),
        (["export", "{run}", "--compress", "-1", "--format", "safetensors"], "tol is -1"),
        (["export", "{run}", "--precision", "int8", "--format", "safetensors"], "--format onnx"),
        (["export", "{run}", "--networks", "none.py:f"], "expected FILE.py:FUNCTION"),
        (["interpolate", "{run}", "--kind", "parameters"], "has no parameters"),
        (["evaluate", "{run}", "--density", "foo", "--features", "classifier"], "'foo'"),
        (["evaluate", "{run}", "--density", "gmm"], "add --features classifier"),
        (["evaluate", "{run}", "--metric", "fd:gmm", "--features", "x"], "--features is x, which"),
        (["evaluate", "{run}", "--metric", "rank", "--density", "gmm"], "--density is gmm, which"),
        (["train", "--resume", "{run}"], "is finished; to train it for longer"),
        (["train", "--resume", "{run}", "--seed", "2"], "seed of the run"),
        (["train", "--resume", "{run}", "--rank", "2"], "rank of the run"),
        (
            ["train", "ae", "--data", "{folder}/squares.npz", "--out", "{run}"],
            "already holds a run",
        ),
        (["train", "ae", "--config", "{run}/config.yaml"], "holds options of rrae"),
        (["train", "ae", "--data", "{folder}/squares.npz", "--device", "x"], "device x"),
        (["train", "ae", "--data", "{folder}/squares.npz", "--precision", "x"], "precision x"),
        (["train", "ae", "--data", "{folder}/squares.npz", "--strategy", "x"], "strategy x"),
        (["train", "ae", "--data", "{folder}/squares.npz", "--net", "x"], "no network 'x'"),
        (["train", "ae", "--data", "{folder}/squares.npz", "--devices", "999"], "devices is 999"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(arguments, told, folder, capfd):
    filled = [text.format(run=run_of(folder), folder=folder) for text in arguments]
    assert told in refused(filled, capfd)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("epochs: [", "is not YAML"),
        ("just words", "holds no settings"),
        ("method: ae\ndata: shapes\nepochs: 0\n", "epochs is 0, expected an integer from 1"),
        ("method: ae\ndata: shapes\nepoch: 1\n", "did you mean 'epochs'?"),
        ("method: ae\ndata: shapes\noptions: 3\n", "options is 3"),
        ("method: 3\ndata: shapes\n", "no method '3'"),
    ],
)
def test_a_wrong_file_is_one_sentence(text, told, capfd):
    Path("run.yaml").write_text(text)
    assert told in refused(["train", "--config", "run.yaml"], capfd)


@pytest.mark.parametrize("command", ["report", "embed", "sample", "evaluate", "export", "compare"])
def test_an_unfinished_run_says_how_to_go_on(command, folder, capfd):
    settled = runs.configure({"method": "ae", "data": squares(folder), "latent_dim": 4})
    start(resolve(settled, runs.load_data(settled)), Path("half"))
    assert "latentrank train --resume half" in refused([command, "half"], capfd)


def test_settings_from_python_are_checked_alike():
    with pytest.raises(InputError, match="did you mean 'penalty'"):
        runs.configure({"method": "lorae", "data": "shapes", "penalyt": 1.0})


def test_codes_of_other_data_leave_those_of_the_run(folder):
    run = run_of(folder)
    own = Path(run) / "codes-all.npz"
    assert main(["embed", run, "--split", "all"]) == 0
    before = own.read_bytes()
    other = Path("others.npy")
    np.save(other, np.load(squares(folder))["x"])
    assert main(["embed", run, "--data", str(other)]) == 0
    assert own.read_bytes() == before
    assert (Path(run) / "codes-others-all.npz").is_file()


def test_codes_and_samples_of_a_table_are_written_as_a_table(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 3)), columns=["width", "height", "dose"])
    frame["id"] = [f"s{i}" for i in range(40)]
    frame["class"] = rng.choice(["cat", "dog"], 40)
    frame.to_csv(tmp_path / "t.csv", index=False)
    run = str(tmp_path / "run")
    settings = ["--parameters", "dose", "--latent-dim", "2", "--no-report", "--out", run]
    assert main(["train", "pca", "--data", str(tmp_path / "t.csv"), *settings]) == 0
    assert main(["embed", run, "--split", "all", "--out", "codes.csv"]) == 0
    found = pd.read_csv("codes.csv")
    assert list(found.columns) == ["name", "row", "label", "dose", "code 0", "code 1"]
    assert found["name"].tolist() == frame["id"].tolist()
    assert found["label"].tolist() == frame["class"].tolist()
    np.testing.assert_allclose(found["dose"], frame["dose"])
    np.testing.assert_allclose(
        found["code 0"], inference.embed(runs.Run(run), "all")["codes"][:, 0]
    )
    assert main(["sample", run, "--n", "5", "--out", "new.csv"]) == 0
    new = pd.read_csv("new.csv")
    assert new.shape == (5, 2)
    assert list(new.columns) == ["width", "height"]


def test_one_image_is_embedded_in_colour_too(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(8):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    run = str(tmp_path / "run")
    settings = ["--latent-dim", "2", "--no-report", "--out", run]
    assert main(["train", "pca", "--data", str(tmp_path), *settings]) == 0
    assert main(["embed", run, "--data", str(tmp_path / "3.png"), "--out", "one.npz"]) == 0
    own = inference.embed(runs.Run(run), "all")
    with np.load("one.npz") as found:
        np.testing.assert_allclose(found["codes"], own["codes"][own["rows"] == 3], rtol=1e-4)
        assert found["names"].tolist() == ["3.png"]
    grey = np.full((8, 8), 7, np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert main(["embed", run, "--data", str(tmp_path / "grey.png"), "--out", "grey.npz"]) == 0


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
