"""Callbacks: the history file and the progress line."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from torch import Tensor

from latentrank.errors import InputError
from latentrank.formatting import counted
from latentrank.io import csv_text, write_text
from latentrank.terminal import standard_error
from latentrank.training.ahead import SomeBatches
from latentrank.training.context import is_last_epoch, total_steps
from latentrank.training.module import TrainingModule

_T = TypeVar("_T")

#: Seconds between updates of the progress line.
_REFRESH = 0.1


def checked(callbacks: Any) -> list[Callback]:
    """The user's callbacks; Lightning itself would notice a wrong one only during training.

    Args:
        callbacks: several, one, or None.

    Raises:
        InputError: one is not a callback of Lightning.

    Example:
        >>> checked([print])
        Traceback (most recent call last):
        latentrank.errors.InputError: callbacks holds a builtin_function_or_method, expected ...
    """
    given = list(callbacks or ()) if isinstance(callbacks, Sequence | None) else [callbacks]
    for one in given:
        if not isinstance(one, Callback):
            raise InputError(
                f"callbacks holds a {type(one).__name__}, expected objects of "
                "lightning.pytorch.Callback; give these."
            )
    return given


class History(Callback):
    """One row per validation: epoch, step, seconds and everything logged; written to a CSV file.

    The rows are part of the checkpoint, so a resumed run's history has no gaps or duplicates.

    Args:
        path: the CSV file, or None to keep the rows in memory only.

    Attributes:
        rows: the rows so far.
        reports: results of parts of the training, such as a rank search, by their name in the
            metrics.
        precision: precision of training.
        threads: number of threads.
    """

    precision: str = "32-true"
    threads: int = 1

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self.reports: dict[str, dict[str, Any]] = {}
        self._seconds_before = 0.0
        self._started = time.monotonic()
        self._ended: float | None = None
        self._validated = False

    def __repr__(self) -> str:
        error = self.rows[-1].get("validation_error") if self.rows else None
        last = "" if error is None else f", error {error:.5g}"
        return f"<History of {counted(len(self.rows), 'validation')}{last}>"

    @property
    def seconds(self) -> float:
        """Time spent training, over all parts of an interrupted run."""
        now = time.monotonic() if self._ended is None else self._ended
        return self._seconds_before + now - self._started

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._started, self._ended = time.monotonic(), None

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Stop the clock: measuring the trained model is not training."""
        self._ended = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that this epoch gets a row."""
        self._validated = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add a row if this epoch was validated; the last epoch gets at least its losses."""
        logged = trainer.callback_metrics
        if self._validated:
            self._validated = False
            self._add(trainer, logged)
        elif is_last_epoch(trainer):
            self._add(trainer, {k: v for k, v in logged.items() if k.startswith("train/")})

    def _add(self, trainer: Trainer, logged: Mapping[str, Tensor]) -> None:
        self.rows.append(
            {
                "epoch": math.ceil(trainer.global_step / trainer.num_training_batches),
                "step": trainer.global_step,
                "seconds": round(self.seconds, 3),
                **{name: float(value) for name, value in logged.items()},
            }
        )
        if trainer.is_global_zero:
            self._write()

    def record(self, row: dict[str, float]) -> None:
        """Add the row of a model solved in closed form, and stop the clock."""
        self._ended = time.monotonic()
        self.rows.append({**row, "seconds": round(self.seconds, 3)})
        self._write()

    def _write(self) -> None:
        if self.path is not None:
            names = list(dict.fromkeys(name for row in self.rows for name in row))
            rows = ([row.get(name, "") for name in names] for row in self.rows)
            write_text(self.path, csv_text(names, rows))

    def state_dict(self) -> dict[str, Any]:
        """Rows and seconds so far."""
        return {"rows": self.rows, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore an earlier part of the run."""
        self.rows = list(state_dict["rows"])
        self._seconds_before = float(state_dict["seconds"])


class LogTerms(Callback):
    """Logs the loss terms of an epoch before other callbacks read them."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the terms."""
        cast(TrainingModule, pl_module).log_terms()


class ProgressLine(SomeBatches):
    """One line for the whole run: epoch, reconstruction error, rank, time left.

    In a file, where a line cannot be redrawn, a new one is written every tenth of the run.

    Args:
        title: name of what is being trained.
        console: console to print to; standard error by default.
    """

    def __init__(self, title: str, console: Console | None = None) -> None:
        self.title = title
        self.console = console or standard_error()
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._tenths = 0
        self._moved = 0.0

    def follow(self, steps: Iterable[_T], total: int, what: str) -> Iterator[_T]:
        """Show a separate line for steps that precede those of the run.

        Args:
            steps: passed on one by one.
            total: how many there are.
            what: what is being done, in a few words.
        """
        self._start(total, 0, what)
        try:
            for done, step in enumerate(steps):
                if time.monotonic() > self._moved + _REFRESH:
                    self._move(done, what)
                yield step
            self._move(total, what)
        finally:
            self._stop()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the line."""
        if trainer.is_global_zero:
            self._start(total_steps(trainer), trainer.global_step, _figures(trainer))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance the line, a few times a second."""
        if self._progress is not None and time.monotonic() > self._moved + _REFRESH:
            self._moved = time.monotonic()
            self._progress.update(self._task, completed=trainer.global_step)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the latest figures."""
        self._move(trainer.global_step, _figures(trainer))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the finished line."""
        self._stop()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Release the terminal."""
        self._stop()

    def _start(self, total: int, completed: int, figures: str) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(bar_width=12),
            TaskProgressColumn(),
            TextColumn("{task.fields[figures]}"),
            # in a narrow terminal the bar shrinks, not the time
            TimeRemainingColumn(table_column=Column(no_wrap=True, min_width=7)),
            TextColumn("left"),
            console=self.console,
        )
        self._task = self._progress.add_task(
            self.title, total=total, completed=completed, figures=figures
        )
        self._tenths = 0
        self._progress.start()

    def _move(self, completed: int, figures: str) -> None:
        if self._progress is None:
            return
        self._moved = time.monotonic()
        self._progress.update(self._task, completed=completed, figures=figures)
        task = self._progress.tasks[self._task]
        tenths = int(10 * task.completed / (task.total or 1))
        # always write the last line
        if not self.console.is_terminal and self._tenths < tenths < 10:
            left = task.time_remaining
            text = f"{self.title}  {10 * tenths} %  {figures}"
            text += f"  {timedelta(seconds=round(left))} left" if left else ""
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)
        self._tenths = tenths

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _figures(trainer: Trainer) -> str:
    logged = trainer.callback_metrics
    text = f"epoch {trainer.current_epoch + 1}"
    if "validation_error" in logged:
        text += f"  error {float(logged['validation_error']):.5f}"
        text += f"  rank {float(logged['rank']):.0f}"
    return text
