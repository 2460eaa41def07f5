"""Commands that list what is available."""

import re
from collections import Counter
from importlib.metadata import EntryPoint

import pytest

import latentrank
from latentrank import data, density, methods
from latentrank.__main__ import main
from latentrank.cli import output
from latentrank.metrics import METRICS, parse
from latentrank.metrics import names as metric_names
from latentrank.nets import NETWORKS, families

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.mark.parametrize("name", latentrank.methods.names())
def test_a_method_shows_its_options(name, capfd):
    assert main(["methods", name]) == 0
    out = capfd.readouterr().out
    for option in latentrank.methods.get(name).options.model_fields:
        assert f"--{option.replace('_', '-')}" in out


def test_networks_are_listed(capfd):
    assert main(["networks"]) == 0
    told = capfd.readouterr().out
    for name in families():
        assert re.search(rf"^ *{name} +\S", told, re.MULTILINE)


def test_metrics_are_listed_with_what_they_take_and_what_they_mean(capfd, monkeypatch):
    monkeypatch.setattr(output.console, "width", 200)
    assert main(["metrics"]) == 0
    rows = {row.split()[0]: row for row in capfd.readouterr().out.splitlines() if row.strip()}
    for metric in map(METRICS.get, METRICS):
        assert metric.help
        row = rows[metric.form.partition(":")[0]]
        assert metric.help in row
        assert (metric.better or "") in row
        assert all(choice in row for choice in metric.argument.split("|"))
    aliases = set(metric_names()) - set(METRICS)
    for alias in aliases:
        written = re.search(r"The same as (\S+)\.", rows[alias])[1]
        assert parse(alias + ":gmm" * (":" in written)).text == written.replace("DENSITY", "gmm")


def test_densities_are_listed_with_their_options(capfd):
    assert main(["densities"]) == 0
    told = capfd.readouterr().out
    for name in density.names():
        assert re.search(rf"^ *{name} ", told, re.MULTILINE)
        for option in density.options(name).values():
            assert re.search(rf" {option.name} +{option.default} ", told)


@pytest.mark.parametrize("command", ["methods", "datasets", "networks", "densities", "metrics"])
@pytest.mark.parametrize("width", [20, 40, 60])
def test_a_narrow_terminal_hides_no_letter(command, width, monkeypatch, capfd):
    monkeypatch.setattr(output.console, "width", 200)
    assert main(command.split()) == 0
    letters = Counter(filter(str.isalnum, capfd.readouterr().out))
    monkeypatch.setattr(output.console, "width", width)
    assert main(command.split()) == 0
    assert Counter(filter(str.isalnum, capfd.readouterr().out)) == letters


@pytest.mark.parametrize(
    ("command", "registry"),
    [
        ("methods", methods.METHODS),
        ("datasets", data.registry.DATASETS),
        ("networks", NETWORKS),
        ("densities", density.DENSITIES),
        ("metrics", METRICS),
    ],
)
def test_a_package_that_cannot_be_imported_hides_no_others(command, registry, monkeypatch, capfd):
    assert main([command]) == 0
    usual = capfd.readouterr().out
    point = EntryPoint("theirs", "no_such_package:THEIRS", registry.group)
    monkeypatch.setattr(registry, "_entry_points", {**registry._entry_points, "theirs": point})
    with pytest.warns(UserWarning, match="'theirs' is provided by no_such_package:THEIRS"):
        assert main([command]) == 0
    assert capfd.readouterr().out == usual
