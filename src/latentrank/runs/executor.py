"""Training many runs in parallel: in local processes, or on the workers of a Dask cluster.

`train_all` submits runs to a `concurrent.futures.Executor`: loky's, which comes with joblib, or
that of a Dask client. The executor manages its processes. This module adds one run per GPU, a
bounded number of threads, termination with the command, and a retry when a worker is killed.
"""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from latentrank import data, methods, nets
from latentrank.config import RunConfig
from latentrank.errors import InputError, described, need
from latentrank.registry import Registry
from latentrank.runs.cache import PlannedRun, is_done
from latentrank.runs.configure import absolute, absolute_source
from latentrank.runs.progress import Board, Clock
from latentrank.runs.worker import (
    TrainingError,
    command_lock,
    graphics_cards,
    train_for,
    train_here,
)

Say = Callable[[str], None]

# Each process holds torch, the data and a model, so more processes would need much memory.
_MOST_ON_A_PROCESSOR = 8

# Number of consecutive worker failures without a finished run before giving up.
_MOST_ATTEMPTS = 3

# Seconds that an idle process waits for a run before it ends, in case the command was killed.
_SECONDS_IDLE = 5

_SECONDS_BETWEEN_LOOKS = 0.5
#: Attempts to start a client of Dask.
_STARTS = 3
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def train_all(
    runs: Sequence[PlannedRun], say: Say, progress: bool = False, cluster: str | None = None
) -> dict[str, str]:
    """Train what is missing, `at_once` at a time.

    A failed run does not stop the others. Runs that depend on state of this process, such as a
    method registered at run time, are trained in it. When the command ends, so do its workers; the
    next call resumes from the newest checkpoints.

    Args:
        runs: the requested runs.
        say: called with a message whenever a run has ended.
        progress: show progress lines.
        cluster: address of a Dask scheduler, such as `"tcp://host:8786"`; its workers must see the
            same folders and have one thread each. None trains on this machine.

    Returns:
        Reasons for skipped runs, by folder name.

    Raises:
        InputError: the cluster cannot be used, or its workers are killed repeatedly.
        TrainingError: a run failed with an internal error; the others are finished.
    """
    clock = Clock()
    for training in runs:
        clock.learn(training)
    missing = list({t.folder: t for t in runs if not is_done(t)}.values())
    reused = len({t.folder for t in runs}) - len(missing)
    say(f"{len(missing)} runs to train, {reused} already exist")
    shared = [training for training in missing if _is_known_everywhere(training.config)]
    count = at_once(shared[0].config.machine.device, len(shared), cluster) if shared else 0
    if count < 2 and cluster is None:
        shared = []
    session = _Session(len(missing), clock, say, progress)
    if shared:
        session.train_in_workers(shared, count, cluster)
    session.train_here([training for training in missing if training not in shared])
    if session.broken:
        raise TrainingError("\n".join(session.broken))
    return session.failed


def at_once(device: str, most: int, cluster: str | None = None) -> int:
    """The number of parallel runs: one per GPU, or one per core.

    Small networks and batches gain little from a second core, so two runs in parallel with one
    thread each are faster than two consecutive ones with two threads
    (`benchmarks/side_by_side.py`). `OMP_NUM_THREADS` bounds the cores.

    Args:
        device: as in a configuration.
        most: upper bound, at least 1.
        cluster: address of a Dask scheduler, whose workers are counted instead.

    Raises:
        InputError: the cluster cannot be used.

    Example:
        >>> at_once("cpu", 1)
        1
    """
    import torch

    if cluster is not None:
        with _client(cluster) as client:
            return min(most, len(client.nthreads()))
    if cards := graphics_cards(device):
        return min(most, len(cards))
    if device == "cpu" or (device == "auto" and not torch.backends.mps.is_available()):
        return max(1, min(most, torch.get_num_threads(), _MOST_ON_A_PROCESSOR))
    return 1


def _is_known_everywhere(config: RunConfig) -> bool:
    """Whether any process with the same packages can train it, on one device."""
    named: list[tuple[Registry[Any], str | None]] = [
        (methods.METHODS, config.method),
        (data.DATASETS, config.data.source),
        (nets.NETWORKS, config.net),
    ]
    # Paths, and networks chosen by the data, are in no registry.
    return config.machine.devices == 1 and all(
        registry.built_in(name) for registry, name in named if name and name in registry
    )


