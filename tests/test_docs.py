"""The documentation's sources: everything public has a page, and all code on the pages runs.

`make docs` builds the pages and checks their links; it is too slow for these tests.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from pathlib import Path

import pytest

import jupyter_mop
from jupyter_mop.notebook.magics.register import MopMagics

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

from generate import links, magics, notebooks, reference, results, snippets  # noqa: E402  docs/ is on the path above

TASKS = re.findall(
    r"^\| (.+?) \| `([\w/]+\.py)` \| `([\w.]+)` \|$",
    (DOCS / "find-your-way.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)
HOW_TO = sorted((DOCS / "howto").glob("*.md"))
MAX_BYTES = 60_000


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Write the pages of magics (their examples run), reference and notebooks."""
    folder = tmp_path_factory.mktemp("pages")
    magics.write(folder, ROOT / "notebooks", DOCS / "pictures")
    reference.write(folder)
    notebooks.write(ROOT / "notebooks", folder)
    return folder


def test_every_magic_has_a_page_with_all_of_its_options(pages):
    known = {*MopMagics.magics["line"], *MopMagics.magics["cell"]}
    index = (pages / "magics" / "index.md").read_text()
    assert len(known) > 20
    for name in known:
        page = (pages / "magics" / f"{name}.md").read_text()
        actions = getattr(MopMagics, name).parser._actions
        ours = [a for a in actions if not isinstance(a, argparse._HelpAction)]
        assert page.count("````{option}") == len(ours)
        for action in ours:
            assert re.search(
                rf"\{{option\}} .*{re.escape((action.option_strings or [action.dest])[-1])}", page
            )
        assert f"({name}.md)" in index


def test_every_magic_has_an_example_that_ran_or_a_picture(pages):
    without = {"mop_resume"}  # there is nothing to show without a run that was stopped
    for name in magics.magics().keys() - without:
        page = (pages / "magics" / f"{name}.md").read_text()
        assert "## Example" in page or f"../pictures/{name}.png" in page, name


def test_every_public_name_and_module_has_a_page(pages):
    written = {file.stem for file in (pages / "reference").glob("*.rst")}
    index = (pages / "reference" / "index.rst").read_text()
    for name in set(jupyter_mop.__all__) - reference.WITHOUT_PAGE:
        assert ".. auto" in (pages / "reference" / f"{name}.rst").read_text()
        assert f":doc:`{name} <" in index
    files = (ROOT / "jupyter_mop").rglob("[a-z]*.py")
    modules = {".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files}
    assert modules <= written
    folders = {page.removeprefix("folder-") for page in written if page.startswith("folder-")}
    assert folders == {
        ".".join(file.parent.relative_to(ROOT).parts)
        for file in (ROOT / "jupyter_mop").rglob("__init__.py")
    }


def test_every_public_class_and_function_is_documented(pages):
    for folder in reference.FOLDERS:
        for module in reference.modules(folder):
            page = (pages / "reference" / f"{module}.rst").read_text()
            for name in reference._own(sys.modules[module]):
                assert re.search(rf"\b{name}\b", page), f"{module}.{name}"


def test_every_notebook_is_a_page(pages):
    index = (pages / "notebooks" / "index.md").read_text()
    for file in (ROOT / "notebooks").glob("*.ipynb"):
        assert (pages / "notebooks" / file.name).is_file()
        assert f"\n{file.stem}\n" in index


@pytest.mark.parametrize("how_to", HOW_TO, ids=lambda how_to: how_to.stem)
def test_the_code_of_a_how_to_page_runs(how_to):
    assert snippets.check(how_to) > 1 or how_to.stem == "index"


def test_the_smallest_backend_of_the_worked_examples_runs_and_is_small():
    page = DOCS / "adding.md"
    assert snippets.check(page) == 1
    (_, code), *_ = snippets.snippets(page)
    assert len(code.splitlines()) <= 25


def test_code_that_fails_or_has_another_output_is_reported(tmp_path):
    page = tmp_path / "page.md"
    for code in (
        "```ipython\n%mop_simulate\n```\n",
        "```python\n>>> 1 + 1\n3\n```\n",
        "```{code-block} ipython\n%mop_fit --exemplar_count 3\n```\n",
    ):
        page.write_text(code)
        with pytest.raises((Exception, SystemExit)):
            snippets.check(page)


def test_broken_links_and_outside_resources_are_reported(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="top">A</h1><a href="b.html#there">b</a><a href="b.html#gone">b</a>'
        '<a href="c.html">c</a><a href="https://example.org">fine</a><img src="data:,">'
        '<script src="https://example.org/x.js"></script><link rel="stylesheet" href="//x.org/y">'
    )
    (tmp_path / "b.html").write_text('<h1 id="there">B</h1><a href="a.html#top">a</a>')
    assert links.faults(tmp_path) == [
        "a.html loads https://example.org/x.js",
        "a.html loads //x.org/y",
        "a.html: broken link b.html#gone",
        "a.html: broken link c.html",
    ]


def test_tables_of_results_are_read_from_their_files(tmp_path):
    page = tmp_path / "trust.md"
    page.write_text((DOCS / "trust.md").read_text())
    results.fill(page, ROOT / "notebooks" / "results")
    text = page.read_text()
    assert "<!-- results" not in text
    assert re.search(r"\| two halves of the real \| \d\.\d{3} \[", text)


def test_pictures_are_small_and_used():
    names = {f"{name}.png" for name in magics.magics()}
    for picture in (DOCS / "pictures").glob("*"):
        assert picture.stat().st_size < MAX_BYTES
        assert picture.name in names


def defined(tree: ast.Module | ast.ClassDef) -> dict[str, ast.stmt]:
    """Return what a module or a class defines, by name."""
    names: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id: node for target in targets if isinstance(target, ast.Name)}
    return names


def is_defined(file: Path, name: str) -> bool:
    """Return whether a file defines a name, or a class in it the name after a dot."""
    scope: ast.stmt | ast.Module = ast.parse(file.read_text(encoding="utf-8"))
    for part in name.split("."):
        names = defined(scope) if isinstance(scope, ast.Module | ast.ClassDef) else {}
        if part not in names:
            return False
        scope = names[part]
    return True


@pytest.mark.parametrize(("task", "file", "name"), TASKS, ids=[task for task, *_ in TASKS])
def test_the_way_to_an_everyday_task_exists(task, file, name):
    assert is_defined(ROOT / "jupyter_mop" / file, name), f"{task}: {file} defines no {name}"


def test_there_are_ways_for_thirty_tasks():
    text = (DOCS / "find-your-way.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if re.match(r"\| (?!task|---)", line)]
    assert len(TASKS) == len(rows) >= 30
    assert not is_defined(ROOT / "jupyter_mop" / "errors.py", "MopError.cellar")
