import errno
import os
from pathlib import Path

import numpy as np
import pytest

from latentrank.data import cache
from latentrank.errors import InputError

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def build():
    return ROWS.shape, ROWS.dtype, iter([ROWS[:3], ROWS[3:]])


def never():
    raise AssertionError("built although it was cached")


def test_array_is_built_once_and_mapped_afterwards():
    first, second = cache.cached("key", build), cache.cached("key", never)
    assert isinstance(second, np.memmap)
    np.testing.assert_array_equal(first, ROWS)
    np.testing.assert_array_equal(second, ROWS)


def test_another_key_is_another_array():
    cache.cached("a", build)
    with pytest.raises(AssertionError, match="built"):
        cache.cached("b", never)


def test_rows_out_of_memory_order_are_written_in_order():
    cache.cached("key", lambda: ((2, 2), np.uint8, [np.array([[1, 2], [3, 4]], np.uint8).T]))
    assert cache.cached("key", never).tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "No space left"), (errno.EFBIG, "too large")]
)
def test_full_disk_is_a_plain_sentence_and_leaves_nothing(monkeypatch, cache_folder, number, words):
    whole = cache._append

    def fails_at_the_second(file, block):
        if len(block) == 1:
            raise OSError(number, os.strerror(number))
        whole(file, block)

    monkeypatch.setattr(cache, "_append", fails_at_the_second)
    with pytest.raises(InputError, match=f"{words}.*LATENTRANK_CACHE"):
        cache.cached("key", build)
    assert list(cache_folder.iterdir()) == []

    monkeypatch.undo()
    monkeypatch.setenv("LATENTRANK_CACHE", str(cache_folder))
    np.testing.assert_array_equal(cache.cached("key", build), ROWS)


def test_an_array_larger_than_the_disk_is_refused_before_anything_is_written(cache_folder):
    def endless():
        raise AssertionError("a block was read")
        yield

    shape = (10**9, 10**6)
    with pytest.raises(InputError, match=r"takes 4,000,000.0 GB, but .* free; .*LATENTRANK_CACHE"):
        cache.cached("key", lambda: (shape, np.dtype("f4"), endless()))
    assert list(cache_folder.iterdir()) == []


def test_half_written_arrays_of_killed_processes_are_removed(cache_folder):
    old, new = cache_folder / ".a.17.npy", cache_folder / ".b.18.npy"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    cache.cached("key", build)
    assert new.exists()
    assert not old.exists()


def test_an_error_while_building_leaves_nothing(cache_folder):
    def blocks():
        yield ROWS[:3]
        raise InputError("this image is damaged")

    with pytest.raises(InputError, match="damaged"):
        cache.cached("key", lambda: (ROWS.shape, ROWS.dtype, blocks()))
    assert list(cache_folder.iterdir()) == []


@pytest.mark.parametrize("keep", [0, 20, -4])
def test_a_file_cut_short_is_built_again(cache_folder, keep):
    cache.cached("key", build)
    (path,) = cache_folder.iterdir()
    path.write_bytes(path.read_bytes()[:keep])
    np.testing.assert_array_equal(cache.cached("key", build), ROWS)
    np.testing.assert_array_equal(cache.cached("key", never), ROWS)


def test_what_a_killed_process_left_is_never_read(cache_folder):
    cache.cached("key", build)
    (path,) = cache_folder.iterdir()
    path.rename(path.with_name(f".{path.name}.1.tmp"))
    with pytest.raises(AssertionError, match="built"):
        cache.cached("key", never)


def test_a_folder_that_cannot_be_made_is_a_plain_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LATENTRANK_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(InputError, match=r"cannot be written .* LATENTRANK_CACHE"):
        cache.cached("key", build)


def test_the_folder_is_the_users_unless_set(monkeypatch, tmp_path):
    monkeypatch.delenv("LATENTRANK_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "latentrank"
    monkeypatch.setenv("LATENTRANK_CACHE", "~/mine")
    assert cache.folder() == Path.home() / "mine"
