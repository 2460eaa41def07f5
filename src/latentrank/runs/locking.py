"""One training at a time in a run folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from latentrank.distributed import is_first_process
from latentrank.errors import InputError

_SECONDS_BETWEEN_TRIES = 1.0


def lock_file(folder: Path) -> Path:
    """The file that is locked while a run is trained: beside its folder, which may not exist yet.

    Example:
        >>> lock_file(Path("runs/mnist-lorae")).name
        '.mnist-lorae.lock'
    """
    folder = folder.absolute()
    return folder.with_name(f".{folder.name}.lock")


@contextmanager
def locked(folder: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Keep other processes, and other threads, from training in a run folder.

    The operating system releases the lock when its holder ends, in whatever way. Within a thread
    it can be taken again. Of several processes that share one training only the first takes it.

    Args:
        folder: of the run.
        waiting: called about once a second while another process holds the lock, and free to
            raise; without it, a lock that is held is an error.

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
        lock.release()


def _acquire(lock: FileLock, folder: Path, waiting: Callable[[], None] | None) -> None:
    while True:
        try:
            lock.acquire(timeout=0 if waiting is None else _SECONDS_BETWEEN_TRIES)
        except Timeout:  # an OSError, too
            if waiting is None:
                raise InputError(
                    f"Another process is training in {folder}; wait until it has ended, or give "
                    "another folder for the run."
                ) from None
            waiting()
        else:
            return
