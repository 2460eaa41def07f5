"""Files that stand there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latentrank.errors import InputError

_UMASK = os.umask(0)
os.umask(_UMASK)


@contextmanager
def whole(path: str | Path, advice: str = "free or change it") -> Iterator[Path]:
    """A path to write to, beside `path`, which it becomes when the block ends well.

    Args:
        path: the file's final name; its folder is made when missing.
        advice: what to do where it cannot be written.

    Yields:
        The temporary path, with the same suffix.

    Raises:
        InputError: the system refuses to write, such as on a full disk; nothing is left behind.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with whole(folder / "a.txt") as temporary:
        ...     _ = temporary.write_text("whole")
        >>> [file.name for file in folder.iterdir()]
        ['a.txt']
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.chmod(0o666 & ~_UMASK)  # some writers leave files to their owner alone
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path} cannot be written ({reason}); {advice}.") from None
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        # Its folder is none, or not ours: then nothing was written either.
        return
