"""The generated pages of the site: what they say follows from the package."""

import importlib
import inspect
import re
import sys
from pathlib import Path

import griffe
import pytest
import yaml
from latex2mathml.converter import convert
from mkdocstrings_handlers.python import PythonOptions

from latentrank import methods

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))


def module(name, monkeypatch):
    """A script of the site, imported as mkdocs does: from its own folder."""
    for folder in ("generate", "notebooks"):
        monkeypatch.syspath_prepend(str(DOCS / folder))
    loaded = importlib.import_module(name)
    monkeypatch.delitem(sys.modules, name)
    return loaded


@pytest.fixture
def pages(monkeypatch):
    return module("method_pages", monkeypatch)


@pytest.fixture
def hooks(monkeypatch):
    return module("hooks", monkeypatch)


def test_every_method_has_a_text_and_a_picture(pages):
    assert set(pages.texts()) == set(methods.names())
    assert {path.stem for path in (DOCS / "images" / "methods").iterdir()} == set(methods.names())


@pytest.mark.parametrize("name", methods.names())
def test_a_page_states_the_facts_of_its_row(pages, name):
    row = methods.get(name)
    page = pages.page(row)
    assert row.summary in page
    assert row.paper[1:] in page
    for option, field in row.options.model_fields.items():
        assert f"| `--{option.replace('_', '-')}` |" in page
        assert f" {field.description} |".replace("|", r"\|", field.description.count("|")) in page


@pytest.mark.parametrize("name", methods.names())
def test_equations_convert_without_leftovers(pages, name):
    for line in pages.texts()[name]["equation"].splitlines():
        assert "\\" not in convert(line)


@pytest.mark.parametrize(
    ("target", "original", "source", "expected"),
    [
        ("metrics.md#rank", "docs/python.md", "python.md", "[x](metrics.md#rank)"),
        ("https://a.b/c", "docs/python.md", "python.md", "[x](https://a.b/c)"),
        ("../CONTRIBUTING.md", "docs/python.md", "python.md", "[x](contributing.md)"),
        ("docs/data.md#units", "CONTRIBUTING.md", "contributing.md", "[x](data.md#units)"),
        (".ci/run", "CONTRIBUTING.md", "contributing.md", "x"),
        (
            "../../src/latentrank/bottlenecks/nuclear.py",
            "docs/tutorials/engineer.md",
            "tutorials/engineer.md",
            "[x](../api/bottlenecks.md#latentrank.bottlenecks.nuclear)",
        ),
    ],
)
def test_links_out_of_the_folder_lead_to_pages(hooks, target, original, source, expected):
    assert hooks.link("x", target, ROOT / original, source) == expected


def test_a_link_named_after_a_file_shows_the_title_of_its_page(hooks):
    shown = hooks.link("docs/metrics.md", "docs/metrics.md", ROOT / "CONTRIBUTING.md", "a.md")
    assert shown == "[Metrics](metrics.md)"


def test_equations_of_a_page_become_mathml(hooks):
    page = '<p>a <span class="arithmatex">\\(a &lt; b\\)</span></p>'
    assert "<math" in hooks.on_page_content(page)
    assert "arithmatex" not in hooks.on_page_content(page)


def test_the_reference_has_every_exported_name(hooks, monkeypatch):
    extensions = griffe.load_extensions(module("griffe_docstrings", monkeypatch).Docstrings)
    package = griffe.load("latentrank", search_paths=[ROOT / "src"], extensions=extensions)
    described = set()
    for part in hooks.parts():
        page = hooks.api_page(part)
        for name, members in re.findall(r"^::: (\S+)\n(?:.*members: (.*)}\n)?", page, re.MULTILINE):
            shown = package[name.removeprefix("latentrank.")].members.values()
            described |= {
                one.path
                for one in shown
                if not one.is_alias and one.has_docstring and (not members or one.name in members)
            }
    constants = {path.rpartition(".")[2] for path in described if path.rpartition(".")[2].isupper()}
    for part in hooks.parts():
        for name in hooks.modules(part):
            exporting = importlib.import_module(f"latentrank.{name}")
            for exported in getattr(exporting, "__all__", ()):
                value = getattr(exporting, exported)
                home = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
                known = home in described or exported in constants or inspect.ismodule(value)
                assert known or not home.startswith("latentrank."), f"{name}.{exported}"
                assert known or not exported.isupper(), f"{name}.{exported}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_a_page_with_its_figures(hooks, path):
    (name, text), *figures = hooks.tutorial(path)
    assert name == f"tutorials/{path.stem}.md"
    assert text.startswith("# ")
    assert figures
    for figure, content in figures:
        assert f"({figure.removeprefix('tutorials/')})" in text
        assert content.startswith(b"\x89PNG")


@pytest.mark.slow  # each trains for some seconds
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTRANK_CACHE", str(tmp_path / "cache"))
    notebook = module("execute", monkeypatch).executed(path, tmp_path)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")


def test_every_option_of_the_reference_exists():
    """The handler keeps options that it does not know without a word."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    options = re.search(r"          options:\n((?: {12}.*\n)+)", text)
    given = yaml.safe_load(options[1])
    assert PythonOptions.from_data(**given).extra == {}
