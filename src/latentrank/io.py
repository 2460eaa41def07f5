"""Atomic file writes, CSV, and reading and writing of YAML and JSON."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError

from latentrank.errors import InputError

_UMASK = os.umask(0)
os.umask(_UMASK)

_ADVICE = "check permissions and free space"
_ELSEWHERE = "give another path"


class UnwritableError(InputError):
    """A file or folder that cannot be written."""


def expanded(path: str | Path) -> Path:
    """A path, where `~` at its start is the user's home folder, as in the shell and in Lightning.

    Example:
        >>> expanded("~/runs/a") == Path.home() / "runs" / "a", expanded("runs/~a")
        (True, PosixPath('runs/~a'))
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:  # `~name` of no user is a name like any other
        return Path(path)


@contextmanager
def atomic_write(path: str | Path, advice: str | None = None) -> Iterator[Path]:
    """A temporary path for a file or folder, renamed to `path` when the block succeeds.

    Args:
        path: final path; its folder is created if missing.
        advice: advice if it cannot be written.

    Yields:
        The temporary path, with the same suffix.

    Raises:
        UnwritableError: writing fails, such as on a full disk; nothing is left behind.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with atomic_write(folder / "a.txt") as temporary:
        ...     _ = temporary.write_text("whole")
        >>> [file.name for file in folder.iterdir()]
        ['a.txt']
    """
    path = expanded(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    make_folder(path.parent, advice)
    try:
        yield temporary
        if temporary.is_file():
            temporary.chmod(0o666 & ~_UMASK)  # some writers restrict permissions to the owner
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise unwritable(path, error, advice) from None
    finally:
        _remove(temporary)
        shutil.rmtree(temporary, ignore_errors=True)


def unwritable(path: Path, error: Exception, advice: str | None = None) -> UnwritableError:
    """The sentence on a file that cannot be written.

    Args:
        path: the file.
        error: why not.
        advice: advice, by default on permissions and space.
    """
    reason = getattr(error, "strerror", None) or error
    return UnwritableError(f"{path} cannot be written ({reason}); {advice or _ADVICE}.")


def make_folder(path: Path, advice: str | None = None) -> None:
    """Create a folder, unless it exists.

    Raises:
        UnwritableError: it cannot be created.
        InputError: it is a file, which is named.
    """
    try:
        check_folder(path, advice or _ELSEWHERE)
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableError(
            f"The folder {path} cannot be created ({error.strerror}); {advice or _ADVICE}."
        ) from None


def check_folder(path: Path, advice: str = _ELSEWHERE) -> None:
    """Refuse a folder, existing or not, whose path leads through a file.

    Raises:
        InputError: names the file.
    """
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise InputError(
                f"{path} cannot be written since {place} is a file, expected a folder; {advice}."
            )


@contextmanager
def new_folder(path: Path, advice: str = _ELSEWHERE) -> Iterator[Path]:
    """A temporary folder to write to, renamed to `path` when the block succeeds.

    Args:
        path: final path, where nothing may be yet.
        advice: advice if something is, or if it cannot be written.

    Yields:
        The temporary folder, next to it.

    Raises:
        InputError: something is there, or it cannot be written; nothing is left behind.
    """
    if path.exists():
        raise InputError(f"{path} already exists; {advice}, or remove it.")
    with atomic_write(path, advice) as temporary:
        temporary.mkdir()
        yield temporary


def remove_file(path: Path) -> None:
    """Remove a file, if it exists.

    Raises:
        UnwritableError: it cannot be removed, or is a folder.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UnwritableError(
            f"{path} cannot be removed ({error.strerror}); check permissions."
        ) from None


def _remove(path: Path) -> None:
    with suppress(OSError):  # the folder is not one, or not accessible: then nothing was written
        path.unlink(missing_ok=True)


def remove_leftovers(folder: Path, age: float = 60) -> None:
    """Remove what killed processes have left of their writes to a folder.

    Args:
        folder: the folder.
        age: seconds without a change after which a temporary file counts as abandoned.
    """
    for path in folder.glob(".*"):
        with suppress(OSError):  # another process has removed it
            if _TEMPORARY.fullmatch(path.name) and path.stat().st_mtime < time.time() - age:
                _remove(path)


#: Names that `atomic_write` gives to temporary files.
_TEMPORARY = re.compile(r"\..+\.\d+(\.\w+)?")


def digest(values: Any) -> str:
    """A name for plain values: the hexadecimal SHA-256 of their JSON.

    Example:
        >>> digest({"a": 1, "b": None}) == digest({"b": None, "a": 1})
        True
    """
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class _Loader(yaml.SafeLoader):
    """YAML loader that reads 1e-3 as a number."""


class _Dumper(yaml.SafeDumper):
    """YAML dumper for `_Loader`: text that looks like a number is quoted."""


# YAML 1.1, which PyYAML follows, asks for a point in every float: 1.0e-3.
for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
        list("-+0123456789"),
    )


def parse_value(text: str) -> Any:
    """Parse a value as YAML.

    Args:
        text: as typed on the command line.

    Returns:
        A number, boolean, None, list or string.

    Example:
        >>> [parse_value(text) for text in ("1e-3", "8", "true", "null", "polar", "[1, 2]")]
        [0.001, 8, True, None, 'polar', [1, 2]]
    """
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError):  # of what looks like a date, or like a binary number
        return text


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a mapping from a YAML file.

    Raises:
        InputError: there is no such file, it is not YAML, or does not contain a mapping.
    """
    path = Path(path)
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path.") from None
    except (yaml.YAMLError, ValueError):
        raise InputError(f"{path} is not YAML; write lines such as 'epochs: 5'.") from None
    if not isinstance(values, dict):
        raise InputError(f"{path} contains no settings; write lines such as 'epochs: 5'.")
    return values


def write_yaml(path: Path, values: dict[str, Any]) -> None:
    """Write a mapping as YAML, atomically."""
    write_text(path, yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


def read_json(path: Path) -> dict[str, Any] | None:
    """The names and values in a JSON file; None if it is missing, damaged or holds none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write names and values as indented JSON, atomically.

    Args:
        path: the file.
        values: of plain types.

    Raises:
        InputError: it cannot be written.
    """
    write_text(path, json.dumps(values, indent=2) + "\n")


def csv_text(header: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    """A table as CSV.

    Example:
        >>> print(csv_text(["name", "rank"], [("a, b", 7)]), end="")
        name,rank
        "a, b",7
    """
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    return buffer.getvalue()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, atomically.

    Raises:
        InputError: it cannot be written.
    """
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a text file, atomically.

    Raises:
        InputError: it cannot be written.
    """
    with atomic_write(path) as temporary:
        # names of files may hold bytes that are no text
        temporary.write_text(text, encoding="utf-8", errors="replace")
