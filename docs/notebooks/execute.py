"""Execute the notebooks, each in a temporary folder, and store their outputs.

python docs/notebooks/execute.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from latentrank.io import write_text


def executed(path: Path, folder: Path) -> nbformat.NotebookNode:
    """A notebook after execution from top to bottom.

    Args:
        path: the notebook.
        folder: where its files go.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return notebook


def main() -> None:
    """Execute all notebooks here."""
    for path in sorted(Path(__file__).parent.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            text = nbformat.writes(executed(path, Path(folder)))
        write_text(path, text.rstrip("\n") + "\n")


if __name__ == "__main__":
    main()
