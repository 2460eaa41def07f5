"""Data flows one way: what an import may reach, and that there are no cycles."""

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import latentrank

PACKAGE = Path(latentrank.__file__).parent

# Lowest first. A module imports from the layers below its own, and from its own package.
LAYERS = (
    ("advice", "errors"),
    ("filenames", "formatting", "io", "linalg", "registry", "term", "torch_state"),
    ("distributed", "preprocessing"),
    ("nets", "losses"),
    ("bottlenecks",),
    ("models",),
    ("methods",),
    ("serialization",),
    ("terminal",),
    ("config", "data"),
    ("training",),
    ("runs",),
    ("density",),
    ("parametric",),
    ("evaluation",),
    ("inference",),
    ("metrics",),
    ("report",),
    ("export",),
    ("estimator",),
    ("hub",),
    ("recipes",),
    ("reproduce", "sweep"),
    ("cli",),
    ("__main__",),
)
HEIGHT = {part: height for height, layer in enumerate(LAYERS) for part in layer}


def module_name(path: Path) -> str:
    """`latentrank/data/base.py` is `data.base`, `latentrank/data/__init__.py` is `data`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in PACKAGE.rglob("*.py")}
# The package itself only forwards names, on first use.
MODULES = sorted(name for name in FILES if name)


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules of this package that a file imports, inside functions and for types too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide what a file depends on"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, inside = name.partition(".")
            if package == "latentrank":
                yield owner(inside)


def owner(name: str) -> str:
    """The module that `name`, a module or something in one, is from."""
    while name not in FILES:
        name = name.rpartition(".")[0]
    return name


def imports(module: str) -> set[str]:
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    return {name for name in imported(tree) if name and name != module}


def part(module: str) -> str:
    return module.partition(".")[0]


def test_every_module_has_a_layer():
    parts = {part(module) for module in MODULES}
    assert sorted(HEIGHT) == sorted(parts), "give every module its place in LAYERS"


@pytest.mark.parametrize("module", MODULES)
def test_no_import_points_back_up(module):
    here = part(module)
    upward = [
        f"{module} imports {name}"
        for name in imports(module)
        if part(name) != here and HEIGHT[part(name)] >= HEIGHT[here]
    ]
    assert upward == []


def test_the_page_is_right_about_what_a_part_does_not_depend_on():
    page = (PACKAGE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*`) \| .* \| (.*) \|$", page, re.MULTILINE)
    forbidden = {
        here: HEIGHT.keys() & set(re.findall(r"\w+", others))
        for names, others in rows
        for here in re.findall(r"`(\w+)`", names)
    }
    assert forbidden["methods"] == {"data", "training"}
    wrong = [
        f"{module} imports {name}"
        for module in MODULES
        for name in imports(module)
        if part(name) in forbidden.get(part(module), ())
    ]
    assert wrong == []


def test_there_are_no_import_cycles():
    try:
        TopologicalSorter({module: imports(module) for module in MODULES}).prepare()
    except CycleError as error:
        pytest.fail(f"imports in a circle: {' -> '.join(error.args[1])}")


def test_imports_are_seen_wherever_they_stand():
    source = """
from latentrank import data, __version__
import latentrank.linalg.spectrum
def late():
    from latentrank.nets.conv import conv
if TYPE_CHECKING:
    from latentrank.runs import Run
import torch
"""
    seen = ["", "data", "linalg.spectrum", "nets.conv", "runs"]
    assert sorted(imported(ast.parse(source))) == seen


def test_layers_that_hold_arithmetic_know_no_training_library():
    """So that the heart of the package is used, and imported, without Lightning."""
    forbidden = ("lightning", "typer", "rich", "matplotlib")
    arithmetic = [m for m in MODULES if HEIGHT[part(m)] < HEIGHT["terminal"]]
    found = {
        f"{module} imports {name}"
        for module in arithmetic
        for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8")))
        for name in _external(node)
        if name in forbidden
    }
    assert found == set()


def _external(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [part(alias.name) for alias in node.names]
    return [part(node.module or "")] if isinstance(node, ast.ImportFrom) else []
