"""The claims at the top of the results: what they say follows from the tables below them."""

import importlib
import re
import sys
from pathlib import Path
from unittest import mock

import pytest

from latentrank import recipes
from latentrank.recipes import Claim
from latentrank.report.reproduction import Cell, Grid, Page
from latentrank.reproduce import verdict
from latentrank.reproduce.text import differences

ROOT = Path(__file__).parent.parent
with mock.patch.object(sys, "path", [str(ROOT / "docs"), *sys.path]):
    claims = importlib.import_module("claims")

PAGE = """
<!-- irmae-table-6 -->

## Rank, against the depth (1/2)

|  | rank, measured | rank, published | FD-classifier, Gaussian, measured | FID, Gaussian, published |
| --- | --- | --- | --- | --- |
| 2 | 45 ± 6.6 (3) | 70 | 99 (1) | 35.0 |
| 4 | 19 ± 1.5 (3) | 39 | 100 ± 10 (2) | 30.1 |
| 8 | 5 ± 0 (3) | 8 | 90.5 [90, 91] (2) | 37.4 |
| 12 | 2 ± 0.6 (3) | 4 | – | 40 |

Claims of the paper:

- More matrices give a smaller rank. Reproduced.
- Four matrices generate best. Not reproduced.
- Theory: rank is proportional to depth to the power -1. Measured: -0.5.

`a command`

<!-- /irmae-table-6 -->

<!-- results:mnist -->
<!-- /results:mnist -->
"""  # noqa: E501


def test_claims_have_the_values_that_decide_them(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"{PAGE}<!-- claims -->the old ones<!-- /claims -->\n", encoding="utf-8")
    claims.main(page)
    top = page.read_text(encoding="utf-8").partition("<!-- claims -->")[2].replace("\u00a0", " ")
    measured = "12: 2 ± 0.6<br>8: 5 ± 0<br>4: 19 ± 1.5<br>2: 45 ± 6.6"
    lines = [line for line in top.splitlines() if line.startswith("|")]
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]] == [
        ["[irmae-table-6](#rank-against-the-depth-12)", "More matrices give a smaller rank. (rank)",
         measured, "12: 4<br>8: 8<br>4: 39<br>2: 70", "reproduced"],
        ["", "Four matrices generate best. (FD-classifier, Gaussian)",
         "4: 100 ± 10<br>8: 90.5 [90, 91]", "4: 30.1<br>8: 37.4 (FID)", "**not reproduced**"],
        ["", "Theory: rank is proportional to depth to the power -1.", "-0.5.", "–", "–"],
    ]  # fmt: skip


def test_the_claims_of_the_page_are_those_of_its_tables():
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert claims.overview(page) in page, "run: python docs/claims.py docs/results.md"


def test_claims_are_counted_by_verdict():
    spread, seeds = "within one standard deviation", "some rows have one seed"
    verdicts = ["reproduced", "reproduced", f"reproduced; difference {spread}", "not measured", "–"]
    verdicts += [f"reproduced; {seeds}", "reproduced with one seed", "**not reproduced**; tied"]
    assert claims.counted(verdicts) == (
        "Of 6 claims measured, 5 are reproduced: 2 by more than the spread over seeds, 1 within "
        "it, 2 with a single seed in some row. Not reproduced: 1. Not measured: 1."
    )


@pytest.mark.parametrize(
    ("low", "high"),
    [([1, 1.1], [2, 2.1]), ([1, 3], [2, 2.1]), ([1], [2]), ([1, 1.1], [2]), ([3], [2]), ([], [2])],
)
def test_every_verdict_has_a_short_form(low, high):
    rows = {"a": {"rank": Cell(low)}, "b": {"rank": Cell(high)}}
    page = Page("n", "t", "p", "small", 1, "0", "c", [Grid("blobs", ["rank"], rows)])
    told = verdict(Claim(text="Claim.", column="rank", rising=["a", "b"]), page)
    assert claims._claim_and_verdict(told)[0] == "Claim."
    assert claims._claim_and_verdict(told)[1] in claims.VERDICTS.values()


def test_a_part_of_a_recipe_has_a_section_of_its_own():
    page = "<!-- lorae-table-3-celeba -->faces<!-- /lorae-table-3-celeba --><!-- x -->y<!-- /x -->"
    assert claims.sections(page) == [("lorae-table-3", "faces")]


def _as_shown(cell):
    """A cell of a table on the page, as values that are shown in the same way."""
    number = r"-?[.\d]+(?:e[-+]\d+)?"
    cell = re.sub(r"^\((.*) ± (.*)\)(e\S+)", r"\1\3 ± \2\3", cell)
    found = re.fullmatch(
        rf"({number})(?: ± ({number})| \[({number}), ({number})\])? \((\d+)\)", cell
    )
    if not found:
        return Cell([])
    centre, spread, low, high, count = found.groups()
    if low:
        return Cell([float(low), float(centre), float(high)], summary="median")
    apart = float(spread or 0) / 2**0.5
    return Cell([float(centre) - apart, float(centre) + apart][: int(count)])


def _tables(text):
    parts = re.split("^### (.*)$", text, flags=re.MULTILINE)
    return {n: claims.read_table(t) for n, t in zip(["", *parts[1::2]], parts[::2], strict=True)}


SECTIONS = claims.sections((ROOT / "docs" / "results.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "text"), SECTIONS, ids=[name for name, _ in SECTIONS])
def test_a_section_follows_from_its_recipe_and_its_table(name, text):
    command = " ".join(re.findall("`(latentrank reproduce [^`]*)`", text)[-1].split())
    budget = re.search(r"--budget (\w+)", command)[1]
    recipe = recipes.load(name)
    if parts := re.findall(r"--part (\S+)", command):
        recipe = recipes.only(recipe, parts)
    told = claims.listed(text, "Differences from the paper's set-up:")
    wanted = [one for one in differences(recipe, budget) if "Inception weights" not in one]
    assert [one for one in told if one] == wanted

    tables = {heading: table for heading, table in _tables(text).items() if table}
    grids = []
    for part, table in zip(recipe.parts, tables.values(), strict=True):
        rows = {}
        for row, cells in table.items():
            for column in part.published:
                shown, value = cells[f"{column}, published"], part.published[column].get(row)
                pair = (value, None) if isinstance(value, int | float) else value
                assert shown == Cell([], pair).text("published"), (row, column)
            measured = {c.removesuffix(", measured"): _as_shown(v) for c, v in cells.items()}
            rows[row] = {column: measured.get(column, Cell([])) for column in part.metrics}
        grids.append(Grid(part.heading, list(part.metrics), rows))
    page = Page(name, "t", "p", budget, 1, "0", command, grids, summary=recipe.summary)
    for line in claims.listed(text, "Claims of the paper:"):
        for claim in recipe.claims:
            if claims._claim_and_verdict(line)[0] == claim.text:
                assert line == verdict(claim, page)
