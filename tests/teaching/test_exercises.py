"""Exercises run unsolved, solutions pass every check, and both are committed with their output."""

from __future__ import annotations

import atexit
import json
import sys
from pathlib import Path

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from jupyter_mop.teaching.verdicts import QUESTIONS, Verdict

FOLDER = Path(__file__).parents[2] / "notebooks" / "exercises"
EXERCISES = sorted(FOLDER.glob("*.ipynb"))
SOLUTIONS = sorted(FOLDER.glob("solutions/*.ipynb"))
MAX_BYTES = 200_000


def name_of(path):
    return f"{path.parent.name}-{path.stem}"


def code_cells(path):
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]


def shown(path):
    """Return the plain text of every output of a committed notebook."""
    outputs = [output for cell in code_cells(path) for output in cell.outputs]
    return [
        output.get("data", output).get("text/plain", output.get("text", "")) for output in outputs
    ]


@pytest.fixture
def run(notebooks_store, monkeypatch):
    """Give a function that runs a notebook in its folder and returns its verdicts."""
    main = sys.modules["__main__"]
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    monkeypatch.setenv("JUPYTER_MOP_STORE", str(notebooks_store))

    def verdicts(path):
        monkeypatch.chdir(path.parent)
        outcomes = [shell.run_cell(cell.source) for cell in code_cells(path)]
        for outcome in outcomes:
            outcome.raise_error()
        return [o.result for o in outcomes if isinstance(o.result, Verdict)]

    yield verdicts
    InteractiveShell.clear_instance()
    atexit.unregister(shell.atexit_operations)
    sys.modules["__main__"] = main


def questions_of(path):
    return [number for number in sorted(QUESTIONS) if number[0] == path.stem[1]]


def test_there_is_an_exercise_and_a_solution_for_each_chapter():
    stems = [path.stem for path in EXERCISES]
    assert [stem[:2] for stem in stems] == ["01", "02", "03", "04", "05", "06"]
    assert [path.stem for path in SOLUTIONS] == stems


@pytest.mark.parametrize("path", EXERCISES, ids=name_of)
def test_an_unsolved_exercise_runs_and_says_what_to_do(path, run):
    found = run(path)
    assert [(verdict.number, verdict.state) for verdict in found] == [
        (number, "to do") for number in questions_of(path)
    ]


@pytest.mark.parametrize("path", SOLUTIONS, ids=name_of)
def test_a_solution_passes_every_check(path, run):
    found = run(path)
    assert [(verdict.number, verdict.state) for verdict in found] == [
        (number, "right") for number in questions_of(path)
    ]


@pytest.mark.parametrize("path", [*EXERCISES, *SOLUTIONS], ids=name_of)
def test_it_is_committed_small_and_with_its_output(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert path.stat().st_size < MAX_BYTES
    text = json.dumps(shown(path))
    assert not [place for place in ("/root/", "/tmp/", "/work/") if place in text]  # noqa: S108
    state = "right:" if path.parent.name == "solutions" else "to do:"
    assert [number for number in questions_of(path) if f"{number} {state}" not in text] == []


@pytest.mark.parametrize("path", EXERCISES, ids=name_of)
def test_an_exercise_asks_what_its_solution_answers(path):
    solved = {cell.source for cell in code_cells(FOLDER / "solutions" / path.name)}
    open_ = [cell.source for cell in code_cells(path) if cell.source not in solved]
    assert all("= ..." in source or "../results" in source for source in open_)
    assert sum("= ..." in source for source in open_) == len(questions_of(path))
