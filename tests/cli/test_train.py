"""Training: what it prints and writes, and how it is resumed."""

from pathlib import Path

import pytest
import torch
import yaml

import latentrank
from latentrank import runs
from latentrank.__main__ import main
from latentrank.runs.configure import resolve
from latentrank.runs.train import start
from tests.cli.commands import SMALL, config_of, metrics_of, refused, run_of, squares

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.mark.parametrize("begun", [True, False])
def test_a_stopped_training_says_how_to_resume(folder, monkeypatch, capfd, tmp_path, begun):
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


def test_a_stopped_report_says_how_to_get_it(folder, monkeypatch, capfd):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("latentrank.report.write_report", interrupted)
    small = ["--epochs", "1", "--latent-dim", "4", "--out", "my run"]
    assert main(["train", "ae", "--data", squares(folder), *small]) == 130
    told = capfd.readouterr().err
    assert told.endswith(
        "latentrank: Stopped after the training; its report is: latentrank report 'my run'\n"
    )
    assert runs.Run("my run").finished


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


@pytest.mark.parametrize(
    ("below", "above", "length"),
    [
        ({"steps": 7}, {"epochs": 10}, ("epochs", 10)),
        ({"epochs": 3}, {"steps": 7}, ("steps", 7)),
        ({"steps": 7, "epochs": 10}, {"epochs": 3}, ("epochs", 3)),
        ({"steps": 7, "epochs": 10}, {}, ("steps", 7)),
    ],
)
def test_a_length_on_the_command_line_replaces_that_of_the_file(below, above, length):
    Path("run.yaml").write_text(yaml.safe_dump({"method": "ae", "data": "shapes", **below}))
    assert runs.configure(above, "run.yaml").training.length == length


def test_a_length_in_epochs_continues_a_run_in_steps(folder):
    command = ["train", "ae", "--data", squares(folder), "--latent-dim", "4", "--no-report"]
    assert main([*command, "--steps", "1", "--out", "run"]) == 0
    Path("run/metrics.json").unlink()
    assert main(["train", "--resume", "run", "--epochs", "2", "--no-report"]) == 0
    assert config_of("run")["steps"] is None
    assert metrics_of("run")["epochs"] == 2


def test_a_file_is_equivalent_to_options_and_the_command_line_takes_precedence(folder):
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


def test_a_tilde_that_the_shell_left_is_expanded(folder, monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert main(["train", "ae", f"--data={squares(folder)}", "--out=~/run", *SMALL]) == 0
    assert main(["embed", "~/run", "--out=~/codes.npz"]) == 0
    capfd.readouterr()
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == ["codes.npz", "run"]
    assert "already exists" in refused(["embed", "~/run", "--out=~/codes.npz"], capfd)
    assert not (tmp_path / "~").exists()
