"""Mutation testing: which changes of the code do a module's tests not detect?

    python -m tests.mutants --count 400 --seed 0             # of all modules
    python -m tests.mutants --count 50 losses linalg         # of a module and of a package

A mutant has one operator, number, condition or named function (`sum` for `mean`) changed. A sample
is drawn at random from all of them, and the module's tests and examples run on each in a forked
process, in which an import hook puts the changed module in place. Survivors are printed.
"""

from __future__ import annotations

import argparse
import ast
import copy
import gc
import importlib.abc
import importlib.util
import math
import os
import random
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parent.parent
#: How much longer than without a change, in seconds of a processor, the tests may take; a mutant
#: that never ends counts as killed.
PATIENCE = 3

# Without the two that train a classifier, search and reproduce, which takes a minute each.
_MEASURED = [
    "tests/metrics/test_measure.py",
    *(
        f"--deselect=tests/metrics/test_measure.py::test_{test}"
        for test in (
            "a_distance_is_the_same_number_from_every_command",
            "values_that_need_no_model_are_measured_side_by_side",
        )
    ),
]

#: Modules, without the name of the package, with their tests besides their own examples.
MODULES = {
    **{f"linalg.{name}": [f"tests/linalg/test_{name}.py"]
       for name in ("first_order", "precision", "principal", "truncation")},
    "linalg.spectrum": ["tests/linalg/test_spectrum.py", "tests/linalg/test_fallback.py"],
    "linalg.eigen": [f"tests/linalg/test_{name}.py"
                     for name in ("eigen", "fallback", "truncation")],
    "linalg.nuclear": ["tests/linalg/test_nuclear.py", "tests/linalg/test_fallback.py"],
    **{f"bottlenecks.{name}": [f"tests/bottlenecks/test_{stem}.py" for stem in (name, "base")]
       for name in ("flow", "gaussian", "gaussian_svd", "identity", "learned_basis",
                    "linear_chain", "nuclear", "truncated_svd")},
    "bottlenecks.base": ["tests/bottlenecks"],  # its subclasses show what it does
    "losses": ["tests/test_losses.py", "tests/models/test_gan.py"],
    **{f"evaluation.{name}": [f"tests/evaluation/test_{name}.py"]
       for name in ("coefficients", "collapse", "distances", "entropy", "features",
                    "interpolation", "labelled", "prediction", "probe", "theory")},
    "evaluation.statistics": ["tests/evaluation/test_distances.py"],
    **{f"metrics.{name}": [f"tests/metrics/test_{name}.py"]
       for name in ("labels", "latent", "store", "tables")},
    **{f"parametric.{name}": ["tests/parametric"] for name in ("coordinates", "kinds", "map")},
    "registry": ["tests/test_registry.py"],
    "sweep.searches": ["tests/sweep/test_searches.py"],
    "data.axes": ["tests/data/test_axes.py", "tests/data/readers/test_netcdf.py"],
    "data.folders": ["tests/data/test_folders.py"],
    "data.module": ["tests/data/test_module.py"],
    "data.splits": ["tests/data/test_splits.py"],
    "data.readers.netcdf": ["tests/data/readers/test_netcdf.py"],
    "data.readers.tables": ["tests/data/readers/test_tables.py"],
    "training.optimizers": ["tests/training/test_optimizers.py"],
    **{f"training.rank_search.{name}": [f"tests/training/rank_search/test_{name}.py"]
       for name in ("grow", "penalty", "shrink", "trend")},
    "metrics.base": _MEASURED,
    "metrics.measure": _MEASURED,
    "metrics.subject": ["tests/metrics/test_subject.py", *_MEASURED],
}  # fmt: skip

