"""One training of many, in whatever process carries it out.

A worker serves a command that runs in another process, perhaps on another machine. The command
holds a file lock as long as it runs. A worker that gets hold of that lock knows that the command
has ended, in whatever way, and stops.
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

from filelock import FileLock, Timeout

from latentrank.errors import InputError
from latentrank.runs.cache import Training, train

_SECONDS_BETWEEN_LOOKS = 1.0


class TrainingError(RuntimeError):
    """A training ended with an error that is not the user's; the text holds its traceback."""


class CommandEnded(RuntimeError):  # noqa: N818 - the wish of the user
    """The command that asked for a training has ended, so the training stops."""


def train_here(training: Training, progress: bool = False) -> str:
    """Train in the process of the command.

    Args:
        training: what is wanted.
        progress: show a progress line.

    Returns:
        Why it cannot be carried out; empty if it is done.

    Raises:
        TrainingError: it ended with an error that is not the user's.
    """
    return _reason(lambda: train(training, progress))


def train_for(command: Path, training: Training) -> str:
    """Train for a command that runs in another process, until that ends.

    Args:
        command: what `command_lock` gave.
        training: what is wanted.

    Returns:
        Why it cannot be carried out; empty if it is done.

    Raises:
        TrainingError: it ended with an error that is not the user's.
        CommandEnded: the command has ended, or this process was told to; the checkpoints are kept.
    """
    if not command.parent.is_dir():
        return (
            f"The worker on {socket.gethostname()} does not see {command.parent}; give --out on "
            "storage that all machines of the cluster share."
        )

    def work() -> None:
        from lightning.pytorch.callbacks import LambdaCallback

        watch = _Watch(command)
        watch()
        _bound_threads()
        stop = LambdaCallback(on_train_batch_end=lambda *_: watch())
        with own_card(training.config.machine.device, watch):
            train(training, waiting=watch, callbacks=[stop])

    try:
        return _reason(work)
    except KeyboardInterrupt:  # a signal to this process, which Lightning has answered
        raise CommandEnded("The worker was told to end.") from None


def _reason(work: Callable[[], None]) -> str:
    try:
        work()
    except InputError as error:
        return str(error)
    except CommandEnded:
        raise
    except Exception:
        # as text, since not every exception can be sent to another process
        raise TrainingError(traceback.format_exc()) from None
    return ""


def _bound_threads() -> None:
    """One thread, unless the environment says how many; several workers may share a machine."""
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(1)


# --- the command's lock -------------------------------------------------------------------------


@contextmanager
def command_lock(folder: Path) -> Iterator[Path]:
    """Hold a lock as long as this command wants its workers to go on.

    Args:
        folder: where the lock's file is made, seen by all workers.

    Yields:
        The file.
    """
    path = folder / f".command-{uuid.uuid4().hex}.lock"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


class _Watch:
    """Raises `CommandEnded` once the command has ended; looks about once a second."""

    def __init__(self, command: Path) -> None:
        self._command = command
        self._next = 0.0

    def __call__(self) -> None:
        if time.monotonic() < self._next:
            return
        try:
            with FileLock(self._command, timeout=0):
                self._command.unlink(missing_ok=True)
        except Timeout:
            self._next = time.monotonic() + _SECONDS_BETWEEN_LOOKS
            return
        raise CommandEnded("The command has ended, or its folder is not shared storage.")


# --- graphics cards -----------------------------------------------------------------------------


def graphics_cards(device: str) -> list[str]:
    """The graphics cards that this process may use, as `CUDA_VISIBLE_DEVICES` names them.

    Args:
        device: as in a configuration; none are needed for `"cpu"`, for example.

    Example:
        >>> graphics_cards("cpu")
        []
    """
    import torch

    # Unlike is_available, counting does not initialise CUDA, after which the choice is made.
    if device not in ("auto", "cuda", "gpu") or not torch.cuda.device_count():
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",") if visible else [str(i) for i in range(torch.cuda.device_count())]


@contextmanager
def own_card(device: str, waiting: Callable[[], None]) -> Iterator[None]:
    """Keep a graphics card of this machine from the user's other workers.

    Once a process has used a card it keeps to that one, as CUDA demands.

    Args:
        device: as in a configuration; nothing happens where it needs no card.
        waiting: called again and again while no card is free, and free to raise.
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
