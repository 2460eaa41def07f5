"""Help in a narrow terminal: no word is broken or left out."""

import re

import pytest
import typer

from latentrank.__main__ import main
from latentrank.cli import app, output
from latentrank.methods import METHODS

COMMANDS = typer.main.get_command(app).commands
WIDTH = 40


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setattr(output.console, "_width", WIDTH)
    monkeypatch.setenv("COLUMNS", str(WIDTH))


def words(text):
    """Text without spaces, since a path longer than a line is broken."""
    return "".join(text.split())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_is_named_and_described_in_full(name, capfd):
    assert main([name, "--help"]) == 0
    told = capfd.readouterr().out
    assert "\N{HORIZONTAL ELLIPSIS}" not in told
    assert "...." not in told
    assert max(map(len, told.splitlines())) <= WIDTH
    for one in COMMANDS[name].params:
        described = one.help.replace("NAMES", "")[:20] if one.name == "density" else one.help
        assert words(described) in words(told)
        if one.param_type_name == "option":
            assert re.search(rf"^(-h, )?{one.opts[-1]}( |$)", told, re.MULTILINE), one.opts


def test_text_around_the_options_is_complete(capfd):
    assert main(["train", "--help"]) == 0
    told = words(capfd.readouterr().out)
    assert told.startswith("Usage:latentranktrain[OPTIONS][METHOD]TrainaMETHODondata")
    assert "latentranktrainMETHOD--helpliststhem." in told
    assert [word for word in ("Model", "Data", "Training", "Machine") if word not in told] == []


@pytest.mark.parametrize("name", ["lorae", "ae", "vrrae"])
def test_options_of_a_method_are_shown_in_full(name, capfd):
    assert main(["methods", name]) == 0
    told = words(capfd.readouterr().out)
    for option, field in METHODS.get(name).options.model_fields.items():
        assert f"--{option.replace('_', '-')}" in told
        assert words(field.description) in told


def test_a_wide_terminal_has_tables(capfd, monkeypatch):
    monkeypatch.setattr(output.console, "_width", 100)
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["sample", "--help"]) == 0
    assert re.search(r"--out +<path> +An \.npz file", capfd.readouterr().out)


@pytest.mark.parametrize("name", [[], *([name] for name in sorted(COMMANDS))], ids=str)
def test_no_type_stands_beside_an_option_without_a_value(name, capfd, monkeypatch):
    monkeypatch.setattr(output.console, "_width", 100)
    monkeypatch.setenv("COLUMNS", "100")
    assert main([*name, "--help"]) == 0
    assert "bool" not in capfd.readouterr().out
