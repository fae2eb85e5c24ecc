"""The quickstart's shape in JupyterLab: run all, move a slider, see the weights in Python."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.slow]

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "01_quickstart.ipynb"
SMALL = """import os

os.environ |= {"JUPYTER_MOP_QUICKSTART": "small", "JUPYTER_MOP_STORE": STORE}"""
ASK = "import json; print(json.dumps(panel.as_dict()))"
SIMULATE = "mine = %mop_simulate mine -n 4 --weights panel --candidates 1 --replace"
ASK_USED = "print(mine.provenance['weights'])"


def test_a_moved_slider_changes_the_weights_that_python_simulates_with(
    lab, page, artefacts, tmp_path, notebooks_store
):
    small = nbformat.read(QUICKSTART, as_version=4)
    setup = SMALL.replace(": STORE", ": " + repr(str(notebooks_store)), 1)
    small.cells.insert(0, nbformat.v4.new_code_cell(setup))
    nbformat.write(small, tmp_path / "quickstart.ipynb")
    notebook = lab.open(page, tmp_path / "quickstart.ipynb")
    notebook.run_all(timeout=600)
    page.locator(".mop-alignment").scroll_into_view_if_needed()
    before = json.loads(notebook.execute(ASK))
    slider = page.get_by_role("slider", name="Weight of skin", exact=True)
    slider.focus()
    for _ in range(3):
        slider.press("PageUp")
    notebook.settle()
    page.screenshot(path=artefacts / "quickstart.png")
    after = json.loads(notebook.execute(ASK))
    assert after["skin"] == pytest.approx(min(1, before["skin"] + 0.3), abs=0.02)
    assert sum(after.values()) == pytest.approx(1)
    notebook.execute(SIMULATE)
    used = dict(pair.split("=") for pair in notebook.execute(ASK_USED).split(", "))
    assert {name: float(share) for name, share in used.items()} == pytest.approx(after, abs=1e-3)
