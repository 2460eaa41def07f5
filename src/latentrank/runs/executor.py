"""Many trainings: as many at a time as there are graphics cards, or else cores.

`train_all` trains what is missing of a list. Where there is more than one lane, each is a process
of its own (`python -m latentrank.runs.executor`), which takes one training after the other and
ends with its parent, however that ends.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from latentrank import methods
from latentrank.config import RunConfig
from latentrank.errors import InputError
from latentrank.formatting import duration
from latentrank.runs import Run
from latentrank.runs.cache import Training, is_done, train

Say = Callable[[str], None]

# Each process holds torch, the data and a model: more of them ask for much memory.
_MOST_ON_A_PROCESSOR = 8

_SECONDS_BETWEEN_LOOKS = 0.5


def train_all(trainings: Sequence[Training], say: Say, progress: bool = False) -> dict[str, str]:
    """Train what is missing, as many at a time as `lanes` gives.

    Args:
        trainings: what is to be there.
        say: told how far it is.
        progress: show progress lines.

    Returns:
        Trainings that could not be had, by folder name, and why.
    """
    clock = _Clock()
    for training in trainings:
        clock.learn(training)
    missing = list({t.folder: t for t in trainings if not is_done(t)}.values())
    reused = len({t.folder for t in trainings}) - len(missing)
    say(f"{len(missing)} trainings to do, {reused} are there already")
    where = lanes(missing[0].config.machine.device, len(missing)) if missing else []
    # A method registered in this process is unknown to any other.
    if len(where) > 1 and all(methods.METHODS.built_in(t.config.method) for t in missing):
        return _side_by_side(missing, where, clock, say, progress)
    failed: dict[str, str] = {}
    for index, training in enumerate(missing):
        left = clock.left(missing[index:], 1)
        say(f"training {index + 1} of {len(missing)}: {training.name}{left}")
        try:
            train(training, progress)
        except InputError as error:
            failed[training.folder.name] = str(error)
            say(f"left out: {error}")
        clock.learn(training)
    return failed


@dataclass
class _Clock:
    """How long the trainings that are left will take, judged by those that are done."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def learn(self, training: Training) -> None:
        if is_done(training):
            self.seconds[training.group].append(Run(training.folder).metrics["seconds"])

    def left(self, trainings: Sequence[Training], lanes: int) -> str:
        known = [span for spans in self.seconds.values() for span in spans]
        if not known or not trainings:
            return ""
        spans = (statistics.fmean(self.seconds.get(t.group) or known) for t in trainings)
        return f", about {duration(sum(spans) / lanes)} left"


# --- side by side -------------------------------------------------------------------------------

Lane = dict[str, str]  # environment variables of a process


