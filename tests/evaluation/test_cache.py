from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from latentrank.errors import InputError
from latentrank.evaluation.cache import content_key, default_cache, write_whole


def test_the_key_depends_on_every_value_type_shape_and_setting(rng):
    x = rng.integers(0, 9, (6, 2)).astype(np.int64)
    other = x.copy()
    other[-1, -1] += 1
    variants = [
        ({"x": x}, {"seed": 0}),
        ({"x": other}, {"seed": 0}),
        ({"x": x.reshape(2, 6)}, {"seed": 0}),
        ({"x": x.view(np.uint64)}, {"seed": 0}),
        ({"y": x}, {"seed": 0}),
        ({"x": x}, {"seed": 1}),
        ({"x": x, "y": x}, {"seed": 0}),
    ]
    assert len({content_key(arrays, settings) for arrays, settings in variants}) == len(variants)


def test_the_key_is_that_of_the_content_not_of_the_memory(rng, monkeypatch):
    x = rng.normal(size=(10, 3))
    key = content_key({"x": x}, {})
    assert content_key({"x": np.asfortranarray(x)}, {}) == key
    monkeypatch.setattr(import_module("latentrank.evaluation.cache"), "CHUNK", 3)
    assert content_key({"x": x}, {}) == key


def test_the_folder_is_the_users_unless_set(monkeypatch, tmp_path):
    monkeypatch.delenv("LATENTRANK_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "latentrank"
    monkeypatch.setenv("LATENTRANK_CACHE", str(tmp_path / "mine"))
    assert default_cache() == tmp_path / "mine"


def test_a_file_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "new" / "file"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"

    def full(self, content):
        with self.open("wb") as file:
            file.write(content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        write_whole(path, b"three")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path / "file" / "x", b"")
