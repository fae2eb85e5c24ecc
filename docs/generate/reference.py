"""A page for each public name and each module, which autodoc fills from the docstrings."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from pathlib import Path
from types import ModuleType

import jupyter_mop

FOLDERS = [
    "jupyter_mop",
    *sorted(
        found.name
        for found in pkgutil.walk_packages(jupyter_mop.__path__, "jupyter_mop.")
        if found.ispkg and "._" not in found.name
    ),
]
WITHOUT_PAGE = {"__version__", *(name for name, home in jupyter_mop._PUBLIC.items() if not home)}  # noqa: SLF001


def public_names() -> list[str]:
    """Return the public names of `jupyter_mop` that have a page of their own."""
    return sorted(set(jupyter_mop.__all__) - WITHOUT_PAGE, key=str.lower)


def modules(folder: str) -> list[str]:
    """Return the modules of a folder, and the folder's package if it defines something itself."""
    package = import_module(folder)
    inside = [
        f"{folder}.{found.name}"
        for found in pkgutil.iter_modules(package.__path__)
        if not found.ispkg and not found.name.startswith("_")
    ]
    here = [own for own in _own(package) if not _is_public(own, package)]
    return [folder, *inside] if here else inside


def write(folder: Path) -> None:
    """Write the pages of the reference into `folder`/reference."""
    to = folder / "reference"
    to.mkdir(parents=True, exist_ok=True)
    for name in public_names():
        (to / f"{name}.rst").write_text(_name_page(name), encoding="utf-8")
    for package in FOLDERS:
        for module in modules(package):
            (to / f"{module}.rst").write_text(_module_page(module), encoding="utf-8")
        (to / f"folder-{package}.rst").write_text(_folder_page(package), encoding="utf-8")
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
    """Return whether `name` in a module is a public name, which has a page of its own."""
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
    home = "" if module == "jupyter_mop" else f"Defined in :doc:`{module}`."
    return _titled(name, entry, home)


def _module_page(path: str) -> str:
    module = import_module(path)
    own = _own(module)
    public = [name for name in own if _is_public(name, module)]
    here = [name for name in own if name not in public]
    entry = f".. automodule:: {path}"
    if here:
        entry += f"\n   :members: {', '.join(here)}\n   :show-inheritance:"
    more = [name for name in getattr(module, "__all__", []) if name not in own]
    parts = [entry]
    if public:
        names = ", ".join(f":doc:`{name}`" for name in public)
        parts.append(f"Public names with a page of their own: {names}.")
    if more and path != "jupyter_mop":
        parts += [
            "It also exports:",
            _table([_exported(getattr(module, name), name) for name in more]),
        ]
    return _titled(path, *parts)


def _exported(value: object, name: str) -> tuple[str, str]:
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


def _folder_page(folder: str) -> str:
    names = modules(folder)
    below = [name for name in FOLDERS if name.rpartition(".")[0] == folder]
    shown = [(f":doc:`{name}`", first_line(import_module(name))) for name in names]
    shown += [(f":doc:`folder-{name}`", first_line(import_module(name))) for name in below]
    about = first_line(import_module(folder))
    return _titled(folder.replace(".", "/"), about, _table(shown), _toctree(names))


def _index() -> str:
    rows = [
        (f":doc:`{name} <{name}>`", first_line(getattr(jupyter_mop, name)))
        for name in public_names()
    ]
    folders = [(f":doc:`folder-{folder}`", first_line(import_module(folder))) for folder in FOLDERS]
    return _titled(
        "Reference",
        "The public names of ``jupyter_mop``. Its ``datasets`` are "
        "in :doc:`folder-jupyter_mop.datasets`.",
        _table(rows),
        _titled("By folder", "Every module, folder by folder.", _table(folders), mark="-"),
        _toctree([*public_names(), *(f"folder-{folder}" for folder in FOLDERS)]),
    )
