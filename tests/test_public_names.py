from __future__ import annotations

import doctest
import inspect
import pkgutil
from importlib import import_module
from types import ModuleType

import pytest

import jupyter_mop
import jupyter_mop.backends
import jupyter_mop.engine
from jupyter_mop.errors import MopError

TAUGHT = [
    "jupyter_mop.engine.evaluation.alignment",
    "jupyter_mop.backends.store.cached",
    "jupyter_mop.backends.store.sqlite_store",
    "jupyter_mop.backends.toy",
    "jupyter_mop.charts",
    "jupyter_mop.notebook.widgets.survey",
    "jupyter_mop.notebook.widgets.weights",
    "jupyter_mop.study.study",
    *(m.name for m in pkgutil.walk_packages(jupyter_mop.engine.__path__, "jupyter_mop.engine.")),
]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", sorted(jupyter_mop._PUBLIC))
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(jupyter_mop, name)
    if not isinstance(value, ModuleType):
        assert value.__name__ == name
        assert value.__doc__


def test_the_names_are_listed_and_starred() -> None:
    assert set(jupyter_mop._PUBLIC) <= set(dir(jupyter_mop))
    assert set(jupyter_mop.__all__) == {
        "__version__",
        "load_ipython_extension",
        *jupyter_mop._PUBLIC,
    }


def test_the_names_that_a_backend_of_ones_own_needs_are_public() -> None:
    protocols = import_module("jupyter_mop.backends.protocols")
    for name in ("Backend", "Completion", "Encoder", "GenerationRequest", "Message", "Prompt",
                 "ScoreRequest", "TokenScores"):  # fmt: skip
        assert getattr(jupyter_mop, name) is getattr(protocols, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Persoona'"):
        jupyter_mop.Persoona  # noqa: B018
    assert not hasattr(jupyter_mop, "engine_room")


@pytest.mark.parametrize("module", TAUGHT)
def test_the_examples_run(module: str) -> None:
    result = doctest.testmod(import_module(module), optionflags=OPTIONS)
    assert result.failed == 0


def test_there_are_examples() -> None:
    found = [e for m in TAUGHT for e in doctest.DocTestFinder().find(import_module(m))]
    assert sum(bool(test.examples) for test in found) > 20


def test_every_error_has_a_hint_and_is_one_block() -> None:
    errors = import_module("jupyter_mop.errors")
    kinds = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, MopError)]
    assert len(kinds) > 5
    for kind in kinds:
        error = kind("Something came.", hint="Do this.")
        assert str(error) == "Something came. Do this."
        lines = error._render_traceback_()
        assert len(lines) == 2
        assert kind.__name__ in lines[0]
        assert "Do this." in lines[1]
