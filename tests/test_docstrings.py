"""The examples in docstrings run, and every public class and function has a first line."""

from __future__ import annotations

import doctest
import importlib
import inspect
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEED_THE_MODEL = {"jupyter_mop.backends.openvino.backend", "jupyter_mop.backends.openvino.encoder"}
MODULES = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for file in sorted((ROOT / "jupyter_mop").rglob("*.py"))
]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.model) if name in NEED_THE_MODEL else name
        for name in MODULES
    ],
)
def test_the_examples_run(name: str) -> None:
    module = importlib.import_module(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        failures, _ = doctest.testmod(module)
    assert failures == 0


@pytest.mark.parametrize("name", MODULES)
def test_every_public_class_and_function_has_a_first_line(name: str) -> None:
    module = importlib.import_module(name)
    for public, value in vars(module).items():
        ours = getattr(value, "__module__", "") == name
        if (
            ours
            and not public.startswith("_")
            and (inspect.isclass(value) or inspect.isfunction(value))
        ):
            first = (value.__doc__ or "").strip().split("\n")[0]
            assert first.endswith("."), f"{name}.{public}: {first!r}"
