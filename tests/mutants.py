"""Mutation testing: which changes of an operator or a number do the tests of a module not see?

    python -m tests.mutants --per-module 20 --seed 0

Mutants are drawn at random, and the tests that belong to the module run on each in a forked
process, in which an import hook puts the changed module in place. Survivors are printed.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import os
import random
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parent.parent
SECONDS = 60  # of a processor, for a mutant that never ends

#: Modules, without the name of the package, with their tests.
MODULES = {
    **{f"linalg.{name}": [f"tests/linalg/test_{name}.py"]
       for name in ("eigen", "nuclear", "spectrum", "truncation")},
    "linalg.principal": ["tests/models/test_gan.py", "src/latentrank/linalg/principal.py"],
    **{f"bottlenecks.{name}": [f"tests/bottlenecks/test_{name}.py"]
       for name in ("base", "flow", "gaussian", "gaussian_svd", "learned_basis", "linear_chain",
                    "nuclear", "truncated_svd")},
    "losses": ["tests/test_losses.py"],
    **{f"evaluation.{name}": [f"tests/evaluation/test_{name}.py"]
       for name in ("collapse", "distances", "entropy", "interpolation", "theory")},
}  # fmt: skip

_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult, ast.FloorDiv: ast.Mult, ast.Lt: ast.LtE, ast.LtE: ast.Lt,
    ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.And: ast.Or,
    ast.Or: ast.And, ast.USub: ast.UAdd, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Nodes that can be changed, each with the name of the field; annotations are left out."""
    for node in ast.walk(tree):
        for field in ("op", "value", "test"):
            held = getattr(node, field, None)
            number = isinstance(node, ast.Constant) and type(held) in (int, float, bool)
            condition = field == "test" and isinstance(node, ast.If | ast.IfExp)
            if type(held) in _SWAPS or condition or (field == "value" and number):
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
    elif field == "op":
        node.op = _SWAPS[type(held)]()
    elif isinstance(held, bool):
        node.value = not held
    else:
        node.value = held + 1 if isinstance(held, int) else held * 2
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


def mutants(path: Path, count: int, rng: random.Random) -> Iterator[tuple[int, str, ast.Module]]:
    """Changed trees of a file, with the line and what was changed."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = [function for function in ast.walk(tree) if isinstance(function, ast.FunctionDef)]
    for function in inside:  # annotations and defaults of arguments are no code
        function.returns = None
    total = len(list(places(tree)))
    for number in sorted(rng.sample(range(total), min(count, total))):
        other = copy.deepcopy(tree)
        node, field = list(places(other))[number]
        done = changed(node, field)
        yield getattr(node, "lineno", 0), done, ast.fix_missing_locations(other)


def survives(name: str, path: Path, tree: ast.Module, tests: list[str]) -> bool:
    """Whether all tests pass on a mutant."""
    pid = os.fork()
    if pid == 0:
        import pytest

        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.meta_path.insert(0, Replacement(name, path, tree))
        options = ["-x", "-p", "no:cacheprovider", "-m", "not slow"]
        os._exit(int(pytest.main([*options, *tests])))
    return os.waitpid(pid, 0)[1] == 0


def main() -> None:
    """Test mutants of each module and print the survivors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-module", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("modules", nargs="*", default=list(MODULES))
    given = parser.parse_args()
    # all that is slow to import, but not what is mutated
    for name in ("pytest", "torch", "scipy.linalg", "scipy.stats", "sklearn.mixture", "pydantic"):
        importlib.import_module(name)
    import torch

    torch.set_num_threads(1)
    os.chdir(ROOT)
    rng, alive, total = random.Random(given.seed), 0, 0
    for module in given.modules or MODULES:
        path = ROOT / "src" / "latentrank" / f"{module.replace('.', '/')}.py"
        for line, done, tree in mutants(path, given.per_module, rng):
            total += 1
            if survives(f"latentrank.{module}", path, tree, MODULES[module]):
                alive += 1
                sys.stdout.write(f"survives  {module}:{line}  {done}\n")
            sys.stdout.flush()
        sys.stdout.write(f"{module}: {total - alive} of {total} killed so far\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
