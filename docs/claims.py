"""The claims at the top of docs/results.md, regenerated from the tables below them.

python docs/claims.py docs/results.md
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tables import markdown, replaced

from latentrank import recipes
from latentrank.io import write_text


def overview(page: str) -> str:
    """The number of claims by verdict, and a table of all claims with the values that decide them.

    Args:
        page: text with the reproductions of recipes.
    """
    rows = [row for name, text in sections(page) for row in claims(name, text)]
    header = ["recipe", "what the paper says (judged by)", "measured", "published", "verdict"]
    summary = f"{counted([row[-1] for row in rows])} {left_out(page)}".rstrip()
    return f"{summary}\n\n{markdown(header, rows)}"


def left_out(page: str) -> str:
    """A sentence on the claims of recipes, or of their parts, that the page has no table of."""
    told: dict[str, set[str]] = {name: set() for name in recipes.names()}
    for name, text in sections(page):
        lines = listed(text, "Claims of the paper:")
        told[name] |= {_claim_and_verdict(line)[0] for line in lines}
    claimed = {name: {claim.text for claim in recipes.load(name).claims} for name in told}
    missing = {name: number for name in told if (number := len(claimed[name] - told[name]))}
    if not missing:
        return ""
    of = ", ".join(f"`{name}` ({number})" for name, number in missing.items())
    return f"Without a table here: {sum(missing.values())}, of the recipes {of}."


def counted(verdicts: Sequence[str]) -> str:
    """A sentence on how many claims have which verdict."""
    number = Counter(verdicts)
    reproduced = {verdict: n for verdict, n in number.items() if verdict.startswith("reproduced")}
    one_seed = sum(n for verdict, n in reproduced.items() if verdict.endswith("one seed"))
    clear = number["reproduced"]
    within = sum(reproduced.values()) - clear - one_seed
    failed = sum(n for verdict, n in number.items() if verdict.startswith("**not reproduced**"))
    total = sum(reproduced.values())
    return (
        f"Of {total + failed} claims measured, {total} are reproduced: {clear} by more than the "
        f"spread over seeds, {within} within it, {one_seed} with a single seed in some row. "
        f"Not reproduced: {failed}. Not measured: {number['not measured']}."
    )


def claims(name: str, text: str) -> list[list[str]]:
    """The claims of one recipe, one per row.

    Args:
        name: of the recipe.
        text: what its reproduction wrote.
    """
    title = re.search("^## (.*)$", text, re.MULTILINE)
    anchor = re.sub(r"[^\w -]", "", title[1].lower()).replace(" ", "-") if title else ""
    links = [f"[{name}](#{anchor})"]
    known = {claim.text: claim for claim in recipes.load(name).claims}
    rows = []
    for line in listed(text, "Claims of the paper:"):
        told, verdict = _claim_and_verdict(line)
        if verdict not in VERDICTS.values():
            values, verdict = [verdict, "–"], "–"
        elif claim := known.get(told):
            told, values = f"{told} ({claim.column})", compared(claim, text)
        else:
            values = ["–", "–"]
        rows.append([links.pop() if links else "", told, *values, verdict])
    return rows


def sections(text: str) -> list[tuple[str, str]]:
    """The reproductions of recipes on a page, or of a part of them: the recipe's name, and text."""
    known = {name: name for name in recipes.names()}
    for name in recipes.names():
        known |= {f"{name}-{part.heading}": name for part in recipes.load(name).parts}
    found = re.findall("<!-- ([^ ]+) -->(.*?)<!-- /\\1 -->", text, re.DOTALL)
    return [(known[name], inner) for name, inner in found if name in known]


def listed(text: str, heading: str) -> list[str]:
    """The points of the list under a heading."""
    after = text.partition(f"{heading}\n\n")[2].partition("\n\n")[0]
    return [line.removeprefix("- ") for line in after.splitlines()]


def compared(claim: recipes.Claim, text: str) -> list[str]:
    """The measured and published values of the rows that decide a claim."""
    headings = ["", *re.findall("^### (.*)$", text, re.MULTILINE)]
    parts = [read_table(part) for part in re.split("^### .*$", text, flags=re.MULTILINE)]
    grids = {heading: grid for heading, grid in zip(headings, parts, strict=True) if grid}
    grid = grids.get(claim.part, next(iter(grids.values())))
    measured = column(grid, f"{claim.column}, measured") or column(grid, claim.column)
    own = column(grid, f"{claim.column}, published")
    fid = {} if own else column(grid, re.sub("^FD-[^,]*", "FID", f"{claim.column}, published"))
    seen = measured if set(measured.values()) - {"–"} else own
    names = claim.rising or deciding(claim, seen)
    published = pairs(own or fid, names)
    return [pairs(measured, names), f"{published} (FID)" if fid else published]


def deciding(claim: recipes.Claim, values: dict[str, str]) -> list[str]:
    """The row that a claim calls the lowest or highest, and the next one."""
    extreme = claim.lowest or claim.highest
    assert extreme is not None, "checked in the recipe"
    sign = 1 if claim.lowest else -1
    others = [row for row, value in values.items() if row != extreme and value != "–"]
    return [extreme, *sorted(others, key=lambda row: sign * float(values[row].split()[0]))[:1]]


def pairs(values: dict[str, str], names: Sequence[str]) -> str:
    """Rows and their values, one per line, without the numbers of seeds."""
    shown = [(name, re.sub(r" \(\d+\)$", "", values.get(name, "–"))) for name in names]
    given = [f"{name}: {value}".replace(" ", "\u00a0") for name, value in shown if value != "–"]
    return "<br>".join(given) or "–"


def read_table(text: str) -> dict[str, dict[str, str]]:
    """The first table of a text, by row and column."""
    lines = [line.strip("| ") for line in text.splitlines() if line.startswith("| ")]
    grid = [re.split(r" \| ", line) for line in lines]
    if not grid:
        return {}
    header = grid[0]
    return {name: dict(zip(header, rest, strict=True)) for name, *rest in grid[2:]}


def column(grid: dict[str, dict[str, str]], name: str) -> dict[str, str]:
    """One column, by row; empty if there is none."""
    return {row: values[name] for row, values in grid.items() if name in values}


#: The endings of `latentrank.reproduce.verdict`, and the words for each in the table.
VERDICTS = {
    "Reproduced.": "reproduced",
    "Reproduced; difference within one standard deviation.": "reproduced; difference within one "
    "standard deviation",
    "Reproduced; the ranges over seeds overlap.": "reproduced; the ranges over seeds overlap",
    "Reproduced; some rows have one seed.": "reproduced; some rows have one seed",
    "Reproduced with one seed.": "reproduced with one seed",
    "Not reproduced.": "**not reproduced**",
    "Not reproduced; tied.": "**not reproduced**; tied",
    "Not measured.": "not measured",
}


def _claim_and_verdict(text: str) -> tuple[str, str]:
    for end, short in VERDICTS.items():
        if text.endswith(f" {end}"):
            return text.removesuffix(f" {end}"), short
    claim, _, seen = text.partition(" Measured: ")  # of a theorem
    return claim, seen


def main(page: Path) -> None:
    """Write the overview into the page."""
    text = page.read_text(encoding="utf-8")
    write_text(page, replaced(text, "claims", overview(text)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
