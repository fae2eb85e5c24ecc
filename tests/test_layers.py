"""Imports point down only: notebook, study, charts, engine, backends, config, errors."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jupyter_mop"
MODULES = {
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted(PACKAGE.rglob("*.py"))
}
ALLOWED = {
    "errors": (),
    "config": ("errors",),
    "backends.base": ("errors",),
    "backends.models": ("config", "errors"),
    "backends.store": ("errors",),
    "backends.constants": (),
    "backends.capabilities": (),
    "backends.chat_templates": ("backends.base", "errors"),
    "backends.calls": ("backends.constants",),
    "backends.failures": ("backends.constants", "errors"),
    "backends.limits": ("backends.constants",),
    "backends.transport": (),
    "backends.hedging": (),
    "backends.connection": ("backends.constants", "backends.limits", "backends.transport"),
    "backends.endpoint": (
        *("backends.calls", "backends.connection", "backends.constants", "backends.failures"),
        *("backends.hedging", "backends.limits", "backends.meter", "backends.tokens", "errors"),
    ),
    "backends.echo": ("backends.base", "backends.failures"),
    "backends.embeddings": (
        *("backends.base", "backends.calls", "backends.constants", "backends.endpoint"),
        *("backends.failures", "backends.probing"),
    ),
    "backends.probing": (
        *("backends.base", "backends.capabilities", "backends.chat_templates"),
        *("backends.constants", "backends.echo", "backends.endpoint", "backends.failures"),
        "errors",
    ),
    "backends.openai": (
        *("backends.base", "backends.calls", "backends.capabilities", "backends.chat_templates"),
        *("backends.constants", "backends.echo", "backends.endpoint", "backends.failures"),
        *("backends.meter", "backends.prices", "backends.probing", "backends.tokens", "errors"),
    ),
    "backends.books": ("backends.store", "errors"),
    "backends.runs": ("backends.books", "backends.store", "errors"),
    "backends.workers": (
        *("backends.base", "backends.chat_templates", "backends.embeddings", "backends.encoders"),
        *("backends.local", "backends.openai", "backends.toy", "errors"),
    ),
    "backends.fanout": ("backends.constants", "backends.workers", "errors"),
    "backends.cluster": (
        *("backends.base", "backends.capabilities", "backends.fanout", "backends.workers"),
    ),
    "backends.cached": (
        *("backends.base", "backends.batches", "backends.books", "backends.capabilities"),
        *("backends.meter", "backends.prices", "backends.store", "backends.tokens"),
        *("config", "errors"),
    ),
    "backends.batches": ("backends.base", "backends.books", "backends.store"),
    "backends.prices": ("config", "errors"),
    "backends.meter": ("backends.prices", "errors"),
    "backends.tokens": ("backends.base", "backends.meter"),
    "backends.costs": ("backends.meter", "backends.prices"),
    "backends.planned": (
        *("backends.base", "backends.batches", "backends.cached", "backends.costs"),
        *("backends.tokens", "errors"),
    ),
    "backends.toy": ("backends.base", "backends.prices", "errors"),
    "backends.loading": (),
    "backends.gguf": ("backends.loading", "backends.models", "errors"),
    "backends.pipeline": (
        *("backends.base", "backends.chat_templates", "backends.gguf", "backends.loading"),
        *("backends.models", "backends.prefixes", "errors"),
    ),
    "backends.local": (
        *("backends.base", "backends.chat_templates", "backends.models", "backends.gguf"),
        *("backends.pipeline", "backends.prefixes", "backends.prices", "config", "errors"),
    ),
    "backends": (
        *("backends.base", "backends.loading", "backends.models", "backends.store", "config"),
        "errors",
    ),
    "engine": ("engine", "backends.base", "config", "errors"),
    "datasets": ("datasets", "errors"),
    "charts": ("charts", "engine", "errors"),
    "alignment": ("charts", "engine", "backends.base", "config", "errors"),
    "comparison": ("alignment", "engine", "backends.base", "config", "errors"),
    "holdings": ("alignment", "engine", "backends", "config", "errors"),
    "inspection": ("holdings", "comparison", "engine", "backends.base", "config", "errors"),
    "inference": ("inspection", "holdings", "alignment", "engine", "errors"),
    "runs": ("holdings", "engine", "backends", "errors"),
    "spending": ("inference", "backends", "errors"),
    "study": (
        "spending",
        "inspection",
        "runs",
        "holdings",
        "inference",
        "alignment",
        "comparison",
        "charts",
        "engine",
        "backends",
        "config",
        "errors",
    ),
    "experiments": (
        *("experiments", "study", "holdings", "charts", "engine", "backends"),
        *("datasets", "config", "errors", ""),
    ),
    "teaching": (
        *("teaching", "study", "alignment", "engine", "errors"),
        *("backends.base", "backends.costs", "backends.toy"),
    ),
    "notebook": (
        *("notebook", "study", "comparison", "alignment", "charts", "engine"),
        *("backends.base", "backends.capabilities", "backends.chat_templates", "backends.costs"),
        "backends.runs",
        *("datasets", "config", "errors"),
    ),
    "": ("notebook", "charts", "engine.views"),
}
ENGINE_LIBRARIES = {
    *("numpy", "pandas", "scipy", "sklearn", "threadpoolctl", "yaml"),
    *("narwhals", "datasets", "pyarrow"),  # other frames in, and simulations out
}
HEAVY = ("IPython", "ipywidgets", "anywidget", "altair", "openai", "openvino", "matplotlib")


def imports(file: Path, *, with_types: bool = True) -> Iterator[str]:
    """Yield what `file` imports, inside functions too, as dotted names of modules."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    if not with_types:
        blocks = [node for node in nodes if isinstance(node, ast.If) and is_for_types(node)]
        hidden = {id(inner) for block in blocks for part in block.body for inner in ast.walk(part)}
        nodes = [node for node in nodes if id(node) not in hidden]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"relative import in {file}, line {node.lineno}"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module or "" for name in names)


