"""The console on which progress and notes are shown."""

from __future__ import annotations

import sys

from rich.console import Console


def standard_error() -> Console:
    """A console on standard error that prints text as it is.

    A notebook gets the lines that a file would: it calls itself a terminal, but cannot redraw
    more than one line, and what rich has for notebooks needs ipywidgets and warns without them.
    """
    notebook = type(sys.stderr).__module__.startswith("ipykernel.")
    return Console(
        stderr=True,
        highlight=False,
        markup=False,
        force_jupyter=False,
        force_terminal=False if notebook else None,
    )
