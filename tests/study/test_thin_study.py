"""`Study` stays thin: one class without bases, short methods, one engine call in each."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from jupyter_mop import Study

MAX_BODY_LINES = 15
TREE = ast.parse(Path(inspect.getfile(Study)).read_text(encoding="utf-8"))
(CLASS,) = (node for node in TREE.body if isinstance(node, ast.ClassDef) and node.name == "Study")
METHODS = [node for node in CLASS.body if isinstance(node, ast.FunctionDef)]
FROM_ENGINE = {
    alias.asname or alias.name
    for node in ast.walk(TREE)
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jupyter_mop.engine")
    for alias in node.names
}


def body(method: ast.FunctionDef) -> list[ast.stmt]:
    """Return the statements after the docstring."""
    return method.body[1:] if ast.get_docstring(method) else method.body


def engine_calls(method: ast.FunctionDef) -> list[str]:
    """Return the calls of names imported from the engine; a set of options does not count."""
    called = []
    for node in ast.walk(ast.Module(body(method), [])):
        target = node.func if isinstance(node, ast.Call) else None
        while isinstance(target, ast.Attribute):
            target = target.value
        if isinstance(target, ast.Name) and target.id in FROM_ENGINE:
            called.append(target.id)
    return [name for name in called if not name.endswith("Options")]


def test_study_inherits_from_nothing() -> None:
    assert Study.__bases__ == (object,)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_method_is_short_and_calls_the_engine_once(method: ast.FunctionDef) -> None:
    statements = body(method)
    n_lines = (statements[-1].end_lineno or 0) - statements[0].lineno + 1
    assert n_lines <= MAX_BODY_LINES
    assert len(engine_calls(method)) <= 1


def test_the_engine_calls_are_counted() -> None:
    found = {method.name: engine_calls(method) for method in METHODS}
    assert found["align"] == ["align"]
    assert found["load"] == ["MixtureOfPersonas"]
    assert found["use_population"] == ["Population"]
