"""Errors of the libraries that read files, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latentrank.errors import InputError


@contextmanager
def reading(path: Path | str, kind: str) -> Iterator[None]:
    """Whatever a library raises while it reads becomes one sentence.

    Args:
        path: the file.
        kind: what it should be, such as `"an HDF5 file"`.

    Raises:
        InputError: it cannot be read.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # every library raises its own errors
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        remedy = "save or download it again"
        if isinstance(error, ImportError):  # a package of the library's own, missing or too old
            remedy = "install or upgrade that package"
        raise InputError(f"{path} cannot be read as {kind} ({reason}); {remedy}.") from error


def unnamed(path: Path, inner: str, kind: str, instead: str = "leave it out") -> InputError:
    """The error for the name of an array in a file whose arrays have none.

    Args:
        path: the file.
        inner: the name.
        kind: what the file is read as.
        instead: what to do.
    """
    return InputError(
        f"{path}:{inner} names an array inside a file, and {path.name} is read as {kind}; "
        f"{instead}."
    )
