"""Measure the layout of the package and print it as tables: make house, make house AT=REVISION.

With revisions, each is a column of its own before the column of the working tree, so that before
and after stand side by side. Everything is read from the syntax trees; nothing is imported.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "jupyter_mop"
MAX_MODULES = 12
MAX_ENGINE_LEVELS = 9
MAX_PARAMETERS = 9
LONG_FUNCTION = 30
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class House:
    """The package in the folder `root`, measured."""

    root: Path

    @cached_property
    def files(self) -> dict[str, Path]:
        """Every module by its dotted name."""
        return {
            ".".join(file.relative_to(self.root).with_suffix("").parts).removesuffix(".__init__"): (
                file
            )
            for file in sorted((self.root / PACKAGE).rglob("*.py"))
        }

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        return {name: ast.parse(file.read_text("utf-8")) for name, file in self.files.items()}

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """The modules of the package that each module imports, inside functions too."""
        return {
            name: {self._module(wanted) for wanted in imported(tree)} - {PACKAGE, name, None}
            for name, tree in self.trees.items()
            if name != PACKAGE
        }

    def _module(self, name: str) -> str | None:
        """Return the module that an imported dotted name belongs to, if it is one of ours."""
        if not f"{name}.".startswith(f"{PACKAGE}."):
            return None
        return name if name in self.files else name.rpartition(".")[0]

    def modules_by_folder(self) -> Counter[str]:
        """Return the number of modules in each folder, `__init__.py` not counted."""
        files = (file for file in self.files.values() if file.name != "__init__.py")
        return Counter(str(file.parent.relative_to(self.root)) for file in files)

    def modules_within(self, folder: str) -> dict[str, set[str]]:
        """Return the modules of a folder and what each imports from the same folder."""
        inside = {name for name in self.imports if name.startswith(f"{folder}.")}
        return {name: self.imports[name] & inside for name in inside}

    def entries_within(self, folder: str) -> dict[str, set[str]]:
        """Return the entries of a folder, its modules and subfolders, and what each imports."""

        def entry(name: str) -> str:
            return name.removeprefix(f"{folder}.").split(".")[0]

        entries: dict[str, set[str]] = {}
        for name, below in self.modules_within(folder).items():
            entries.setdefault(entry(name), set()).update(map(entry, below))
        return {name: below - {name} for name, below in entries.items()}

    def largest_file(self) -> tuple[int, str]:
        """Return the number of lines of the largest file, and its path."""
        return max(
            (len(file.read_text("utf-8").splitlines()), str(file.relative_to(self.root)))
            for file in self.files.values()
        )

    def function_lengths(self) -> list[int]:
        """Return the length of the body of every function, docstrings not counted."""
        nodes = (node for tree in self.trees.values() for node in ast.walk(tree))
        return [body_length(node) for node in nodes if isinstance(node, Function)]

    def many_parameters(self) -> list[str]:
        """Return the public functions and methods with too many parameters, with their number."""
        return [
            f"{module}.{name} ({n})"
            for module, tree in self.trees.items()
            for name, function in public_functions(tree)
            if (n := n_parameters(function)) > MAX_PARAMETERS
        ]

    def inheritance_depth(self, name: str) -> int:
        """Return the number of our classes on the longest path from a class up to its last base."""
        if name not in self.bases:
            return 0
        return 1 + max(map(self.inheritance_depth, self.bases[name]), default=0)

    @cached_property
    def bases(self) -> dict[str, list[str]]:
        """The names of the bases of every class."""
        nodes = (node for tree in self.trees.values() for node in ast.walk(tree))
        return {
            node.name: [ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases]
            for node in nodes
            if isinstance(node, ast.ClassDef)
        }

    def measures(self) -> dict[str, str]:
        """Return everything that is one number, by its name."""
        folders, lengths = self.modules_by_folder(), self.function_lengths()
        lines, largest = self.largest_file()
        engine = f"{PACKAGE}.engine"
        entries = self.entries_within(engine)
        folder, most = folders.most_common(1)[0]
        return {
            "modules": f"{sum(folders.values())}",
            "folders": f"{len(folders)}",
            "modules in the largest folder": f"{most} ({folder.removeprefix(PACKAGE + '/')})",
            "entries of engine/ (modules, folders)": f"{len(entries)}",
            "import levels of these entries": f"{levels(entries)}",
            "imports between these entries": f"{sum(map(len, entries.values()))}",
            "import levels of the engine's modules": f"{levels(self.modules_within(engine))}",
            "import levels of all modules": f"{levels(self.modules_within(PACKAGE))}",
            "lines of the largest file": f"{lines} ({largest.removeprefix(PACKAGE + '/')})",
            "functions": f"{len(lengths)}",
            "median lines of a function": f"{median(lengths):g}",
            "90th percentile": f"{quantiles(lengths, n=10, method='inclusive')[-1]:g}",
            f"functions over {LONG_FUNCTION} lines": f"{sum(n > LONG_FUNCTION for n in lengths)}",
            f"public functions with over {MAX_PARAMETERS} parameters": (
                f"{len(self.many_parameters())}"
            ),
            "inheritance depth of Study": f"{self.inheritance_depth('Study')}",
            "inheritance depth of MixtureOfPersonas": (
                f"{self.inheritance_depth('MixtureOfPersonas')}"
            ),
        }


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield every name that a module imports when it runs, dotted; names for types only are not."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            waiting += ast.iter_child_nodes(node)


def levels(imports: dict[str, set[str]]) -> int:
    """Return the length of the longest chain in which each one imports the next."""
    level: dict[str, int] = {}
    for name in TopologicalSorter(imports).static_order():
        level[name] = 1 + max((level[below] for below in imports[name]), default=0)
    return max(level.values())


def body_length(function: Function) -> int:
    """Return the number of lines of a function's body, its docstring not counted."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def public_functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Yield the public functions of a module, and methods of its public classes, with names."""
    for node in tree.body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node.name, node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for method in node.body:
                if isinstance(method, Function) and (
                    method.name == "__init__" or not method.name.startswith("_")
                ):
                    yield f"{node.name}.{method.name}", method


