"""A file is written completely or not at all."""

import errno
from pathlib import Path

import pytest

from latentrank.errors import InputError
from latentrank.io import (
    atomic_write,
    expanded,
    new_folder,
    parse_value,
    read_json,
    read_yaml,
    write_json,
    write_text,
)


def test_a_file_gets_its_name_when_all_is_written(tmp_path):
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
        pytest.raises(InputError, match="file is a file, expected a folder"),
        atomic_write(tmp_path / "file" / "inside" / "a.txt"),
    ):
        pass


def test_a_folder_gets_its_name_when_all_is_written(tmp_path):
    with new_folder(tmp_path / "above" / "new") as temporary:
        (temporary / "a.txt").write_text("whole")
        assert not (tmp_path / "above" / "new").exists()
    assert [path.name for path in (tmp_path / "above").iterdir()] == ["new"]
    assert (tmp_path / "above" / "new" / "a.txt").read_text() == "whole"
    with pytest.raises(InputError, match="already exists"), new_folder(tmp_path / "above"):
        pass


def test_an_interrupted_folder_leaves_nothing(tmp_path):
    def interrupted():
        with new_folder(tmp_path / "new") as temporary:
            (temporary / "a.txt").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_files_are_as_readable_as_others_of_the_user(tmp_path):
    def private(path):
        path.write_text("")
        path.chmod(0o600)

    (tmp_path / "usual").write_text("")
    with atomic_write(tmp_path / "ours") as temporary:
        private(temporary)
    modes = {path.name: path.stat().st_mode for path in tmp_path.iterdir()}
    assert modes["ours"] == modes["usual"]


def test_json_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": [1, 2.5], "b": {"c": None}})
    assert read_json(path) == {"a": [1, 2.5], "b": {"c": None}}
    assert path.read_text().endswith("}\n")


@pytest.mark.parametrize(
    "text", ["{", "[1]", "", "[" * 100_000], ids=["cut", "list", "empty", "deep"]
)
def test_json_that_holds_no_names_is_none(tmp_path, text):
    path = tmp_path / "a.json"
    assert read_json(path) is None
    path.write_text(text)
    assert read_json(path) is None


def test_text_with_a_name_that_is_no_text_is_written(tmp_path):
    """Pages show paths, which may hold bytes that are not UTF-8."""
    write_text(
        tmp_path / "page.html", "data from " + b"l\xe4nge".decode("utf-8", "surrogateescape")
    )
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "data from l?nge"


def test_a_tilde_of_no_user_is_a_name_like_any_other(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~/a") == tmp_path / "a"
    assert expanded("~nobody-of-this-name/a") == Path("~nobody-of-this-name/a")
    write_text(Path("~/a"), "x")
    assert (tmp_path / "a").read_text() == "x"


@pytest.mark.parametrize("text", ["2024-13-45", "0b_"])
def test_what_only_looks_like_a_date_or_a_number_is_text(tmp_path, text):
    assert parse_value(text) == text
    (tmp_path / "a.yaml").write_text(f"data: {text}\n")
    with pytest.raises(InputError, match=r"a\.yaml is not YAML"):
        read_yaml(tmp_path / "a.yaml")
