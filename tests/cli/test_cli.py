"""The commands: what they write, what they print, and one sentence for every mistake."""

import operator
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import typer

import latentrank
from latentrank import cli, runs
from latentrank.__main__ import main
from latentrank.cli import options, output
from latentrank.config import settings
from latentrank.errors import InputError
from latentrank.runs.configure import resolve
from latentrank.runs.train import start
from tests.cli.commands import refused, run_of, squares

pytestmark = pytest.mark.usefixtures("elsewhere")


# --- the command itself -------------------------------------------------------------------------


def test_without_arguments_it_shows_help(capfd):
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
def test_it_runs_as_a_module_and_listing_needs_no_torch(command, told):
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


def test_an_internal_error_is_one_sentence_and_leaves_its_traceback(monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("latentrank.registry.Registry.working", partial(operator.truediv, 1, 0))
    assert main(["methods"]) == 1
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "ZeroDivisionError" in err
    (kept,) = tmp_path.glob("latentrank-*.txt")
    assert str(kept) in err
    assert "Traceback" in kept.read_text()


def test_debug_shows_the_traceback_at_any_position(capfd):
    assert main(["methods", "lorea", "--debug"]) == 2
    err = capfd.readouterr().err
    assert "Traceback" in err
    assert err.endswith("nsgan.\n")


@pytest.mark.parametrize("command", [["methods"], ["methods", "--debug"]])
def test_ctrl_c_anywhere_is_one_sentence(command, monkeypatch, capfd):
    def interrupted(registry):
        raise KeyboardInterrupt

    monkeypatch.setattr("latentrank.registry.Registry.working", interrupted)
    assert main(command) == 130
    assert capfd.readouterr().err == "latentrank: Stopped.\n"


def in_a_process(*command, **how):
    """A command as a process, with its own streams."""
    return subprocess.Popen([sys.executable, "-m", "latentrank", *command], text=True, **how)


def test_a_closed_pipe_is_no_error():
    with in_a_process("methods", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_a_character_that_the_terminal_lacks_is_no_error():
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    with in_a_process("datasets", stdout=subprocess.PIPE, env=ascii_only) as process:
        assert "3?32?32" in process.stdout.read()
    assert process.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_output_to_a_full_disk_is_one_sentence():
    with Path("/dev/full").open("w") as full:
        process = in_a_process("methods", stdout=full, stderr=subprocess.PIPE)
    with process:
        told = process.stderr.read()
    assert process.returncode == 2
    assert told.count("\n") == 1
    assert "No space left on device" in told


def test_a_mistake_with_a_closed_terminal_keeps_its_status(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["methods", "lorea"]) == 2


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
        (
            ["train", "lorae", "--data", "shapes", "--epochs", "10", "--steps", "5"],
            "epochs is 10 and steps is 5; leave one out",
        ),
        (["train", "lorae", "--data", "shapes", "--out", ""], "The value after --out is empty"),
        (["train", "lorae", "--data", "shapes", "--out="], "The value after --out is empty"),
        (["report", " "], "The value after report is empty"),
        (
            ["train", "ae", "--data", "{folder}/squares.npz", "--out", "{folder}/table.npy"],
            "table.npy is a file, expected a folder",
        ),
        (
            ["train", "ae", "--data", "{folder}/squares.npz", "--out", "{folder}/table.npy/run"],
            "table.npy is a file, expected a folder",
        ),
        (
            [
                "sweep",
                "ae",
                "--data",
                "{folder}/squares.npz",
                "--search",
                "epochs=1,2",
                "--out",
                "{folder}/table.npy",
            ],
            "table.npy is a file, expected a folder",
        ),
        (["push", "{run}", "--out", "{folder}/table.npy/x"], "table.npy is a file"),
        (
            ["sample", "{run}", "--out", "{folder}/table.npy/x.npz"],
            "table.npy is a file, expected a folder",
        ),
        (
            ["train", "lorae", "--data", "shapes", "--epochs", "x"],
            "--epochs is 'x', expected an integer",
        ),
        (
            ["train", "lorae", "--data", "shapes", "--schedule", "x"],
            "--schedule: 'x' is not one of 'constant', 'cosine', 'multistep'",
        ),
        (
            ["train", "lorae", "--data", "shapes", "--logger", "x"],
            "loggers is 'x', expected a list",
        ),
        (["train", "lorae", "more", "--data", "shapes"], "'more' is an unexpected argument"),
        (["train", "--config", "none.yaml"], "none.yaml cannot be read"),
        (["train", "--resume", "nowhere"], "nowhere is not the folder of a run"),
        (["sample", "{run}", "--density", "gnm"], "did you mean 'gmm'?"),
        (["sample", "{run}", "--n", "0"], "--n is '0', expected at least 1"),
        (["sample", "{run}", "--density", "gmm:components=2.5"], "components is 2.5"),
        (["sample", "{run}", "--density", "gmm:component=2"], "did you mean 'components'?"),
        (["sample", "{run}", "--density", "kde:bandwidth=-1"], "bandwidth is -1"),
        (["sample", "{run}", "--nn", "3"], "No such option: --nn (Possible options: --n)"),
        (
            ["sample", "{run}", "--out", "x.jpg"],
            "expected a name ending in .npz, .csv, .png, .pdf or .svg",
        ),
        (["embed", "{run}", "--data", "{folder}/table.npy"], "give data of that shape"),
        (["embed", "{run}", "--out", "{folder}/squares.npz"], "already exists"),
        (["export", "{run}", "--compress", "-1", "--format", "safetensors"], "compression is -1"),
        (["export", "{run}", "--precision", "int8", "--format", "safetensors"], "--format onnx"),
        (["export", "{run}", "--networks", "none.py:f"], "expected FILE.py:FUNCTION"),
        (["interpolate", "{run}", "--kind", "parameters"], "has no parameters"),
        (["evaluate", "{run}", "--density", "foo", "--features", "classifier"], "no density 'foo'"),
        (["evaluate", "{run}", "--density", "gmm"], "add --features classifier"),
        (["evaluate", "{run}", "--metric", "fd:gmm", "--features", "x"], "--features is x, which"),
        (["evaluate", "{run}", "--metric", "rank", "--density", "gmm"], "--density is gmm, which"),
        (["train", "--resume", "{run}"], "is finished; to train it for longer"),
        (["train", "--resume", "{run}", "--seed", "2"], "seed of the run"),
        (["train", "--resume", "{run}", "--out", "more"], "--out is more, but --resume goes on in"),
        (["train", "--resume", "{run}", "--config", "x.yaml"], "--config is x.yaml, but --resume"),
        (["explore", "{run}", "--port", "8000"], "add --live, or leave it out"),
        (["train", "--resume", "{run}", "--rank", "3"], "rank of the run"),
        (
            ["train", "ae", "--data", "{folder}/squares.npz", "--out", "{run}"],
            "already contains a run",
        ),
        (["train", "ae", "--config", "{run}/config.yaml"], "has options of rrae"),
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
    ("code", "told"),
    [
        ("def f(:", "mine.py, line 1 failed (SyntaxError"),
        ("import absent_module", "mine.py, line 1 failed (ModuleNotFoundError"),
        ("def f():\n    return {}['x']", "mine.py, line 2 failed (KeyError: 'x')"),
        ("f = 3", "There is no function 'f' in mine.py"),
        ("\ndef f(): pass", "mine.py, line 2) returned None, expected tuple"),
        ("def f(): return 1, 2, 3", "f returned 3 values, expected an encoder and a decoder"),
    ],
)
def test_a_mistake_in_a_users_file_is_reported_with_its_line(code, told, folder, capfd):
    Path("mine.py").write_text(code)
    assert told in refused(["embed", run_of(folder), "--networks", "mine.py:f"], capfd)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("epochs: [", "is not YAML"),
        ("just words", "contains no settings"),
        ("method: ae\ndata: shapes\nepochs: 0\n", "epochs is 0, expected an integer of at least 1"),
        ("method: ae\ndata: shapes\nepoch: 1\n", "did you mean 'epochs'?"),
        ("method: ae\ndata: shapes\noptions: 3\n", "options is 3"),
        ("method: 3\ndata: shapes\n", "no method '3'"),
    ],
)
def test_a_wrong_file_is_one_sentence(text, told, capfd):
    Path("run.yaml").write_text(text)
    assert told in refused(["train", "--config", "run.yaml"], capfd)


@pytest.mark.parametrize("command", ["report", "embed", "sample", "evaluate", "export", "compare"])
def test_an_unfinished_run_says_how_to_resume(command, folder, capfd):
    settled = runs.configure({"method": "ae", "data": squares(folder), "latent_dim": 4})
    start(resolve(settled, runs.load_data(settled)), Path("half"))
    assert "latentrank train --resume half" in refused([command, "half"], capfd)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "ae", "--latent-dim", "wide"], "--latent-dim is 'wide', expected an integer.\n"),
        (
            ["export", "run", "--compress", "--check"],
            "--compress is '--check', expected a number.",
        ),
        (["reproduce", "x", "--seeds", "0"], "--seeds is '0', expected at least 1.\n"),
        (
            ["reproduce", "x", "--budget", "big"],
            "--budget: 'big' is not one of 'small', ",
        ),
    ],
)
def test_an_option_of_another_type_is_told_its_value(arguments, told, capfd):
    assert told in refused(arguments, capfd)


def test_settings_from_python_are_checked_alike():
    with pytest.raises(InputError, match="did you mean 'penalty'"):
        runs.configure({"method": "lorae", "data": "shapes", "penalyt": 1.0})