def n_parameters(function: Function) -> int:
    """Return the number of parameters of a function, `self` and `cls` not counted."""
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    stars = [star for star in (given.vararg, given.kwarg) if star]
    return len([name for name in names if name not in ("self", "cls")]) + len(stars)


def extract(revision: str, folder: Path) -> Path:
    """Put the package as of a git revision into `folder`."""
    command = ["git", "archive", revision, PACKAGE]
    packed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def print_table(columns: dict[str, dict[str, str]], head: str) -> None:
    """Print named columns side by side; a row is a key of any of them."""
    keys = list(dict.fromkeys(key for column in columns.values() for key in column))
    rows = [[head, *columns]]
    rows += [[key, *(column.get(key, "-") for column in columns.values())] for key in keys]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    print()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Measure the layout of the package.")
    parser.add_argument("--at", nargs="*", default=[], metavar="REVISION", help="git revisions")
    revisions = parser.parse_args().at
    with tempfile.TemporaryDirectory() as folder:
        houses = {name: House(extract(name, Path(folder) / name)) for name in revisions}
        houses["now"] = House(ROOT)
        print_table({name: house.measures() for name, house in houses.items()}, "measure")
        by_folder = {
            name: {key: f"{n}" for key, n in sorted(house.modules_by_folder().items())}
            for name, house in houses.items()
        }
        print_table(by_folder, "modules by folder")
        for name, house in houses.items():
            print(f"{name}: public functions with more than {MAX_PARAMETERS} parameters")
            print(*(house.many_parameters() or ["none"]), sep="\n", end="\n\n")


if __name__ == "__main__":
    main()
