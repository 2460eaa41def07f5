"""The documents are correct: examples run, commands parse, links lead somewhere."""

import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest
import typer

from latentrank import data, density, methods, train
from latentrank.__main__ import main
from latentrank.cli import app
from latentrank.cli.options import extra_options
from latentrank.config import RunConfig
from tests.squares import labelled_squares

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMMANDS = typer.main.get_command(app).commands
TARGETS = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def blocks(text, language):
    """The contents of the fenced blocks in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text):
    """What is typed after `$` in console blocks, split into words, comments left out."""
    for block in blocks(text, "console"):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                yield shlex.split(line[2:], comments=True)


def having(language):
    pages = [path for path in DOCUMENTS if blocks(path.read_text(), language)]
    return pytest.mark.parametrize("path", pages, ids=lambda path: path.name)


@pytest.fixture
def table(monkeypatch):
    """The table of methods, restored afterwards."""
    monkeypatch.setattr(methods.METHODS, "_values", dict(methods.METHODS._values))


def run_blocks(path, folder, monkeypatch):
    """Run a page's Python blocks one after the other, in their own folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LATENTRANK_CACHE", str(folder / "cache"))
    names = {"__name__": "page"}
    text = path.read_text()
    for block in blocks(text, "python"):
        # As many lines before it as on the page, so that a traceback names the right line.
        above = text[: text.index(block)].count("\n")
        exec(compile("\n" * above + block, path.name, "exec"), names)


@pytest.mark.slow
@having("python")
def test_every_python_block_runs(path, tmp_path, monkeypatch, table):
    run_blocks(path, tmp_path, monkeypatch)


def typed(text):
    """The Python blocks and the commands of a page, in the order in which they are typed."""
    fenced = r"^```(python|console|yaml)\n(.*?)^```$"
    for language, block in re.findall(fenced, text, re.MULTILINE | re.DOTALL):
        if language != "console":
            yield language, block
        for words in commands(f"```console\n{block}```") if language == "console" else ():
            yield language, words


def stand_ins(folder):
    """Small runs under the names that pages give to theirs."""
    x, y = labelled_squares(np.random.default_rng(0), 80, 80)
    np.savez(folder / "digits.npz", x=x, y=y)
    np.save(folder / "unlabelled.npy", x)
    for name, file in (("blobs", "unlabelled.npy"), ("mnist-lorae", "digits.npz")):
        config = RunConfig(
            method="lorae", data=str(folder / file), latent_dim=4, epochs=2, device="cpu"
        )
        train(config, folder / "runs" / name, progress=False)


