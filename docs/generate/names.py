"""A Sphinx extension: names in docstrings lead where Python's own scoping says."""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any, TypeVar

from sphinx.addnodes import pending_xref
from sphinx.util.nodes import find_pending_xref_condition

import jupyter_mop

_SEVERAL = re.compile(r"(\w+(?:, \w+)+)( : .+|)")


def full_name(name: str, module: str | None) -> str | None:
    """Return the name under which what `name` means in `module` is documented, or None."""
    value = vars(sys.modules[module]).get(name) if module in sys.modules else None
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return None
    return public(f"{value.__module__}.{value.__qualname__}")


def public(name: str) -> str:
    """Return the short name of something that `jupyter_mop` offers; other names as they are."""
    module, _, last = name.rpartition(".")
    home = jupyter_mop._PUBLIC.get(last)  # noqa: SLF001  the list of what is offered
    return f"jupyter_mop.{last}" if home and module == f"jupyter_mop.{home}" else name


def resolve(_app: object, doctree: Any) -> None:
    """Give each reference of a docstring its full name; a parameter's name is no reference."""
    for node in list(doctree.findall(pending_xref)):
        if node.get("refdomain") != "py":
            continue
        name = node["reftarget"]
        found = public(name) if "." in name else full_name(name, node.get("py:module"))
        if found:
            node["reftarget"], node["refspecific"] = found, False
        elif node.get("refspecific") and name.islower():
            shown = find_pending_xref_condition(node, "*") or node
            node.replace_self(shown.children)


def tidy(
    _app: object, _what: str, name: str, value: object, _options: object, lines: list[str]
) -> None:
    """Give each of several names of one entry an entry of its own; leave a magic to its page."""
    if hasattr(value, "parser"):
        magic = name.rpartition(".")[2]
        lines[:] = [
            value.parser.description.strip().split("\n")[0],
            "",
            f"See :doc:`/magics/{magic}`.",
        ]
    for i in reversed(range(len(lines))):
        found = _SEVERAL.fullmatch(lines[i])
        if found and "Attributes" in lines[:i]:
            lines[i : i + 1] = [f"{name}{found[2]}" for name in found[1].split(", ")]


def is_elsewhere(_app: object, _domain: object, node: Any) -> bool | None:
    """Say nothing of a name in a docstring that is not one of ours: a parameter, a pandas type.

    Every reference of the written pages, and every full name of ours in a docstring, is checked.
    """
    in_docstring = node.get("refdoc", "").startswith("reference/")
    named = node.get("reftype") != "class" and node["reftarget"].startswith("jupyter_mop.")
    return True if in_docstring and (not named or _is_variable(node["reftarget"])) else None


def _is_variable(name: str) -> bool:
    """Say whether a name is a variable of types, which has no page."""
    module, _, last = name.rpartition(".")
    return isinstance(getattr(sys.modules.get(module), last, None), TypeVar)


def setup(app: Any) -> dict[str, bool]:
    """Connect what is written above."""
    app.connect("autodoc-process-docstring", tidy, priority=400)  # before napoleon
    app.connect("doctree-read", resolve)
    app.connect("warn-missing-reference", is_elsewhere)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
