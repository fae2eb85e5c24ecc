"""The committed notebooks: executed, small, and still running from the top."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from jupyter_mop.datasets import load_movie_reviews
from jupyter_mop.experiments.__main__ import EXPERIMENTS
from jupyter_mop.experiments.report import read_result

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
START, QUICKSTART, PERSONAS, SURVEYS, ENDPOINTS = (
    next(path for path in NOTEBOOKS if path.stem == stem)
    for stem in ("00_start_here", "01_quickstart", "03_personas", "04_surveys", "06_your_model")
)
METHODS = ["plain", "fewshot", "uniform", "learned"]
MAX_BYTES = 600_000
MIN_CHARACTERS = 30


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def output_text(notebook):
    return json.dumps([cell.outputs for cell in code_cells(notebook)], ensure_ascii=False)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def committed(request):
    return nbformat.read(request.param, as_version=4)


def test_committed_notebooks_are_executed_from_the_top(committed):
    counts = [cell.execution_count for cell in code_cells(committed)]
    assert counts == list(range(1, len(counts) + 1))


def test_committed_notebooks_are_small():
    sizes = {path.name: path.stat().st_size for path in NOTEBOOKS}
    assert all(size < MAX_BYTES for size in sizes.values()), sizes


def test_committed_outputs_quote_at_most_three_real_sentences(committed):
    text = output_text(committed)
    reviews = load_movie_reviews()["review"]
    quoted = [review for review in reviews if len(review) > MIN_CHARACTERS and review in text]
    assert len(quoted) <= 3, quoted


def test_committed_outputs_contain_no_path_of_the_machine_that_ran_them(committed):
    text = output_text(committed)
    assert not [path for path in ("/root/", "/tmp/", "/work/", "/opt/") if path in text]  # noqa: S108


def figures_of(notebook, tag="table"):
    """Return the value, low and high of each figure of each method in the tagged cell's table."""
    cell = next(cell for cell in notebook.cells if tag in cell.metadata.get("tags", []))
    text = "\n".join(output.get("data", {}).get("text/plain", "") for output in cell.outputs)
    rows = {}
    for line in text.splitlines():
        numbers = re.findall(r"(\d\.\d+) \[(\d\.\d+), (\d\.\d+)\]", line)
        if numbers:
            rows[line.split()[0]] = [tuple(map(float, each)) for each in numbers]
    return rows


def test_the_committed_quickstart_beats_plain_prompting_by_more_than_the_intervals():
    found = figures_of(nbformat.read(QUICKSTART, as_version=4))
    (_, plain_low, _), (_, _, plain_high) = found["plain"][:2]
    (_, _, high), (_, low, _) = found["learned"][:2]
    assert high < plain_low  # FID
    assert low > plain_high  # MAUVE


def test_the_committed_quickstart_finds_the_subgroups_better_than_equal_weights_do():
    text = output_text(nbformat.read(QUICKSTART, as_version=4))
    found = re.search(r"learned weights: ([\d.]+) .*?uniform weights: ([\d.]+)\)", text)
    assert float(found[1]) < 0.75 * float(found[2])


def test_the_committed_survey_shows_the_calibrated_answer_near_where_plain_prompting_is_far():
    notebook = nbformat.read(SURVEYS, as_version=4)
    table = [cell for cell in notebook.cells if "table" in cell.metadata.get("tags", [])][-1]
    text = table.outputs[0]["data"]["text/plain"]
    row = next(line.split() for line in text.splitlines() if line.startswith("everyone"))
    plain, _personas, _raw, mixture, floor = map(float, row[-5:])
    assert mixture < 2.5 * floor
    assert plain > 2 * mixture


def test_the_committed_experiments_show_the_committed_results():
    text = output_text(nbformat.read(QUICKSTART.with_name("05_does_it_work.ipynb"), as_version=4))
    results = [read_result(file) for file in (QUICKSTART.parent / "results").glob("*.json")]
    assert {result.name for result in results} >= set(EXPERIMENTS) - {
        "shift",
        "subgroups",
        "personas",
    }
    cells = {cell for result in results for cell in result.table().to_numpy().ravel()}
    assert not [cell for cell in cells if cell not in text]