#: Commands that take a server, the network, hours, or a model from another page.
NOT_RUN = re.compile(
    r"--live|--download|^(push|pull|reproduce|sweep)\b|^train .*(blobs|run\.yaml|mnist)|mine\.py"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    ["generation", "interpolation", "explore", "export", "saved", "reduction", "cli", "start"],
)
def test_every_command_on_a_page_does_what_it_says(page, tmp_path, monkeypatch, capfd):
    """The page typed in from top to bottom; what it uses, it makes, but for two usual runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTRANK_CACHE", str(tmp_path / "cache"))
    stand_ins(tmp_path)
    names = {"__name__": "page"}
    for language, content in typed((ROOT / "docs" / f"{page}.md").read_text()):
        if language == "python":
            exec(compile(content, page, "exec"), names)
        elif language == "yaml":
            (tmp_path / "run.yaml").write_text(content)
        elif content[0] == "latentrank" and not NOT_RUN.search(" ".join(content[1:])):
            assert main(content[1:]) == 0, (content, capfd.readouterr().err)


def check_latentrank(words):
    """Parse the words after `latentrank` as the command would, and go no further."""
    if words == ["--version"]:
        return
    command = COMMANDS[words[0]]
    context = command.make_context(words[0], words[1:])
    given = context.params
    extra, options = extra_options(context.args)
    assert extra == []
    if options:
        assert set(options) <= set(methods.get(given["method"]).options.model_fields)
    if given.get("method") or given.get("name"):
        methods.get(given.get("method") or given.get("name"))
    if given.get("data") is not None:
        assert given["data"] in data.names() or re.search(r"[./]", given["data"])
    for spec in density.split_specs(given.get("density") or ""):
        density.parse(spec)


def check_pip(words):
    assert words[0] == "install"
    for extra in re.findall(r"\[(.*?)\]", words[-1]):
        assert set(extra.split(",")) <= set(PROJECT["optional-dependencies"])


def check_make(words):
    assert {word for word in words if "=" not in word} <= TARGETS


def check_python(words):
    if words[0].startswith(("docs/", "examples/")):
        assert (ROOT / words[0]).is_file()
    else:
        # A file of the reader's own, which ends in the command line's main.
        check_latentrank(words[1:])


CHECKS = {
    "latentrank": check_latentrank,
    "make": check_make,
    "pip": check_pip,
    "python": check_python,
}


@having("console")
def test_every_command_exists(path, table):
    if path.name == "researcher.md":
        register_the_example()
    for words in commands(path.read_text()):
        assert words[0] in CHECKS, f"say how to check {words[0]}"
        CHECKS[words[0]](words[1:])


def register_the_example():
    """The method that a tutorial defines, without the training around it."""
    text = (ROOT / "docs" / "tutorials" / "researcher.md").read_text()
    (block,) = [block for block in blocks(text, "python") if "methods.register" in block]
    exec(compile(block, "researcher.md", "exec"), {"__name__": "page"})


def test_an_example_file_is_a_command(table, capsys):
    register_the_example()
    assert main(["methods", "gates"]) == 0
    assert "weight of the open gates" in capsys.readouterr().out


def test_the_readme_opens_with_the_two_commands():
    first = list(commands((ROOT / "README.md").read_text()))[:2]
    assert first == [["make", "demo"], ["make", "test"]]


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_page_of_the_command_line_names_every_command(command):
    assert f"latentrank {command}" in (ROOT / "docs" / "cli.md").read_text()


def slug(heading):
    """What a heading is called in links, after GitHub's rule."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def links(text):
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text)
    found += re.findall(r"^\[[^\]]+\]: (\S+)$", text, re.MULTILINE)
    return [link for link in found if not re.match(r"https://", link)]


def is_generated(page):
    """Whether the site makes this page; its build checks links to it."""
    docs = ROOT / "docs"
    return page.parent in (docs / "methods", docs / "api") or (
        page.parent == docs / "tutorials" and (docs / "notebooks" / f"{page.stem}.ipynb").exists()
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_leads_somewhere(path):
    for link in links(path.read_text()):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if is_generated(target):
            continue
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in map(slug, headings), link


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_named_exists(path):
    """Names in backticks that look like files of this repository."""
    named = re.findall(r"`((?:src|tests|docs|examples|benchmarks)/[\w./]+)`", path.read_text())
    missing = [name for name in named if "NAME" not in name and not (ROOT / name).exists()]
    assert missing == []


@pytest.mark.parametrize("name", methods.names())
def test_every_method_is_listed_with_its_paper(name, capsys):
    row = methods.get(name)
    assert row.summary.endswith(".")
    assert row.paper
    assert main(["methods"]) == 0
    assert re.search(rf"^ *{re.escape(name)} ", capsys.readouterr().out, re.MULTILINE)
    assert main(["methods", name]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert row.summary in told
    assert row.paper[1:] in told


@pytest.mark.parametrize("row", data.describe(), ids=lambda row: row.name)
def test_every_data_set_is_listed_with_its_source(row, capsys):
    assert row.summary
    assert row.source
    assert main(["datasets"]) == 0
    assert re.search(rf"^ *{re.escape(row.name)} ", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("name", density.names())
def test_every_density_is_documented(name, capsys):
    text = (ROOT / "docs" / "metrics.md").read_text()
    row = re.search(rf"^\| `{name}` \|.*$", text, re.MULTILINE)
    assert row
    assert [option for option in density.options(name) if f"`{option}`" not in row[0]] == []
    assert main(["sample", "--help"]) == 0
    assert re.search(rf"\b{name}\b", capsys.readouterr().out)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_extras_are_named_where_the_installation_is():
    text = (ROOT / "docs" / "start.md").read_text()
    extras = set(PROJECT["optional-dependencies"]) - {"dev"}
    assert [extra for extra in sorted(extras) if f"`{extra}`" not in text] == []
