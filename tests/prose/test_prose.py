"""Misspelt words and wrong articles in prose are found, and code, names and our words are not."""

from __future__ import annotations

import json

import pytest

from tests.prose.run import check, main, repository

FAULTY = "Two personas, which were recieved, gave a answer."
RIGHT = "The gate of `recieve` is a softmax; vLLM's p_real and Kish's colour are ours."
MODULE = f'"""{FAULTY}\n\nExamples\n--------\n>>> recieve()\n"""\nrecieve = 1  # recieve\n'


@pytest.fixture
def files(tmp_path):
    """Return a page, a notebook and a module with the same faults, and a page without one."""
    cells = [
        {"cell_type": "markdown", "source": [FAULTY]},
        {"cell_type": "code", "source": ["# recieve"], "outputs": []},
    ]
    texts = {
        "page.md": f"{FAULTY}\n\n```\nrecieve\n```\n",
        "notebook.ipynb": json.dumps({"cells": cells}),
        "module.py": MODULE,
        "right.md": RIGHT,
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return [tmp_path / name for name in texts]


def test_faults_are_found_in_prose_and_nowhere_else(files):
    *faulty, right = check(files).values()
    for problems in faulty:
        assert [":1: 'recieved' (SpellCheck)" in line for line in problems].count(True) == 1
        assert [":1: 'a' (AnA)" in line for line in problems].count(True) == 1
        assert len(problems) == 2
    assert right == []


def test_the_command_fails_on_a_fault(files, capsys):
    assert main([str(files[0])]) == 1
    assert "'recieved'" in capsys.readouterr().out
    assert main([str(files[-1])]) == 0


def test_the_prose_of_the_repository_is_checked():
    names = {file.name for file in repository()}
    assert {"README.md", "TEACHING.md", "surveys.md", "study.py", "00_start_here.ipynb"} <= names
