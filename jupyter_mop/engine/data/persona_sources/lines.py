"""Personas as text: one per line, with wrapped lines, or else YAML or JSON."""

from __future__ import annotations

import re
import textwrap

from jupyter_mop.engine.data.persona_sources.json_text import read_json
from jupyter_mop.engine.data.persona_sources.yaml_text import read_yaml
from jupyter_mop.errors import DataError

EXAMPLE = 'Write one persona per line, for example "critic [0.4]: You review films for a living."'

# "at 10:30" and "https://" are no names; a bullet before a name is no part of it.
_LINE = re.compile(
    r"(?:[*\u2022]\s+)?(?P<name>[^\s:\[\]{}\-][^:\[\]{}]*?)\s*(\[(?P<weight>[^\]]*)\])?\s*"
    r":(?!//|(?<=\d:)\d)(?P<description>.*)"
)
_COMMENT = re.compile(r"\s*#(\s|#|$)")
_KEY = r"(name|description|weight)[ \t]*:(\s|$)"
_YAML_BEGINS = re.compile(rf"(?i)---|%YAML|-(\s|$)|{_KEY}")
# A name with a block of text or with keys below it.
_YAML_ITEM = re.compile(rf"(?im)^\S.*:[ \t]*([|>][-+\d]*[ \t]*$|(#.*)?\n[ \t]+{_KEY})")
_BRACKETED_NAME = re.compile(r"[^:]*([\[{].*:\s|\[\s*[\d.]+\s*%?\s*\])")


def read_text(text: str) -> object:
    r"""Return the personas in a text: mappings with name, description and weight.

    Lines are lines; a line without a name continues the one above, and so does an indented one.
    Text is YAML or JSON if it begins with `---`, `- `, `name:`, `[` or `{`, or if a name has
    `description:` or a block of text below it.

    Raises
    ------
    DataError
        If a line can be read in two ways, or the YAML or JSON is invalid.

    Examples
    --------
    >>> read_text("fan [0.8]: You love films\n  and actors.\n#1 fan: You love one.")[0]
    {'name': 'fan', 'weight': '0.8', 'description': 'You love films and actors.'}
    """
    text = text.removeprefix("\ufeff")
    lines = [line for line in text.splitlines() if line.strip() and not _COMMENT.match(line)]
    content = textwrap.dedent("\n".join(lines))
    if content.startswith(("[", "{")):
        return _from_brackets(text)
    if _YAML_BEGINS.match(content) or _YAML_ITEM.search(content):
        return read_yaml(textwrap.dedent(text))
    return _from_lines(content.split("\n") if content else [])


def _from_brackets(text: str) -> object:
    try:
        return read_json(text)
    except DataError:
        return read_yaml(text)


def _from_lines(lines: list[str]) -> list[dict[str, str | None]]:
    items: list[dict[str, str | None]] = []
    has_one_margin = sum(not line[0].isspace() for line in lines) == 1
    for line in lines:
        match = None if line[0].isspace() else _LINE.fullmatch(line)
        if match:
            items.append({**match.groupdict(), "description": match["description"].strip()})
        elif not items:
            raise DataError(
                f"A persona needs a name, a colon and a description, got {line.strip()!r}.",
                hint=EXAMPLE,
            )
        else:
            _check_continuation(line, items[-1]["name"], has_one_margin=has_one_margin)
            items[-1]["description"] = f"{items[-1]['description']} {line.strip()}".strip()
    return items


def _check_continuation(line: str, name: str | None, *, has_one_margin: bool) -> None:
    """Raise a DataError if a line that continues a persona looks like a persona of its own."""
    is_indented, text = line[0].isspace(), line.strip()
    named = _LINE.fullmatch(text)
    is_persona = bool(named and has_one_margin and re.match(r"\s|$", named["description"]))
    if is_persona if is_indented else _BRACKETED_NAME.match(text):
        raise DataError(
            f"Cannot tell whether the line {text!r} is a persona or continues {name!r}.",
            hint="Write every persona at the margin as `name [0.4]: text`, with no other brackets "
            "in the name. Join a line that continues the one above to it.",
        )
