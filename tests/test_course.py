"""The pages of the course without code: their links, and what they say about the chapters."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from jupyter_mop.teaching.verdicts import QUESTIONS

FOLDER = Path(__file__).parent.parent / "notebooks"
START, TEACHING = FOLDER / "00_start_here.ipynb", FOLDER / "TEACHING.md"
EXERCISES = sorted((FOLDER / "exercises").rglob("*.ipynb"))
CHAPTERS = {path.stem[:2]: path for path in FOLDER.glob("0[1-9]_*.ipynb")}
LINK = re.compile(r"\]\(([^)#\s]+)\)|src=\"([^\"]+)\"")
ANSWER = re.compile(r"^\d+\. .*\*([^*]+)\*$", re.MULTILINE)


def text_of(path):
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("path", [START, TEACHING, *EXERCISES], ids=lambda path: path.stem)
def test_no_link_is_broken(path):
    targets = ["".join(found) for found in LINK.findall(text_of(path))]
    assert targets
    files = [(path.parent / target).resolve() for target in targets if "://" not in target]
    assert not [file for file in files if not file.is_file()]


def test_the_start_page_is_short_and_links_to_every_chapter():
    text = text_of(START)
    assert text.count("<img ") == 1
    assert 'alt="' in text
    for stem in ("01_quickstart", "02_weights", "03_personas", "04_surveys", "05_does_it_work"):
        assert f"({stem}.ipynb)" in text
        assert f"(exercises/{stem}.ipynb)" in text
    assert "(TEACHING.md)" in text
    assert len(text.split()) < 350


def test_the_first_cell_of_the_start_page_answers_in_seconds_and_needs_no_model_file():
    first = next(c for c in nbformat.read(START, as_version=4).cells if c.cell_type == "code")
    *lines, last = first.source.splitlines()
    report = "json.dumps([type(shown).__name__, time.process_time(), 'openvino' in sys.modules])"
    program = ["import json, sys, time", *lines, f"shown = {last}", f"print({report})"]
    run = subprocess.run(
        [sys.executable, "-c", "\n".join(program)], capture_output=True, text=True, check=True
    )
    name, seconds, has_loaded_openvino = json.loads(run.stdout)
    assert (name, has_loaded_openvino) == ("AlignmentPanel", False)
    assert seconds < 10
    assert "AlignmentPanel" in json.dumps(first.outputs)


def test_the_teachers_page_names_existing_sections_and_questions():
    answers = ANSWER.findall(text_of(TEACHING))
    assert len(answers) > 12
    for answer in answers:
        assert set(re.findall(r"\d\.\d", answer)) <= set(QUESTIONS), answer
        for part in answer.split(";"):
            named = re.findall(r'"([^"]+?)[.,]?"', part)
            chapter = re.match(r"\s*(0\d),", part)
            if named and chapter:
                text = text_of(CHAPTERS[chapter[1]])
                assert [name for name in named if name not in text] == []


def test_students_and_teachers_see_the_same_times():
    minutes = {}
    for path in (START, TEACHING):
        rows = re.findall(r"^\| \[(\d\d) .*$", text_of(path), re.MULTILINE)
        lines = [line for line in text_of(path).splitlines() if line.startswith("| [0")]
        minutes[path] = [re.findall(r"(?<!\d)([2-4]\d)(?!\d)", line) for line in lines]
        assert rows == ["01", "02", "03", "04", "05", "06"]
    assert minutes[START] == minutes[TEACHING]
