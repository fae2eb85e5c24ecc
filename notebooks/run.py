"""Run a notebook from the top: python notebooks/run.py 01_quickstart.

Writes build/NAME.ipynb and build/NAME.html, and prints the output of the cells tagged "table".
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build"


def main(name: str) -> int:
    """Run notebooks/NAME.ipynb, write the result, print its tables; return 1 if a cell failed."""
    notebook = nbformat.read(HERE / f"{name}.ipynb", as_version=4)
    began = time.monotonic()
    failure = execute(notebook)
    files = write(notebook, name)
    if failure:
        print(f"\n{failure}\n")
    for output in table(notebook):
        print(f"\n{output}\n")
    print(f"{'Stopped' if failure else 'Done'} after {time.monotonic() - began:.0f} s:")
    print(*files, sep="\n")
    return 1 if failure else 0


def execute(notebook: nbformat.NotebookNode) -> CellExecutionError | None:
    """Run all cells in place, print a line for each, and return the error of a cell that failed."""

    def announce(cell: nbformat.NotebookNode, cell_index: int) -> None:
        if cell.cell_type == "code" and cell.source:
            line = cell.source.splitlines()[0]
            print(f"[{cell_index + 1}/{len(notebook.cells)}] {line[:90]}", flush=True)

    client = NotebookClient(
        notebook,
        timeout=None,
        resources={"metadata": {"path": HERE}},
        store_widget_state=False,
        on_cell_start=announce,
    )
    try:
        client.execute()
    except CellExecutionError as error:
        return error
    return None


def write(notebook: nbformat.NotebookNode, name: str) -> list[Path]:
    """Write the executed notebook, and as an HTML page that needs no network."""
    BUILD.mkdir(exist_ok=True)
    exporter = HTMLExporter(require_js_url="", mathjax_url="")
    page, _ = exporter.from_notebook_node(notebook)
    files = [BUILD / f"{name}.ipynb", BUILD / f"{name}.html"]
    nbformat.write(notebook, files[0])
    files[1].write_text(page, encoding="utf-8")
    return files


def table(notebook: nbformat.NotebookNode) -> list[str]:
    """Return, as plain text, the last table of each cell tagged "table"."""
    return [
        tables[-1]
        for cell in notebook.cells
        if "table" in cell.metadata.get("tags", []) and (tables := _tables(cell))
    ]


def _tables(cell: nbformat.NotebookNode) -> list[str]:
    shown = [output.get("data", {}) for output in cell.outputs]
    return [data["text/plain"] for data in shown if "text/html" in data]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
