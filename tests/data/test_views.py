import mmap

import numpy as np
import pytest

from latentrank.data import Split, views
from latentrank.data.views import RowView, blocks, take_rows

X = np.arange(60).reshape(10, 2, 3)
ROWS = np.array([7, 2, 2, 9])


@pytest.mark.parametrize(
    "index",
    [0, -1, slice(1, 3), slice(None), np.array([3, 0]), np.array([True, False, True, True]),
     (0, 1), (slice(1, 3), 1), (slice(None), slice(None), 2), (2, 1, 0)],
    ids=str,
)  # fmt: skip
def test_a_view_is_indexed_as_the_rows_would_be(index):
    np.testing.assert_array_equal(RowView(X, ROWS)[index], X[ROWS][index])


def test_a_view_looks_like_the_rows():
    view, rows = RowView(X, ROWS), X[ROWS]
    for name in ("shape", "ndim", "dtype", "nbytes"):
        assert getattr(view, name) == getattr(rows, name)
    assert len(view) == 4
    np.testing.assert_array_equal(np.asarray(view), rows)
    np.testing.assert_array_equal(view.astype(np.float32), rows)


def test_rows_of_large_arrays_are_looked_up(monkeypatch):
    assert isinstance(take_rows(X, ROWS), np.ndarray)
    monkeypatch.setattr(views, "LARGE", 100)
    view = take_rows(X, ROWS)
    assert isinstance(view, RowView)
    again = take_rows(view, np.array([3, 0]))
    assert np.shares_memory(again.x, X)
    np.testing.assert_array_equal(np.asarray(again), X[[9, 7]])
    assert np.shares_memory(take_rows(X, slice(2, 5)), X)


@pytest.mark.parametrize(
    ("rows", "taken", "looked_up"), [(201, 13, True), (200, 13, False), (201, 12, False)]
)
def test_small_arrays_and_a_few_rows_of_large_ones_are_copied(monkeypatch, rows, taken, looked_up):
    monkeypatch.setattr(views, "LARGE", 1600)  # bytes; a few are up to a sixteenth
    assert isinstance(take_rows(np.zeros(rows), np.arange(taken)), RowView) == looked_up


def test_large_mapped_arrays_are_read_on_demand_in_every_split(monkeypatch, tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 5))
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert not isinstance(Split(mapped).x, views.RowView)
    monkeypatch.setattr(views, "LARGE", 100)
    part = Split(mapped).take(slice(30))
    assert isinstance(part.x, views.RowView)
    np.testing.assert_array_equal(part.x[5:9], x[5:9])
    assert Split(x).x is x


@pytest.mark.parametrize("values", [1, 6, 20, 1000])
def test_blocks_are_the_array_in_order(monkeypatch, tmp_path, values):
    monkeypatch.setattr(views, "BLOCK_VALUES", values)
    monkeypatch.setattr(views, "LARGE", 1)
    np.save(tmp_path / "a.npy", X)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    for x in (X, mapped, RowView(mapped, np.arange(10))):
        np.testing.assert_array_equal(np.concatenate(list(blocks(x))), X)


@pytest.mark.skipif(not hasattr(mmap, "MADV_WILLNEED"), reason="the system takes no advice")
@pytest.mark.parametrize("columns", [7, 3000, 5000])
def test_the_pages_of_rows_are_asked_for_and_few_others(monkeypatch, tmp_path, columns):
    asked = []

    class Recorded(mmap.mmap):
        def madvise(self, option, start, length):
            super().madvise(option, start, length)
            asked.append((option, start, start + length))

    monkeypatch.setattr(views, "LARGE", 1)
    x = np.random.default_rng(0).integers(0, 255, (50, columns), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    offset = (tmp_path / "x.npy").stat().st_size - x.nbytes
    with (tmp_path / "x.npy").open("rb") as file:
        mapped = Recorded(file.fileno(), 0, access=mmap.ACCESS_READ)
    held = np.ndarray(x.shape, np.uint8, mapped, offset)
    chosen = views.RowView(held, np.arange(49, -1, -1))
    views.will_need(chosen, np.array([0, 30]))
    for row, (option, start, stop) in zip((49, 19), asked, strict=True):
        first = offset + row * columns
        assert option == mmap.MADV_WILLNEED
        assert first - mmap.PAGESIZE < start <= first
        assert stop == first + columns
    views.will_need(x, np.array([1]))  # in memory
    views.will_need(held.T, np.array([1]))  # rows are scattered
    assert len(asked) == 2


def test_changes_in_memory_to_a_mapped_file_are_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(views, "LARGE", 1000)
    np.save(tmp_path / "x.npy", np.zeros((40, 500)))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="c")
    mapped += 1
    for x in (mapped, mapped[10:], np.asarray(mapped)):
        held = Split(x).x
        assert all((block == 1).all() for block in blocks(held))
        assert (np.asarray(held[:]) == 1).all()
        assert (x == 1).all()
