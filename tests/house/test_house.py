"""The layout stays within the limits that CONTRIBUTING.md states, and the script measures them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.run import (
    MAX_ENGINE_LEVELS,
    MAX_MODULES,
    ROOT,
    House,
    body_length,
    imported,
    levels,
    n_parameters,
)

HOUSE = House(ROOT)


def test_no_folder_has_too_many_modules():
    sizes = HOUSE.modules_by_folder()
    assert {folder: n for folder, n in sizes.items() if n > MAX_MODULES} == {}


def test_the_engine_has_few_import_levels():
    assert levels(HOUSE.entries_within("jupyter_mop.engine")) <= MAX_ENGINE_LEVELS


def test_study_inherits_from_no_class_of_ours():
    assert HOUSE.inheritance_depth("Study") == 1


def test_no_public_function_has_too_many_parameters():
    assert HOUSE.many_parameters() == []


@pytest.fixture
def small(tmp_path: Path) -> House:
    """A package of three modules, two of them in a folder."""
    files = {
        "__init__.py": "",
        "study.py": (
            "from typing import TYPE_CHECKING\n"
            "from jupyter_mop.engine.top import Top\n"
            "if TYPE_CHECKING:\n    from jupyter_mop.engine import low\n"
            "class Study(Top): pass\n"
        ),
        "engine/__init__.py": "",
        "engine/top.py": (
            "def load():\n    from jupyter_mop.engine.low import Low\n"
            "class Top(Low):\n"
            f"    def many(self, {', '.join(f'p{i}' for i in range(10))}): pass\n"
        ),
        "engine/low.py": "class Low: pass\n",
    }
    for name, text in files.items():
        file = tmp_path / "jupyter_mop" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return House(tmp_path)


def test_a_small_package_is_measured(small: House):
    assert small.modules_by_folder() == {"jupyter_mop": 1, "jupyter_mop/engine": 2}
    assert small.imports["jupyter_mop.study"] == {"jupyter_mop.engine.top"}
    assert levels(small.modules_within("jupyter_mop")) == 3
    assert small.entries_within("jupyter_mop") == {"study": {"engine"}, "engine": set()}
    assert small.inheritance_depth("Study") == 3
    assert small.many_parameters() == ["jupyter_mop.engine.top.Top.many (10)"]
    assert small.largest_file() == (5, "jupyter_mop/study.py")


def test_a_function_is_measured_without_its_docstring_and_without_self():
    function = ast.parse(
        'def f(self, a, *b, c=1, **d):\n    """Text."""\n    x = 1\n\n    return x'
    )
    assert body_length(function.body[0]) == 3
    assert n_parameters(function.body[0]) == 4


def test_an_import_inside_a_function_counts():
    tree = ast.parse("def f():\n    import a.b\n    from c import d")
    assert sorted(imported(tree)) == ["a.b", "c.d"]
