"""Pages of every public name and every module, which autodoc fills from the docstrings."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from pathlib import Path
from types import ModuleType

import jupyter_mop

TITLES = {"jupyter_mop": "The study and what it returns"}
FLOORS = {
    package: TITLES.get(package, package.rpartition(".")[2].capitalize())
    for package in [
        "jupyter_mop",
        *sorted(
            found.name
            for found in pkgutil.walk_packages(jupyter_mop.__path__, "jupyter_mop.")
            if found.ispkg and "._" not in found.name
        ),
    ]
}
PLAIN = {"__version__", *(name for name, home in jupyter_mop._PUBLIC.items() if not home)}  # noqa: SLF001


def public_names() -> list[str]:
    """Return the names that `jupyter_mop` offers and that have a page of their own."""
    return sorted(set(jupyter_mop.__all__) - PLAIN, key=str.lower)


def modules(floor: str) -> list[str]:
    """Return a package and the modules right in it."""
    package = import_module(floor)
    inside = [
        f"{floor}.{found.name}"
        for found in pkgutil.iter_modules(package.__path__)
        if not found.ispkg and not found.name.startswith("_")
    ]
    here = [own for own in _own(package) if not _is_public(own, package)]
    return [floor, *inside] if here else inside


def write(folder: Path) -> None:
    """Write the pages of the reference into `folder`/reference."""
    to = folder / "reference"
    to.mkdir(parents=True, exist_ok=True)
    for name in public_names():
        (to / f"{name}.rst").write_text(_name_page(name), encoding="utf-8")
    for floor in FLOORS:
        for module in modules(floor):
            (to / f"{module}.rst").write_text(_module_page(module), encoding="utf-8")
        (to / f"floor-{floor}.rst").write_text(_floor_page(floor), encoding="utf-8")
    (to / "index.rst").write_text(_index(), encoding="utf-8")


def first_line(value: object) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(value) or "").split("\n")[0]


def _own(module: ModuleType) -> list[str]:
    """Return the public classes and functions that a module defines."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    ]


def _is_public(name: str, module: ModuleType) -> bool:
    """Say whether what a module calls `name` has a page of its own."""
    return name in public_names() and getattr(jupyter_mop, name) is getattr(module, name)


def _titled(title: str, *parts: str, mark: str = "=") -> str:
    return "\n\n".join([f"{title}\n{mark * len(title)}", *parts]) + "\n"


def _name_page(name: str) -> str:
    value = getattr(jupyter_mop, name)
    module = value.__module__
    if inspect.isclass(value):
        entry = f".. autoclass:: jupyter_mop.{name}\n   :members:\n   :inherited-members:"
    else:
        entry = f".. autofunction:: jupyter_mop.{name}"
    home = "" if module == "jupyter_mop" else f"Its module: :doc:`{module}`."
    return _titled(name, entry, home)


def _module_page(name: str) -> str:
    module = import_module(name)
    mine = _own(module)
    apart = [own for own in mine if _is_public(own, module)]
    here = [own for own in mine if own not in apart]
    entry = f".. automodule:: {name}"
    if here:
        entry += f"\n   :members: {', '.join(here)}\n   :show-inheritance:"
    more = [other for other in getattr(module, "__all__", []) if other not in mine]
    parts = [entry]
    if apart:
        names = ", ".join(f":doc:`{own}`" for own in apart)
        parts.append(f"Public names with a page of their own: {names}.")
    if more and name != "jupyter_mop":
        parts += ["It offers too:", _table([_elsewhere(getattr(module, m), m) for m in more])]
    return _titled(name, *parts)


def _elsewhere(value: object, name: str) -> tuple[str, str]:
    home = getattr(value, "__module__", "")
    if inspect.isclass(value) or inspect.isfunction(value):
        return f":py:obj:`~{home}.{name}`", first_line(value)
    return f"``{name}``", ""


def _table(rows: list[tuple[str, str]]) -> str:
    lines = [".. list-table::\n   :widths: auto\n   :class: names\n"]
    lines += [f"   * - {head}\n     - {text}" for head, text in rows]
    return "\n".join(lines)


def _toctree(entries: list[str], *, depth: int = 1) -> str:
    options = f".. toctree::\n   :hidden:\n   :maxdepth: {depth}\n\n"
    return options + "\n".join(f"   {entry}" for entry in entries)


def _floor_page(floor: str) -> str:
    names = modules(floor)
    shown = [(f":doc:`{name}`", first_line(import_module(name))) for name in names]
    about = first_line(import_module(floor))
    return _titled(FLOORS[floor], about, _table(shown), _toctree(names))


def _index() -> str:
    rows = [
        (f":doc:`{name} <{name}>`", first_line(getattr(jupyter_mop, name)))
        for name in public_names()
    ]
    floors = [(f":doc:`floor-{floor}`", first_line(import_module(floor))) for floor in FLOORS]
    return _titled(
        "Reference",
        "What ``import jupyter_mop`` offers. Its ``datasets`` are "
        "in :doc:`jupyter_mop.datasets.movie_reviews` and :doc:`jupyter_mop.datasets.anes96`.",
        _table(rows),
        _titled("By floor", "Imports point down only.", _table(floors), mark="-"),
        _toctree([*public_names(), *(f"floor-{floor}" for floor in FLOORS)]),
    )
