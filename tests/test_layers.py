"""Imports point down only: notebook, study, charts, engine, backends, config, errors."""

from __future__ import annotations

import ast
import re
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


def inside(name: str) -> str:
    return name.removeprefix("jupyter_mop").removeprefix(".")


GROUND = ("errors", "config", "options", "rendering")
PROTOCOLS = ("backends.protocols", "backends.chat_templates")
BACKENDS = (
    *("backends.cost", "backends.endpoint", "backends.openvino"),
    *("backends.store", "backends.cluster", "backends"),
)
ENGINE = (  # from the ground up: a folder imports from those before it
    *("metrics", "data", "gate", "simulation", "generation.baselines", "generation", "survey"),
    *("weighting", "mixture", "evaluation", "synthesis"),
)


def below(folder: str) -> tuple[str, ...]:
    """Return the engine's folders below `folder`, as dotted names."""
    return tuple(f"engine.{name}" for name in ENGINE[: ENGINE.index(folder)])


ALLOWED = {  # one row a folder: what it may import from besides itself
    "errors": (),
    "config": ("errors",),
    "options": ("errors",),
    "rendering": (),
    "datasets": ("errors",),
    "backends.protocols": ("errors",),
    "backends.chat_templates": ("backends.protocols", "errors"),
    "backends": (*GROUND, *PROTOCOLS, *BACKENDS),
    "backends.cost": (*GROUND, *PROTOCOLS),
    "backends.endpoint": (*GROUND, *PROTOCOLS, "backends.cost"),
    "backends.openvino": (*GROUND, *PROTOCOLS, "backends.cost", "backends.model_files"),
    "backends.store": (*GROUND, *PROTOCOLS, "backends.cost", "backends.endpoint.capabilities"),
    "backends.cluster": (
        *(*GROUND, *PROTOCOLS, "backends.toy"),
        *("backends.endpoint", "backends.openvino"),
    ),
    "engine": (),
    **{f"engine.{name}": (*GROUND, "backends.protocols", *below(name)) for name in ENGINE},
    "charts": (*GROUND, "charts", "engine", "backends"),
    "charts.style": GROUND,
    "study": (*GROUND, "charts", "engine", "backends"),
    "experiments": (*GROUND, "study", "charts", "engine", "backends", "datasets", ""),
    "teaching": (*GROUND, "teaching", "study", "charts.style", "engine", "backends"),
    "teaching.exercises": (*GROUND, "teaching", "study", "engine", "backends"),
    "notebook": (*GROUND, "notebook", "study", "charts", "engine", "backends", "datasets"),
    "notebook.magics": (*GROUND, "notebook", "study", "charts", "engine", "backends", "datasets"),
    "notebook.widgets": (*GROUND, "notebook.run_state", "study", "charts", "engine", "backends"),
    "": ("notebook", "charts", "rendering"),
}
FOLDERS = sorted(inside(name) for name, file in MODULES.items() if file.name == "__init__.py")
MAX_MODULES = 12
MARKUP = re.compile(
    r"</?(?:p|b|i|td|th|tr|table|span|div|h[1-6]|br|ul|ol|li|a|img|style|script|svg|pre|code)\b[^>]*>"
)
WITH_MARKUP = ("charts", "notebook.widgets")
REMOVED_MARKUP = {"experiments.populations": "<br />"}  # from downloaded reviews; never written
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


def is_under(name: str, rooms: tuple[str, ...]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def folder_of(name: str) -> str:
    """Return the row of the table that a module belongs to: its own, or else its folder's."""
    folder = name if name in FOLDERS else name.rpartition(".")[0]
    return name if name in ALLOWED else folder


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down_only(module: str) -> None:
    name = inside(module)
    row = folder_of(name)
    assert row in ALLOWED, f"the folder {row!r} has no row in this table: give it one"
    own = {inside(wanted) for wanted in imports(MODULES[module]) if is_ours(wanted)}
    allowed = (*ALLOWED[row], *([row] if row else []))
    wrong = {wanted for wanted in own if wanted and not is_under(wanted, allowed)}
    assert not wrong, f"{module} imports {sorted(wrong)}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_a_row_and_few_modules(folder: str) -> None:
    assert folder in ALLOWED
    held = [name for name in map(inside, MODULES) if name.rpartition(".")[0] == folder]
    modules = [name for name in held if name and name not in FOLDERS]
    assert len(modules) <= MAX_MODULES, f"{folder} has {len(modules)} modules: {modules}"


@pytest.mark.parametrize("module", MODULES)
def test_markup_is_written_in_charts_and_widgets_only(module: str) -> None:
    if is_under(inside(module), WITH_MARKUP):
        return
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if REMOVED_MARKUP.get(inside(module)) == node.value:
                continue
            found = MARKUP.search(node.value)
            assert not found or is_docstring(module, node), f"{module}:{node.lineno} {found}"


def is_docstring(module: str, constant: ast.Constant) -> bool:
    """Tell whether a string is an example in a docstring, which writes nothing."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = [ast.get_docstring(n, clean=False) for n in ast.walk(tree) if isinstance(n, kinds)]
    return constant.value in texts


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
        "def f():\n    from jupyter_mop.notebook.magics import register\n    import altair.vegalite"
    )
    assert set(imports(file)) == {"jupyter_mop.notebook.magics.register", "altair.vegalite"}
    assert not is_under("notebook.magics", ALLOWED["engine.metrics"])
    assert not is_under("engine.mixture", ALLOWED["engine.data"])
    assert MARKUP.search("<td class='x'>") and not MARKUP.search("a < b > c")
