"""Optional packages for some formats."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Concatenate, ParamSpec, TypeVar

from latentrank.errors import InputError

P = ParamSpec("P")
T = TypeVar("T")


def need(package: str, extra: str, path: Path | str) -> ModuleType:
    """Import an optional package.

    Args:
        package: name to import.
        extra: extra of latentrank that installs it.
        path: the file that needs it.

    Raises:
        InputError: it is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise InputError(
            f"Reading {path} needs the package {error.name or package}; install it with: "
            f"pip install 'latentrank[{extra}]'"
        ) from error


def damaged(path: Path | str, kind: str, error: Exception) -> InputError:
    """The error for a file that its library cannot read."""
    reason = str(error).strip().rstrip(".") or type(error).__name__
    return InputError(f"{path} cannot be read as {kind} ({reason}); save or download it again.")


def reading(
    kind: str,
) -> Callable[[Callable[Concatenate[Path, P], T]], Callable[Concatenate[Path, P], T]]:
    """A decorator of readers: whatever a library raises means that the file is damaged.

    Libraries read lazily and raise errors of any type, so all of a reader is inside.

    Args:
        kind: what the file should be, such as `"an HDF5 file"`.
    """

    def decorate(read: Callable[Concatenate[Path, P], T]) -> Callable[Concatenate[Path, P], T]:
        @wraps(read)
        def guarded(path: Path, /, *args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return read(path, *args, **kwargs)
            except InputError:
                raise
            except Exception as error:
                raise damaged(path, kind, error) from error

        return guarded

    return decorate
