"""A file stands there whole or not at all."""

import errno

import pytest

from latentrank.errors import InputError
from latentrank.io import atomic_write


def test_the_name_is_given_when_all_is_written(tmp_path):
    path = tmp_path / "new" / "a.npz"
    with atomic_write(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.suffix == path.suffix
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert [file.name for file in path.parent.iterdir()] == ["a.npz"]


def test_an_older_file_stays_when_writing_fails(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with atomic_write(path) as temporary:
            temporary.write_text("new")
            raise KeyError("ours")

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_is_one_sentence(tmp_path):
    def fail():
        with atomic_write(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match=r"a.txt cannot be written \(No space left on device\)"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="cannot be written"),
        atomic_write(tmp_path / "file" / "a.txt"),
    ):
        pass


def test_files_are_as_readable_as_others_of_the_user(tmp_path):
    def private(path):
        path.write_text("")
        path.chmod(0o600)

    (tmp_path / "usual").write_text("")
    with atomic_write(tmp_path / "ours") as temporary:
        private(temporary)
    modes = {path.name: path.stat().st_mode for path in tmp_path.iterdir()}
    assert modes["ours"] == modes["usual"]
