"""Scripts outside the package use names that the package has."""

import ast
import importlib
from contextlib import nullcontext
from pathlib import Path

import pytest

from latentrank import recipes
from tests.mutants import MODULES
from tests.wheel import PROJECT, WITHOUT

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmarks", "examples", "docs")
SCRIPTS = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def imported(path: Path) -> list[tuple[str, str]]:
    """Modules of latentrank that a script imports, and the names it takes from each."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found += [(node.module, one.name) for one in node.names]
        elif isinstance(node, ast.Import):
            found += [(one.name, "__name__") for one in node.names]
    return [pair for pair in found if pair[0].split(".")[0] == "latentrank"]


def test_there_are_scripts():
    assert {path.name for path in SCRIPTS} >= {"auto_rank.py", "gpu.py", "steps.py"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_import_names_that_exist(path):
    for module, name in imported(path):
        loaded = importlib.import_module(module)
        if not hasattr(loaded, name):
            importlib.import_module(f"{module}.{name}")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\n<!-- x -->\nold\n<!-- /x -->\nb\n", "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n"),
        ("a\n<!-- x -->\nb\n", None),
        ("a\n<!-- /x -->\nb\n", None),
        ("<!-- /x -->\n<!-- x -->\nb\n", None),
    ],
)
def test_results_take_the_place_of_the_old_ones_or_none(before, after, tmp_path, monkeypatch):
    """Without its marks, a page once lost what follows, or had a second table at its end."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    harness, page = importlib.import_module("harness"), tmp_path / "page.md"
    page.write_text(before)
    with nullcontext() if after else pytest.raises(SystemExit, match="lacks <!-- x --> and <!-- /"):
        harness.put("new\n", "<!-- x -->\n", "<!-- /x -->", page)
    assert page.read_text() == (after or before)


@pytest.mark.parametrize("module", MODULES)
def test_mutation_tests_are_of_modules_and_tests_that_exist(module):
    assert (ROOT / "src/latentrank" / f"{module.replace('.', '/')}.py").is_file()
    for test in MODULES[module]:
        path, _, function = test.removeprefix("--deselect=").partition("::")
        assert (ROOT / path).exists()
        assert not function or f"def {function}(" in (ROOT / path).read_text()


def test_every_extra_is_missed_by_a_command():
    assert {*WITHOUT.values()} == {*PROJECT["optional-dependencies"]} - {"all", "dev", "docs"}


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.stem)
def test_experiments_are_recipes(path):
    assert recipes.load(str(path)).parts
