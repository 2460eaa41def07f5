"""Excel files: a sheet is a table."""

import numpy as np
import pandas as pd
import pytest

from latentrank.data import load
from latentrank.errors import InputError

GENERATOR = np.random.default_rng(0)
FRAME = pd.DataFrame(GENERATOR.normal(size=(20, 3)), columns=["a", "b", "c"])


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.xlsx"
    with pd.ExcelWriter(path) as writer:
        FRAME.assign(label=["cat", "dog"] * 10).to_excel(writer, sheet_name="cells", index=False)
        (FRAME + 1).to_excel(writer, sheet_name="bare", index=False, header=False)
        pd.DataFrame().to_excel(writer, sheet_name="empty")
    return path


def test_the_first_sheet_is_read_and_the_others_are_named(book):
    data = load(book)
    assert data.notes[0] == "The sheet cells is read; unused sheets: bare, empty."
    assert data.class_names == ("cat", "dog")
    assert [axis.name for axis in data.axes.channels] == ["a", "b", "c"]
    expected = FRAME.to_numpy()[data.train.rows]
    np.testing.assert_allclose(data.train.x, expected, rtol=1e-15)  # 16 digits are stored


def test_a_sheet_is_chosen_by_name_and_may_have_no_header(book):
    data = load(f"{book}:/bare")
    assert "The first row holds no text and is read as a sample." in data.notes
    expected = FRAME.to_numpy()[data.train.rows] + 1
    np.testing.assert_allclose(data.train.x, expected, rtol=1e-15)
    with pytest.raises(InputError, match=r"no sheet in .*book.xlsx called 'bore'.*'bare'"):
        load(f"{book}:/bore")
    with pytest.raises(InputError, match="has nothing in its sheet empty; name one"):
        load(f"{book}:/empty")


def test_columns_of_the_same_name_are_refused(tmp_path):
    FRAME.set_axis(["a", "b", "b"], axis=1).to_excel(tmp_path / "t.xlsx", index=False)
    with pytest.raises(InputError, match="has several columns called b"):
        load(tmp_path / "t.xlsx")


def test_a_package_that_is_too_old_for_pandas_is_no_fault_of_the_file(book, monkeypatch):
    monkeypatch.setattr("openpyxl.__version__", "3.0.0")
    with pytest.raises(InputError, match=r"of 'openpyxl' .*; install or upgrade that package\."):
        load(book)
