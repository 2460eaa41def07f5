"""The text of a reproduction: command, version, differences, verdicts."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from latentrank import __version__, metrics
from latentrank.recipes import Budget, Claim, Preset, Recipe
from latentrank.report.reproduction import Page


def command(
    name: str, seeds: int, budget: str = "", parts: Sequence[str] = (), train: bool = True
) -> str:
    """The command that reproduces the table.

    Example:
        >>> command("my experiment.yaml", 2)
        "latentrank reproduce 'my experiment.yaml' --seeds 2"
    """
    size = f" --budget {budget}" if budget else ""
    chosen = "".join(f" --part {shlex.quote(part)}" for part in parts)
    trained = "" if train else " --no-train"
    return f"latentrank reproduce {shlex.quote(name)} --seeds {seeds}{size}{chosen}{trained}"


def source_version() -> str:
    """The version, and the commit if the package runs from a clone of its repository."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)
        changed = git("status", "--porcelain", "--untracked-files=no", ".")
        commit = git("rev-parse", "--short=10", "HEAD") + (" and changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return f"{__version__}, commit {commit}"


def differences(recipe: Recipe, budget: Budget) -> list[str]:
    """Differences from the paper's set-up, one sentence each."""
    sentences: list[str] = []
    for part in recipe.parts:
        preset = part.source
        changed = [
            f"{name.replace('_', ' ')} {value} instead of {_usual(preset, name)}"
            for name, value in {**preset.settings(budget), **part.settings}.items()
            if value != preset.paper.get(name)
        ]
        if changed and part.preset:
            sentences.append(f"{part.heading}, budget {budget}: {'; '.join(changed)}.")
        sentences += [f"{part.heading}: {text}" for text in preset.differences]
        sentences += [f"{part.heading}: {text}" for text in limits(recipe.metrics_of(part))]
    return list(dict.fromkeys([*sentences, *recipe.differences]))


def limits(taken: Iterable[str]) -> list[str]:
    """What distances can be compared with, depending on their features.

    Example:
        >>> limits(["rank", "fd:gmm"])
        ["FD-classifier is the Fréchet distance on features of a classifier of ..."]
        >>> limits(["entropy"])  # not a distance
        []
    """
    parsed = [metrics.parse(text) for text in taken]
    networks = dict.fromkeys(one.features for one in parsed if one.features and one.metric.argument)
    return [_LIMITS.get(name, _LIMIT_OF_TIMM.format(name)) for name in networks]


_LIMITS = {
    "classifier": "FD-classifier is the Fréchet distance on features of a classifier of the "
    "data's own labels; it cannot be compared with an FID.",
    "inception": "FID needs the Inception weights; on two CPU cores it takes about two "
    "minutes for 2000 images.",
}
_LIMIT_OF_TIMM = "The Fréchet distance on features of {} cannot be compared with an FID."


def _usual(preset: Preset, name: str) -> Any:
    if name == "data":
        return preset.data
    if name in preset.paper:
        return preset.paper[name]
    return "all" if name.endswith("_size") and name != "image_size" else "the paper's"


def verdict(claim: Claim, page: Page) -> str:
    """A claim, and whether the measured means or medians reproduce it.

    Returns:
        The claim, followed by the verdict: reproduced (all differences exceed the standard
        deviations over seeds; of medians, the ranges), reproduced with a smaller difference or
        with too few seeds to know, not reproduced (tied, if nothing contradicts the claim but
        some rows are equal), or not measured.
    """
    grid = next(g for g in page.grids if claim.part in ("", g.name))
    cells = {row: columns[claim.column] for row, columns in grid.rows.items()}
    low, high = claim.lowest, claim.highest
    pairs = list(zip(claim.rising, claim.rising[1:], strict=False))
    pairs += [(low, row) for row in cells if low not in (None, row)]
    pairs += [(row, high) for row in cells if high not in (None, row)]
    known = [(cells[a], cells[b]) for a, b in pairs if cells[a].values and cells[b].values]
    if not known or len(known) < len(pairs):
        return f"{claim.text} Not measured."
    if not all(low.centre <= high.centre for low, high in known):
        return f"{claim.text} Not reproduced."
    if any(low.centre == high.centre for low, high in known):
        return f"{claim.text} Not reproduced; tied."
    seeds = [len(cell.values) for pair in known for cell in pair]
    if max(seeds) < 2:
        return f"{claim.text} Reproduced with one seed."
    if min(seeds) < 2:
        return f"{claim.text} Reproduced; some rows have one seed."
    if all(low.interval[1] < high.interval[0] for low, high in known):
        return f"{claim.text} Reproduced."
    if page.summary == "median":
        return f"{claim.text} Reproduced; the ranges over seeds overlap."
    return f"{claim.text} Reproduced; difference within one standard deviation."