_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult, ast.FloorDiv: ast.Mult, ast.Lt: ast.LtE, ast.LtE: ast.Lt,
    ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.And: ast.Or,
    ast.Or: ast.And, ast.USub: ast.UAdd, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_NAMES = {
    "sum": "mean", "mean": "sum", "min": "max", "max": "min", "sqrt": "square", "square": "abs",
    "abs": "sign", "exp": "exp2", "log": "log2", "log1p": "log", "clamp_min": "clamp_max",
    "clamp_max": "clamp_min", "detach": "clone", "any": "all", "all": "any", "median": "mean",
    "floor": "ceil", "ceil": "floor",
}  # fmt: skip


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Nodes that can be changed, each with the name of the field; annotations are left out."""
    for node in ast.walk(tree):
        for field in ("op", "value", "test", "attr"):
            held = getattr(node, field, None)
            number = isinstance(node, ast.Constant) and type(held) in (int, float, bool)
            condition = field == "test" and isinstance(node, ast.If | ast.IfExp)
            name = field == "attr" and held in _NAMES
            if type(held) in _SWAPS or condition or name or (field == "value" and number):
                yield node, field
        if isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPS:
            yield node, "ops"


def changed(node: Any, field: str) -> str:
    """Change a node in place.

    Returns:
        What was done.
    """
    before = ast.unparse(node)[:70].replace("\n", " ")
    held = getattr(node, field)
    if field == "ops":
        node.ops[0] = _SWAPS[type(held[0])]()
    elif field == "test":
        node.test = ast.UnaryOp(ast.Not(), held)
        return f"not: {before}"
    elif field == "attr":
        node.attr = _NAMES[held]
    elif field == "op":
        node.op = _SWAPS[type(held)]()
    elif isinstance(held, bool):
        node.value = not held
    else:
        node.value = held + 1 if isinstance(held, int) else held * 2 or 1.0
    return f"{before}  ->  {ast.unparse(node)[:70]}"


class Replacement(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a changed tree."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self.name, self.path, self.tree = name, path, tree

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """The module, if it is this one."""
        found = importlib.util.spec_from_file_location(name, self.path, loader=self)
        return found if name == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed tree."""
        exec(compile(self.tree, str(self.path), "exec"), module.__dict__)


def changeable(path: Path) -> ast.Module:
    """The tree of a file without the annotations of what functions return."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
    return tree


def mutant(tree: ast.Module, number: int) -> tuple[int, str, ast.Module]:
    """One of the changed trees, with the line and what was changed."""
    other = copy.deepcopy(tree)
    node, field = list(places(other))[number]
    done = changed(node, field)
    return getattr(node, "lineno", 0), done, ast.fix_missing_locations(other)


def survives(
    name: str,
    path: Path,
    tree: ast.Module,
    tests: list[str],
    seconds: int = resource.RLIM_INFINITY,
    imported: str = os.devnull,
) -> bool:
    """Whether all tests pass on a changed module; the names of what they import go into a file."""
    pid = os.fork()
    if pid == 0:
        import pytest

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.meta_path.insert(0, Replacement(name, path, tree))
        # pytest would rewrite the asserts of an unchanged module, and import that instead.
        options = ["-x", "-p", "no:cacheprovider", "-m", "not slow", "--assert=plain", "--tb=no"]
        status = pytest.main([*options, *tests, str(path)])
        Path(imported).write_text("\n".join(sys.modules), encoding="utf-8")
        os._exit(int(status))
    return os.waitpid(pid, 0)[1] == 0


def check(name: str, path: Path, tree: ast.Module, tests: list[str]) -> int:
    """Run the tests without a change, and import the libraries that they take long to import.

    Returns:
        CPU seconds after which a mutant is given up.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as imported:
        if not survives(name, path, tree, tests, imported=imported.name):
            sys.exit(f"The tests of {name} fail without a change: {' '.join(tests)}")
        for library in imported.read().splitlines():
            if library.partition(".")[0] not in ("latentrank", "tests", "conftest"):
                with suppress(Exception):
                    importlib.import_module(library)
    took = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    return math.ceil(PATIENCE * took)


def main() -> None:
    """Test a sample of mutants and print the survivors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=400, help="mutants to test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("modules", nargs="*", help="names or packages; all by default")
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    os.chdir(ROOT)
    wanted = tuple(f"{name}." for name in given.modules)
    chosen = sorted(name for name in MODULES if f"{name}.".startswith(wanted or ""))
    paths = {m: ROOT / "src" / "latentrank" / f"{m.replace('.', '/')}.py" for m in chosen}
    trees = {module: changeable(path) for module, path in paths.items()}
    every = [(m, number) for m in chosen for number in range(len(list(places(trees[m]))))]
    sample = sorted(random.Random(given.seed).sample(every, min(given.count, len(every))))
    seconds = {
        module: check(f"latentrank.{module}", paths[module], trees[module], MODULES[module])
        for module in sorted({module for module, _ in sample})
    }
    gc.freeze()  # pytest collects garbage at its end, among all that was imported before
    alive: Counter[str] = Counter()
    for module, number in sample:
        line, done, tree = mutant(trees[module], number)
        name = f"latentrank.{module}"
        if survives(name, paths[module], tree, MODULES[module], seconds[module]):
            alive[module] += 1
            sys.stdout.write(f"survives  {module}:{line}  {done}\n")
            sys.stdout.flush()
    tested = Counter(module for module, _ in sample)
    for module, count in tested.items():
        sys.stdout.write(f"{module}: {count - alive[module]} of {count} killed\n")
    killed = len(sample) - alive.total()
    sys.stdout.write(f"{killed} of {len(sample)} killed, drawn from {len(every)}\n")


if __name__ == "__main__":
    main()