def is_for_types(node: ast.If) -> bool:
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def inside(name: str) -> str:
    return name.removeprefix("jupyter_mop").removeprefix(".")


def is_under(name: str, rooms: tuple[str, ...]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down_only(module: str) -> None:
    name = inside(module)
    floor = max((room for room in ALLOWED if is_under(name, (room,)) or not room), key=len)
    assert floor or not name, f"{module} is on no floor: give it one in this table"
    own = {inside(wanted) for wanted in imports(MODULES[module]) if is_ours(wanted)}
    wrong = {wanted for wanted in own if wanted and not is_under(wanted, ALLOWED[floor])}
    assert not wrong, f"{module} imports {sorted(wrong)}"


def is_ours(name: str) -> bool:
    return is_under(name, ("jupyter_mop",))


def test_no_two_modules_need_each_other() -> None:
    graph = {
        module: {name for name in imports(file, with_types=False) if is_ours(name)}
        - {"jupyter_mop"}
        for module, file in MODULES.items()
        if module != "jupyter_mop"
    }
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize(
    "module", [name for name in MODULES if is_under(inside(name), ("engine",))]
)
def test_the_engine_needs_numbers_and_frames_only(module: str) -> None:
    roots = {name.split(".")[0] for name in imports(MODULES[module])} - {"jupyter_mop"}
    assert roots - set(sys.stdlib_module_names) <= ENGINE_LIBRARIES
    assert not {"sqlite3", "importlib"} & roots
    assert "__import__" not in MODULES[module].read_text(encoding="utf-8")


def test_importing_the_engine_loads_no_notebook_chart_or_client() -> None:
    engine = [name for name in MODULES if is_under(inside(name), ("engine",))]
    code = f"""
import importlib, sys
for name in {engine}:
    importlib.import_module(name)
print(*(name for name in {HEAVY} if name in sys.modules))
"""
    told = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    assert told.stdout.strip() == ""


def test_the_rules_can_fail(tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(
        "def f():\n    from jupyter_mop.notebook import magics\n    import altair.vegalite"
    )
    assert set(imports(file)) == {"jupyter_mop.notebook.magics", "altair.vegalite"}
    assert not is_under("notebook.magics", ALLOWED["engine"])
