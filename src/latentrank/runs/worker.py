"""Executing one of many runs, in this or another process.

A worker serves a command in another process, possibly on another machine. The command holds a file
lock while it runs. A worker that can acquire the lock knows that the command has ended, for any
reason, and stops.
"""

from __future__ import annotations

import getpass
import os
import socket
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from latentrank.errors import InputError, own_failure
from latentrank.io import make_folder
from latentrank.runs.cache import PlannedRun, train

_SECONDS_BETWEEN_LOOKS = 1.0


class TrainingError(RuntimeError):
    """A run failed with an internal error; the message holds its traceback."""


class CommandEnded(RuntimeError):  # noqa: N818 - requested by the user, not an error
    """The command that requested a run has ended, so the run stops."""


def train_here(training: PlannedRun, progress: bool = False) -> str:
    """Train in the command's process.

    Returns:
        The reason if it cannot be trained; empty on success.

    Raises:
        TrainingError: it failed with an internal error.
    """
    return _reason(lambda: train(training, progress))


def train_for(command: Path, training: PlannedRun) -> str:
    """Train for a command that runs in another process, until that ends.

    Args:
        command: result of `command_lock`.
        training: the requested run.

    Returns:
        The reason if it cannot be trained; empty on success.

    Raises:
        TrainingError: it failed with an internal error.
        CommandEnded: the command has ended, or this process was told to stop; checkpoints are kept.
    """
    if not command.parent.is_dir():
        return (
            f"The worker on {socket.gethostname()} cannot see {command.parent}; give --out on "
            "storage that all machines of the cluster share."
        )

    def work() -> None:
        from latentrank.training.ahead import SomeBatches

        class Stop(SomeBatches):
            def on_train_batch_end(self, *_: Any) -> None:
                watch()

        watch = _Watch(command)
        watch()
        _bound_threads()
        with own_card(training.config.machine.device, watch):
            train(training, waiting=watch, callbacks=[Stop()])

    try:
        return _reason(work)
    except KeyboardInterrupt:  # a signal to this process, handled by Lightning
        raise CommandEnded("The worker was told to end.") from None


def _reason(work: Callable[[], None]) -> str:
    try:
        work()
    except InputError as error:
        return str(error)
    except CommandEnded:
        raise
    except Exception as error:
        if failure := own_failure(error):
            return failure
        # as text, since not every exception can be pickled
        raise TrainingError(traceback.format_exc()) from None
    return ""


def _bound_threads() -> None:
    """Use one thread, unless set in the environment; several workers may share a machine."""
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(1)


# --- the command's lock -------------------------------------------------------------------------


@contextmanager
def command_lock(folder: Path) -> Iterator[Path]:
    """Hold a lock while this command needs its workers.

    Args:
        folder: folder for the lock file, visible to all workers.

    Yields:
        The file.
    """
    path = folder / f".command-{uuid.uuid4().hex}.lock"
    make_folder(folder)
    with FileLock(path):
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


def is_running(command: Path) -> bool:
    """Whether a command still holds its lock; the file of one that was killed is removed.

    Args:
        command: the file from `command_lock`, existing or not.
    """
    try:
        with FileLock(command, timeout=0):
            command.unlink(missing_ok=True)
    except Timeout:
        return True
    return False


class _Watch:
    """Raises `CommandEnded` once the command has ended; checks about once a second."""

    def __init__(self, command: Path) -> None:
        self._command = command
        self._next = 0.0

    def __call__(self) -> None:
        if time.monotonic() < self._next:
            return
        if not is_running(self._command):
            raise CommandEnded("The command has ended, or its folder is not shared storage.")
        self._next = time.monotonic() + _SECONDS_BETWEEN_LOOKS


# --- GPUs ---------------------------------------------------------------------------------------


def graphics_cards(device: str) -> list[str]:
    """The GPUs that this process may use, as named in `CUDA_VISIBLE_DEVICES`.

    Args:
        device: as in a configuration; `"cpu"`, for example, needs none.

    Example:
        >>> graphics_cards("cpu")
        []
    """
    import torch

    # Unlike is_available, counting does not initialise CUDA, which would fix the choice.
    if device not in ("auto", "cuda", "gpu") or not torch.cuda.device_count():
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",") if visible else [str(i) for i in range(torch.cuda.device_count())]


@contextmanager
def own_card(device: str, waiting: Callable[[], None]) -> Iterator[None]:
    """Reserve a GPU of this machine, so that the user's other workers do not use it.

    Once a process has used a GPU it keeps that one, as CUDA requires.

    Args:
        device: as in a configuration; nothing happens if it needs no GPU.
        waiting: called repeatedly while no GPU is free, and may raise.
    """
    cards = graphics_cards(device)
    if not cards:
        yield
        return
    card, lock = _free_card(cards, waiting)
    os.environ["CUDA_VISIBLE_DEVICES"] = card
    try:
        yield
    finally:
        lock.release()


def _free_card(cards: list[str], waiting: Callable[[], None]) -> tuple[str, FileLock]:
    stem = Path(tempfile.gettempdir()) / f"latentrank-{getpass.getuser()}-card-"
    while True:
        for card in cards:
            lock = FileLock(f"{stem}{card}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            return card, lock
        waiting()
        time.sleep(_SECONDS_BETWEEN_LOOKS)
