"""A Sphinx extension: names in docstrings become links, resolved by Python's own scoping."""

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
    """Return the documented full name of `name` as used in `module`, or None."""
    value = vars(sys.modules[module]).get(name) if module in sys.modules else None
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return None
    return public(f"{value.__module__}.{value.__qualname__}")


def public(name: str) -> str:
    """Return the short form of a public name of `jupyter_mop`; other names unchanged."""
    module, _, last = name.rpartition(".")
    home = jupyter_mop._PUBLIC.get(last)  # noqa: SLF001  the table of public names
    return f"jupyter_mop.{last}" if home and module == f"jupyter_mop.{home}" else name


def resolve(_app: object, doctree: Any) -> None:
    """Give each reference in a docstring its full name; unlink the names of parameters."""
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
    """Split an entry for several names into one entry each; refer from a magic to its page."""
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


def ignore_missing(_app: object, _domain: object, node: Any) -> bool | None:
    """Ignore a name in a docstring that is not ours, such as a parameter or a pandas type.

    Every reference in a written page, and every full name of ours in a docstring, is checked.
    """
    in_docstring = node.get("refdoc", "").startswith("reference/")
    named = node.get("reftype") != "class" and node["reftarget"].startswith("jupyter_mop.")
    return True if in_docstring and (not named or _is_variable(node["reftarget"])) else None


def _is_variable(name: str) -> bool:
    """Return whether a name is a type variable, which has no page."""
    module, _, last = name.rpartition(".")
    return isinstance(getattr(sys.modules.get(module), last, None), TypeVar)


def setup(app: Any) -> dict[str, bool]:
    """Connect the functions of this module to Sphinx."""
    app.connect("autodoc-process-docstring", tidy, priority=400)  # before napoleon
    app.connect("doctree-read", resolve)
    app.connect("warn-missing-reference", ignore_missing)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
