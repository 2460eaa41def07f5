"""Tables in which the columns of the header are not those of the rows."""

import numpy as np
import pandas as pd
import pytest

from latentrank.data import load
from latentrank.errors import InputError


def longer_rows(folder, rows, header="a,b"):
    lines = [",".join(map(str, row)) for row in rows]
    (folder / "t.csv").write_text("\n".join([header, *lines]) + "\n")
    return folder / "t.csv"


@pytest.mark.parametrize(
    ("header", "first", "named"),
    [("a,b", "0.5", 2), ("a,b", "7", 2), ("a", "0.5,0.25", 1), ("20,2,low,high", "0.5,1,2", 4)],
)
def test_a_header_with_too_few_names_is_refused(tmp_path, header, first, named):
    """pandas takes the first columns for the names of rows then, and names the others wrongly."""
    rows = [(first, *(i + 0.5 for i in range(named))) for _ in range(9)]
    told = rf"{named} column names? above rows of {named + 1 + first.count(',')} values"
    with pytest.raises(InputError, match=told):
        load(longer_rows(tmp_path, rows, header))


@pytest.mark.parametrize("name", ["gene {}", "{}"])
def test_rows_may_start_with_their_name_alone(tmp_path, name):
    """As those of R's write.table do."""
    data = load(longer_rows(tmp_path, [(name.format(i), i + 0.5, 2 * i) for i in range(9)]))
    np.testing.assert_array_equal(data.train.x[:, 0], data.train.rows + 0.5)
    assert data.notes[0] == "The first column has no name and is read as the names of the rows."


def test_rows_may_end_with_a_separator(tmp_path):
    data = load(longer_rows(tmp_path, [(i + 0.5, 2 * i, "") for i in range(9)]))
    np.testing.assert_array_equal(data.train.x[:, 0], data.train.rows + 0.5)
    np.testing.assert_array_equal(data.train.x[:, 1], 2 * data.train.rows)
    assert "Columns of a sample (2): a, b." in data.notes


def test_an_unused_index_is_reported():
    frame = pd.DataFrame(np.eye(9), columns=list("abcdefghi"))
    told = "Unused index: mach; make it a column to use it, with reset_index()."
    assert told in load(frame.set_index(pd.Index(np.arange(9) / 2, name="mach"))).notes
    assert "index" not in " ".join(load(frame[::-1]).notes)


@pytest.mark.parametrize("start", ["\n", "# of today\n\n", "\n# a, b\n"])
def test_empty_lines_above_a_table_are_passed_over(tmp_path, start):
    rows = "".join(f"{i + 0.5},{2 * i}\n" for i in range(9))
    header = "" if "a, b" in start else "a,b\n"
    (tmp_path / "t.csv").write_text(f"{start}{header}{rows}")
    data = load(tmp_path / "t.csv")
    np.testing.assert_array_equal(data.train.x[:, 0], data.train.rows + 0.5)
    assert data.axes.channel_names == ("a", "b")


def test_missing_text_is_read_as_such():
    """pandas has a value for it that is neither equal to itself nor different."""
    text = pd.array(["x", None, *"abcdefg"], dtype="string")
    frame = pd.DataFrame({"a": np.arange(9.0), "note": text})
    assert "Unused columns: note." in load(frame).notes
    with pytest.raises(InputError, match="no label for 1 of 9 samples, the first in row 1"):
        load(frame, labels="note")
