"""Timings that mean something on a machine that others use too.

Every figure is a ratio within one run. What is compared takes turns, so that a slower moment slows
all of it; time is that of the processor, on one thread; the median is given with its quartiles.
Results are kept in `results.json` and shown in `docs/performance.md`.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from latentrank.io import write_text

RESULTS = Path(__file__).with_name("results.json")
PAGE = RESULTS.parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->"


def take_turns(
    cases: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 2
) -> dict[str, list[float]]:
    """Processor seconds of each case in each round, on one thread."""
    torch.set_num_threads(1)
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    with threadpool_limits(1):  # of NumPy and scikit-learn
        for case in cases.values():
            for _ in range(warmup):
                case()
        for _ in range(rounds):
            for name, case in cases.items():
                started = time.process_time()
                case()
                seconds[name].append(time.process_time() - started)
    return seconds


def row(
    what: str, seconds: Mapping[str, list[float]], of: str, over: str, wanted: str = ""
) -> dict[str, Any]:
    """The time of one case over that of another, round by round.

    Args:
        what: said of it in the table.
        seconds: from `take_turns`.
        of: numerator.
        over: denominator.
        wanted: such as `"at least 10"`.
    """
    ratios = [a / b for a, b in zip(seconds[of], seconds[over], strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4)
    return {
        "what": what,
        "ratio": round(median, 3),
        "quartiles": [round(low, 3), round(high, 3)],
        "rounds": len(ratios),
        "milliseconds": {
            name: round(1e3 * statistics.median(seconds[name]), 3) for name in (of, over)
        },
        "wanted": wanted,
    }


def record(section: str, rows: list[dict[str, Any]]) -> None:
    """Store the rows of a script, print them, and rewrite the page's table."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    command = f"python benchmarks/{Path(sys.argv[0]).name}"
    kept[section] = {
        "command": command,
        "torch": torch.__version__,
        "machine": _machine(),
        "rows": rows,
    }
    write_text(RESULTS, json.dumps(kept, indent=2) + "\n")
    for one in rows:
        print(f"{section}: {one['what']}: {one['ratio']} {one['quartiles']}", flush=True)
    if PAGE.is_file():
        put(_table(kept), BEGIN, END)


def put(text: str, begin: str, end: str, page: Path = PAGE) -> None:
    """Rewrite a page with this text between two marks."""
    before, opened, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (opened and closed):
        sys.exit(f"{page} lacks {begin.strip()} and {end.strip()}, between which results go.")
    write_text(page, before + begin + text + end + after)


def _machine() -> str:
    return f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, one thread"


def _table(kept: Mapping[str, Any]) -> str:
    lines = [
        "| Measured | Ratio | Quartiles | Wanted | Milliseconds | Command |",
        "| --- | ---: | ---: | --- | --- | --- |",
    ]
    for section in kept.values():
        for one in section["rows"]:
            low, high = one["quartiles"]
            times = ", ".join(f"{name} {ms:.3g}" for name, ms in one["milliseconds"].items())
            cells = [one["what"], f"{one['ratio']:.2f}", f"{low:.2f} to {high:.2f}"]
            lines.append(
                "| " + " | ".join([*cells, one["wanted"], times, f"`{section['command']}`"]) + " |"
            )
    return "\n".join(lines) + "\n"
