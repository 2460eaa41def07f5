"""The claims at the top of the results: what they say follows from the tables below them."""

import importlib
import sys
from pathlib import Path
from unittest import mock

import pytest

from latentrank.recipes import Claim
from latentrank.report.reproduction import Cell, Grid, Page
from latentrank.reproduce import verdict

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
