"""Run every exercise and solution from the top, in place: python notebooks/exercises/run.py.

They run on the toy model, in seconds, with a temporary store.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
NOTEBOOKS = sorted([*HERE.glob("*.ipynb"), *HERE.glob("solutions/*.ipynb")])


def main(names: list[str]) -> None:
    """Run those whose path contains one of `names`, or all, and write them back."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["JUPYTER_MOP_STORE"] = str(Path(folder) / "store.sqlite")
        for path in NOTEBOOKS:
            if not names or any(name in str(path.relative_to(HERE)) for name in names):
                notebook = run(path)
                nbformat.write(notebook, path)
                print(path.relative_to(HERE), *verdicts(notebook), sep="\n  ")


def run(path: Path) -> nbformat.NotebookNode:
    """Return a notebook, run from the top in its own folder."""
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": path.parent}}
    NotebookClient(notebook, timeout=120, resources=resources, store_widget_state=False).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # execution times would change at every run
    return notebook


def verdicts(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the verdicts of `check`, in the order of the questions."""
    shown = [
        output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        if cell.cell_type == "code" and "check(" in cell.source
        for output in cell.outputs
    ]
    return [text for text in shown if text]


if __name__ == "__main__":
    main(sys.argv[1:])
