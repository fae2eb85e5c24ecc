"""A Sphinx extension: names in docstrings lead where Python's own scoping says."""

from __future__ import annotations

import inspect
import sys
from typing import Any, TypeVar

from sphinx.addnodes import pending_xref
from sphinx.util.nodes import find_pending_xref_condition

import jupyter_mop


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


def resolve(_app: object, doctree: Any) -> None:  # noqa: ANN401
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


def is_elsewhere(_app: object, _domain: object, node: Any) -> bool | None:  # noqa: ANN401
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


def setup(app: Any) -> dict[str, bool]:  # noqa: ANN401
    """Connect what is written above."""
    app.connect("doctree-read", resolve)
    app.connect("warn-missing-reference", is_elsewhere)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
