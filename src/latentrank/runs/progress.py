"""Progress of many runs: the remaining time, and a line for each active run."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from latentrank.formatting import duration
from latentrank.runs.cache import PlannedRun, is_done
from latentrank.runs.folder import Run
from latentrank.terminal import standard_error


@dataclass
class Clock:
    """Estimates the remaining time from runs of the same group, preferably finished ones."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def learn(self, training: PlannedRun) -> None:
        """Take a run into account if it is finished."""
        if is_done(training):
            self.seconds[training.group].append(Run(training.folder).metrics["seconds"])

    def left(self, runs: Sequence[PlannedRun], at_once: int) -> str:
        """The remaining time of runs, as the end of a sentence; empty if unknown."""
        begun = [(run.group, *run.so_far) for run in runs]
        spans = {group: [seconds / share] for group, share, seconds in begun if share and seconds}
        spans |= self.seconds
        known = [span for group in spans.values() for span in group]
        if not known or not runs:
            return ""
        left = ((1 - share) * statistics.fmean(spans.get(g) or known) for g, share, _ in begun)
        return f", about {duration(sum(left) / at_once)} left"


class Board:
    """A progress line for each active run, and one for all runs.

    Nothing is shown if standard error is not a terminal.

    Args:
        total: total number of runs.
        shown: whether to show anything.
        console: console to print to; standard error by default.
    """

    def __init__(self, total: int, shown: bool, console: Console | None = None) -> None:
        console = console or standard_error()
        self._progress = Progress(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(bar_width=12),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            transient=True,
            # in a file the lines could not be overwritten
            disable=not (shown and console.is_terminal),
            speed_estimate_period=3600,
        )
        self._all = self._progress.add_task("all runs", total=float(total))
        self._lines: dict[Path, TaskID] = {}

    def clear(self) -> None:
        """Remove the lines temporarily."""
        self._progress.stop()

    def show(self, running: Sequence[PlannedRun], ended: int) -> None:
        """Show the progress of active runs, read from their histories."""
        if self._progress.disable:
            return
        for folder in self._lines.keys() - {training.folder for training in running}:
            self._progress.remove_task(self._lines.pop(folder))
        total = float(ended)
        for training in running:
            if training.folder not in self._lines:
                self._lines[training.folder] = self._progress.add_task(training.name, total=1.0)
            fraction, _ = training.so_far
            self._progress.update(self._lines[training.folder], completed=fraction)
            total += fraction
        self._progress.update(self._all, completed=total)
        self._progress.start()
