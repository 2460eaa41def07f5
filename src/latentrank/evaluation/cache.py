"""Results that are slow to compute and depend on content alone, kept on disk by that content."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrank.errors import InputError

CHUNK = 4096  # rows hashed at once: a memory-mapped array is never held whole


def default_cache() -> Path:
    """Where classifiers and the features of real data are kept between runs.

    Returns:
        `LATENTRANK_CACHE` if that is set, otherwise `latentrank` in the user's cache folder.

    Example:
        >>> import os
        >>> os.environ["LATENTRANK_CACHE"] = "kept"
        >>> default_cache().name
        'kept'
        >>> del os.environ["LATENTRANK_CACHE"]
    """
    if given := os.environ.get("LATENTRANK_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "latentrank"


def content_key(arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]) -> str:
    """A short name for a computation's whole input: equal inputs, equal name.

    Args:
        arrays: named arrays; type, shape and values count.
        settings: whatever else decides the result, as JSON can hold it.

    Returns:
        24 hexadecimal digits.

    Example:
        >>> a = np.zeros(3)
        >>> content_key({"x": a}, {"seed": 0}) == content_key({"x": a.copy()}, {"seed": 0})
        True
        >>> content_key({"x": a}, {"seed": 0}) == content_key({"x": a}, {"seed": 1})
        False
    """
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=12)
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        for start in range(0, len(array), CHUNK):
            digest.update(np.ascontiguousarray(array[start : start + CHUNK]).data)
    return digest.hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it stands there whole or not at all.

    Args:
        path: the file's final name; its folder is made when missing.
        content: what it will hold.

    Raises:
        InputError: the file cannot be written (no space, no permission).

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_whole(folder / "a.txt", b"whole")
        >>> [file.name for file in folder.iterdir()]
        ['a.txt']
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}), expected a folder with free "
            "space; choose another with LATENTRANK_CACHE."
        ) from error
