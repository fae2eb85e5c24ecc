"""Personas as YAML, in which every value stays the text that was written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jupyter_mop.errors import DataError

if TYPE_CHECKING:
    from yaml.nodes import Node, ScalarNode

_NULL = ("", "~", "null")
_CUT = re.compile(r"[ \t]+(#\S.*)")
_EXAMPLE = "Write one persona per line as `name [0.4]: text`, or `- name:` items in YAML."


def read_yaml(text: str) -> Any:  # noqa: ANN401  what the YAML holds
    r"""Return what the YAML holds, as lists, dicts and texts: `NO` and `2024` stay texts.

    Raises
    ------
    DataError
        If it is not valid, a key occurs twice, or a comment without a space after its # cuts a
        text.

    Examples
    --------
    >>> read_yaml("- name: NO\n  description: You say no.")
    [{'name': 'NO', 'description': 'You say no.'}]
    """
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        return [] if node is None else _value(node, text)
    except yaml.YAMLError as error:
        raise DataError(
            f"The personas are not valid YAML: {_reason(error)}.", hint=_EXAMPLE
        ) from error
    except RecursionError as error:
        raise DataError("The YAML of the personas is too deep.", hint=_EXAMPLE) from error


def _value(node: Node, text: str) -> Any:  # noqa: ANN401
    import yaml

    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, text)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, text) for item in node.value]
    return _mapping(node, text)


def _mapping(node: Node, text: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(_value(key_node, text))
        if key in values:
            raise DataError(
                f"{key!r} occurs more than once in line {key_node.start_mark.line + 1} of the "
                "YAML; persona names must be unique.",
                hint="Rename one of them.",
            )
        values[key] = _value(value_node, text)
    return values


def _scalar(node: ScalarNode, text: str) -> str:
    value: str = node.value
    if node.style is not None:
        return value
    cut = _CUT.match(text, node.end_mark.index)
    if cut:
        raise DataError(
            f"In YAML, {cut[1]!r} in line {node.end_mark.line + 1} is a comment.",
            hint="Put the text in quotes, or write a comment with a space: # so.",
        )
    return "" if value in _NULL else value


def _reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark else ""
    return where + str(getattr(error, "problem", None) or error).splitlines()[0].rstrip(".")