@pytest.mark.slow
@pytest.mark.model
def test_the_survey_runs_from_the_top_in_small(tmp_path, notebooks_store, monkeypatch):
    monkeypatch.setenv("JUPYTER_MOP_QUICKSTART", "small")
    monkeypatch.setenv("JUPYTER_MOP_STORE", str(notebooks_store))
    notebook = nbformat.read(SURVEYS, as_version=4)
    probe = "print(near.to_json(orient='records'), report.to_json(orient='records'), sep='\\n')"
    notebook.cells.append(nbformat.v4.new_code_cell(probe))
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": tmp_path}}).execute()
    printed = "".join(output.text for output in notebook.cells[-1].outputs)
    near, report = (json.loads(line) for line in printed.splitlines())
    names = {"plain", "personas", "raw", "mixture", "floor"}
    assert {name for row in near for name in row} == names
    known = [value for row in near for value in row.values() if value is not None]
    assert len(known) > len(near)  # a subgroup of a few people has no floor
    assert all(0 <= value <= 1 for value in known)
    assert near[0]["mixture"] < 0.2  # everyone
    assert [row["question"] for row in report][-1] == "all"
    assert report[-1]["fit"] < report[-1]["shares"]


@pytest.mark.model
def test_the_quickstart_runs_from_the_top_in_small(tmp_path, notebooks_store, monkeypatch):
    monkeypatch.setenv("JUPYTER_MOP_QUICKSTART", "small")
    monkeypatch.setenv("JUPYTER_MOP_STORE", str(notebooks_store))
    notebook = nbformat.read(QUICKSTART, as_version=4)
    probe = nbformat.v4.new_code_cell("print(alignment.frame.to_json(orient='records'))")
    notebook.cells.append(probe)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()
    frame = json.loads("".join(output.text for output in notebook.cells[-1].outputs))
    assert list(dict.fromkeys(row["method"] for row in frame)) == METHODS
    figures = {"FID", "MAUVE", "KL cosine", "joint FID", "fidelity"}
    assert {row["figure"] for row in frame} == figures
    assert all(row["low"] <= row["value"] <= row["high"] for row in frame)


@pytest.mark.slow
@pytest.mark.model
def test_the_weights_notebook_runs_from_the_top_in_small(tmp_path, notebooks_store, monkeypatch):
    monkeypatch.setenv("JUPYTER_MOP_QUICKSTART", "small")
    monkeypatch.setenv("JUPYTER_MOP_STORE", str(notebooks_store))
    notebook = nbformat.read(QUICKSTART.with_name("02_weights.ipynb"), as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("print(found.after >= found.before)"))
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()
    assert [output.text.strip() for output in notebook.cells[-1].outputs] == ["True"]


@pytest.mark.slow
@pytest.mark.model
def test_the_notebook_of_personas_runs_from_the_top_in_small(
    tmp_path, notebooks_store, monkeypatch
):
    monkeypatch.setenv("JUPYTER_MOP_QUICKSTART", "small")
    monkeypatch.setenv("JUPYTER_MOP_STORE", str(notebooks_store))
    notebook = nbformat.read(PERSONAS, as_version=4)
    probe = nbformat.v4.new_code_cell("print(made.frame.to_json(orient='records'))")
    notebook.cells.append(probe)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()
    rows = json.loads("".join(output.text for output in notebook.cells[-1].outputs))
    assert len(rows) == 2
    assert all(row["description"].startswith("You ") for row in rows)
    assert all(row["longest_copy"] < 6 for row in rows if row["source"] == "model")


@pytest.mark.slow
@pytest.mark.model
def test_the_notebook_of_endpoints_runs_from_the_top_in_small(notebooks_store, monkeypatch):
    monkeypatch.setenv("JUPYTER_MOP_QUICKSTART", "small")
    monkeypatch.setenv("JUPYTER_MOP_STORE", str(notebooks_store))
    notebook = nbformat.read(ENDPOINTS, as_version=4)
    probe = (
        "print(runs.frame['state'].tolist()[-1], runs.frame['finished'].tolist()[-1] >= 8, "
        "len(uniform), again.frame.equals(carried.frame), len(thought), "
        "thought.provenance['batch'])"
    )
    notebook.cells.append(nbformat.v4.new_code_cell(probe))
    NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": ENDPOINTS.parent}}
    ).execute()
    errors = [text for cell in code_cells(notebook) for text in _errors(cell)]
    expected = [
        "no model 'smolm'",
        "Cannot reach a server",
        "exceed the budget",
        "Stopped",
    ]
    assert len(errors) == len(expected)
    assert all(part in text for part, text in zip(expected, errors, strict=True))
    assert notebook.cells[-1].outputs[0].text == "cancelled True 48 True 12 True\n"


def _errors(cell):
    return ["\n".join(o.traceback) for o in cell.outputs if o.output_type == "error"]


def test_the_committed_notebook_of_endpoints_does_not_show_its_key():
    text = output_text(nbformat.read(ENDPOINTS, as_version=4))
    assert "(0, False)" in text
    assert "sk-made-up" not in text