def lanes(device: str, most: int) -> list[Lane]:
    """How many trainings run at a time, and on what: one a graphics card, else one a core.

    Small networks and batches gain little from a second core, so two trainings of one thread end
    before two of two threads, one after the other (`benchmarks/side_by_side.py`).
    `OMP_NUM_THREADS` bounds the cores.

    Args:
        device: as in a configuration.
        most: no more than so many.

    Returns:
        What tells each process its part of the machine; a single one that needs no telling.

    Example:
        >>> lanes("cpu", 1)
        [{}]
    """
    import torch

    if device in ("auto", "cuda", "gpu") and torch.cuda.is_available():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        cards = visible.split(",") if visible else range(torch.cuda.device_count())
        found = [{"CUDA_VISIBLE_DEVICES": str(card)} for card in cards][:most]
    elif device == "cpu" or (device == "auto" and not torch.backends.mps.is_available()):
        cores = torch.get_num_threads()
        count = max(1, min(cores, most, _MOST_ON_A_PROCESSOR))
        found = [{"OMP_NUM_THREADS": str(cores // count)}] * count
    else:
        found = []
    return found if len(found) > 1 else [{}]


class _Worker:
    """A process that trains, one after the other; it ends when this one lets go of it or ends."""

    def __init__(self, lane: Lane) -> None:
        self._said: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self._process = subprocess.Popen(
            # -P: files in the working folder are no modules
            [sys.executable, "-P", "-m", "latentrank.runs.executor"],
            env={**os.environ, **lane},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            start_new_session=True,  # Ctrl-C reaches it through this process alone
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout

    def train(self, training: Training) -> None:
        """Have it train, and wait until it has."""
        asked = {"config": training.config.model_dump(mode="json"), "folder": str(training.folder)}
        answer = ""
        with suppress(OSError):
            self._to.write(json.dumps(asked) + "\n")
            self._to.flush()
            answer = self._from.readline()
        if not answer:
            self._process.wait()
            self._said.seek(0)
            raise RuntimeError(f"The training of {training.name} broke off:\n{self._said.read()}")
        if reason := json.loads(answer):
            raise InputError(reason)

    def let_go(self) -> None:
        """Have it keep what it can go on from, and end."""
        with suppress(OSError):
            self._to.close()

    def wait(self) -> None:
        """Until it has ended."""
        self._process.wait()
        self._from.close()
        self._said.close()


def _side_by_side(
    trainings: Sequence[Training], where: Sequence[Lane], clock: _Clock, say: Say, progress: bool
) -> dict[str, str]:
    workers = [_Worker(lane) for lane in where]
    waiting, free = deque(trainings), list(workers)
    running: dict[Future[None], tuple[Training, _Worker]] = {}
    failed: dict[str, str] = {}
    board = _Board(len(trainings), progress)
    with ThreadPoolExecutor(len(workers)) as pool:
        try:
            while waiting or running:
                while waiting and free:
                    training, worker = waiting.popleft(), free.pop()
                    running[pool.submit(worker.train, training)] = training, worker
                ended, _ = wait(running, _SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
                board.show([training for training, _ in running.values()])
                for future in ended:
                    training, worker = running.pop(future)
                    free.append(worker)
                    clock.learn(training)
                    left = clock.left([*(t for t, _ in running.values()), *waiting], len(where))
                    count = len(trainings) - len(waiting) - len(running)
                    board.clear()
                    try:
                        future.result()
                        say(f"trained {count} of {len(trainings)}: {training.name}{left}")
                    except InputError as error:
                        failed[training.folder.name] = str(error)
                        say(f"left out: {training.name}. {error}")
        finally:
            board.clear()
            for worker in workers:
                worker.let_go()
            for worker in workers:
                worker.wait()
    return failed


class _Board:
    """A progress line for each training that runs, and one for all of them.

    Args:
        total: how many trainings there are.
        shown: whether anything is to be seen.
    """

    def __init__(self, total: int, shown: bool) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=12),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            transient=True,
            # elsewhere than in a terminal nothing can be taken back, and blank lines would stay
            disable=not (shown and console.is_terminal),
            speed_estimate_period=3600,
        )
        self._all = self._progress.add_task("all trainings", total=float(total))
        self._lines: dict[Path, TaskID] = {}
        self._ended = 0

    def clear(self) -> None:
        """Leave the terminal to others until it is shown again."""
        self._progress.stop()

    def show(self, running: Sequence[Training]) -> None:
        """Show how far each of those that run is."""
        if self._progress.disable:
            return  # nobody looks, so no history is read
        folders = [training.folder for training in running]
        for folder in [folder for folder in self._lines if folder not in folders]:
            self._progress.remove_task(self._lines.pop(folder))
            self._ended += 1
        behind = 0.0
        for training in running:
            if training.folder not in self._lines:
                self._lines[training.folder] = self._progress.add_task(training.name, total=1.0)
            fraction = training.fraction
            self._progress.update(self._lines[training.folder], completed=fraction)
            behind += fraction
        self._progress.update(self._all, completed=self._ended + behind)
        self._progress.start()


def _work() -> None:
    """Carry out what standard input asks for, line by line, until that is closed."""
    # A shell has what it starts in the background ignore interrupts, also the one below.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # What is printed on the way belongs to the errors; standard output is for answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    with suppress(KeyboardInterrupt):
        while line := asked.get():
            told, reason = json.loads(line), ""
            try:
                config = RunConfig(**told["config"])
                train(Training("", "", config, Path(told["folder"])))
            except InputError as error:
                reason = str(error)
            answers.write(json.dumps(reason) + "\n")
            answers.flush()


def _listen(asked: SimpleQueue[str]) -> None:
    for line in sys.stdin:
        asked.put(line)
    asked.put("")  # where nothing is trained, nothing hears the interrupt
    _thread.interrupt_main()


if __name__ == "__main__":
    _work()