@dataclass
class _Session:
    """The state of one call of `train_all`."""

    total: int
    clock: Clock
    say: Say
    progress: bool
    ended: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def train_here(self, runs: Sequence[PlannedRun]) -> None:
        """Train in this process, one run after another."""
        for index, training in enumerate(runs):
            left = self.clock.left(runs[index:], 1)
            self.say(f"run {self.ended + 1} of {self.total}: {training.name}{left}")
            self._settle(training, partial(train_here, training, self.progress))

    def train_in_workers(self, runs: Sequence[PlannedRun], count: int, cluster: str | None) -> None:
        """Train in other processes, `count` at a time, and retry runs that lost their worker."""
        waiting, attempts = list(runs), 0
        while waiting and attempts < _MOST_ATTEMPTS:
            lost = self._attempt(waiting, count, cluster)
            attempts = attempts + 1 if len(lost) == len(waiting) else 0
            waiting = [training for training, _ in lost]
        if waiting:
            raise InputError(
                f"Workers failed {attempts} times in a row before one of {len(waiting)} runs "
                f"finished ({lost[0][1]}); if memory is short, train fewer in parallel, with a "
                "lower OMP_NUM_THREADS."
            )

    def _attempt(
        self, runs: Sequence[PlannedRun], count: int, cluster: str | None
    ) -> list[tuple[PlannedRun, str]]:
        """Train in workers; returns the runs that lost their worker, with the reason."""
        lost, board = [], Board(self.total, self.progress)
        workers = _processes(count) if cluster is None else _cluster(cluster)
        # The command's lock is released first, so that the workers stop.
        with workers as executor, command_lock(runs[0].folder.absolute().parent) as command:
            sent = [t if cluster is None else _absolute(t) for t in runs]
            running = {
                executor.submit(train_for, command, to): t for to, t in zip(sent, runs, strict=True)
            }
            try:
                while running:
                    ended, _ = wait(running, _SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
                    for future in ended:
                        training = running.pop(future)
                        board.clear()
                        try:
                            done = self._settle(training, future.result)
                        except Exception as error:  # such as that a worker was killed
                            lost.append((training, described(error)))
                            continue
                        left = self.clock.left(list(running.values()), count)
                        if done:
                            self.say(f"trained {self.ended} of {self.total}: {training.name}{left}")
                    # workers take them in this order
                    board.show(list(running.values())[:count], self.ended)
            except KeyboardInterrupt:
                board.clear()
                self.say("stopping the workers; press Ctrl-C again to kill them")
                raise
            finally:
                board.clear()
                for future in running:
                    future.cancel()
        return lost

    def _settle(self, training: PlannedRun, outcome: Callable[[], str]) -> bool:
        """Record how a run ended, and whether it is finished."""
        try:
            reason = outcome()
        except TrainingError as error:
            reason = f"It failed: {str(error).strip().splitlines()[-1]}"
            self.broken.append(f"The run {training.name} failed:\n{error}")
        if reason:
            self.failed[training.folder.name] = reason
            self.say(f"skipped: {training.name}. {reason}")
        self.ended += 1
        self.clock.learn(training)
        return not reason


# --- executors ----------------------------------------------------------------------------------


@contextmanager
def _processes(count: int) -> Iterator[Executor]:
    """Local processes, which share the cores."""
    import torch
    from joblib.externals.loky import ProcessPoolExecutor

    threads = str(max(1, torch.get_num_threads() // count))
    executor = ProcessPoolExecutor(
        count,
        timeout=_SECONDS_IDLE,
        env=dict.fromkeys(_THREADS, threads),
        # The terminal sends Ctrl-C to workers too, but only the command handles it.
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )
    try:
        with warnings.catch_warnings():
            # Loky replaces a worker between runs if its memory has grown.
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
            yield executor
    finally:
        try:
            executor.shutdown()
        except KeyboardInterrupt:  # a second Ctrl-C, while workers finish their batches
            executor.shutdown(kill_workers=True)
            raise


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    with _client(address) as client:
        yield client.get_executor(pure=False)


@contextmanager
def _client(address: str) -> Iterator[Any]:
    """A client of a Dask scheduler with suitable workers."""
    distributed = need("distributed", "cluster", "A cluster")
    try:
        client = _started(lambda: distributed.Client(address, timeout=10, set_as_default=False))
    except (OSError, ValueError) as error:
        raise InputError(
            f"No Dask scheduler answers at {address} ({described(error)}); start one with dask "
            "scheduler, and give the address that it prints."
        ) from None
    with client:
        threads = client.nthreads().values()
        if not threads or max(threads) > 1:
            raise InputError(
                f"The Dask scheduler at {address} has {len(threads)} workers, with up to "
                f"{max(threads, default=0)} threads, expected workers of one thread each; start "
                f"them with: dask worker {address} --nthreads 1"
            )
        yield client


def _started(make: Callable[[], Any]) -> Any:
    """The client that `make` starts, in up to three attempts.

    Dask asserts that its thread starts within ten seconds, which a busy machine can exceed.
    """
    for _ in range(_STARTS):
        with suppress(AssertionError):
            return make()
    raise InputError(
        "Dask could not start a thread within ten seconds; try again when the machine is less busy."
    )


def _absolute(training: PlannedRun) -> PlannedRun:
    """The same run, for a process with another working folder and other defaults."""
    read = training.config.data
    root = read.data_root or os.environ.get("LATENTRANK_DATA") or "data"
    changes = {"data_root": absolute(root), "data": absolute_source(read.source)}
    return training._replace(
        config=training.config.updated(changes), folder=training.folder.absolute()
    )
