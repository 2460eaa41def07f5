"""Locks that allow one training process at a time per run folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from latentrank.distributed import is_first_process
from latentrank.errors import InputError
from latentrank.io import check_folder

_SECONDS_BETWEEN_TRIES = 1.0


def lock_file(folder: Path) -> Path:
    """The lock file of a run, next to its folder, which may not exist yet.

    Example:
        >>> lock_file(Path("runs/mnist-lorae")).name
        '.mnist-lorae.lock'
    """
    folder = folder.absolute()
    return folder.with_name(f".{folder.name}.lock")


@contextmanager
def locked(folder: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Keep other processes and threads from training in a run folder.

    The operating system releases the lock when its holder ends, for any reason. It is re-entrant
    within a thread. In distributed training, only the first process takes it.

    Args:
        folder: folder of the run.
        waiting: called about once a second while another process holds the lock, and may raise;
            without it, a held lock is an error.

    Raises:
        InputError: another process trains in this folder, or the lock cannot be written.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "run"
        >>> with locked(folder), locked(folder):
        ...     print("trained by this thread alone")
        trained by this thread alone
    """
    if not is_first_process():
        yield
        return
    lock = FileLock(lock_file(folder), is_singleton=True)
    try:
        check_folder(folder)
        lock_file(folder).parent.mkdir(parents=True, exist_ok=True)
        _acquire(lock, folder, waiting)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"{lock_file(folder)} cannot be written ({reason}); give another folder for the run."
        ) from None
    try:
        yield
    finally:
        _release(lock, folder)


def _acquire(lock: FileLock, folder: Path, waiting: Callable[[], None] | None) -> None:
    while True:
        try:
            lock.acquire(timeout=0 if waiting is None else _SECONDS_BETWEEN_TRIES)
        except Timeout:  # also an OSError
            if waiting is None:
                raise InputError(
                    f"Another process is training in {folder}; wait for it to end, or give "
                    "another folder for the run."
                ) from None
            waiting()
        else:
            if _is_current(lock, folder):
                return
            lock.release()


def _is_current(lock: FileLock, folder: Path) -> bool:
    """Whether the locked file is still the one that others would lock."""
    held = lock._context.lock_file_fd
    try:
        return held is not None and os.path.samestat(os.fstat(held), lock_file(folder).stat())
    except OSError:
        return False


def _release(lock: FileLock, folder: Path) -> None:
    """Release the lock and remove its file."""
    if lock._context.lock_counter == 1:
        with suppress(OSError):  # Windows does not remove open files
            lock_file(folder).unlink()
    lock.release()
