"""Persona formats: this package's, PersonaHub's, Nemotron-Personas', EDSL's and TinyTroupe's."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jupyter_mop.errors import DataError

Row = Mapping[str, Any]

_OWN = ("name", "description", "weight")
_TEXTS = ("persona", "input persona")  # PersonaHub, Nemotron-Personas
_AGENT_KEYS = ("traits", "name", "instruction", "codebook")
_LIST_KEYS = ("agent_list",)
_EDSL_MARKS = ("edsl_version", "edsl_class_name")
_MAX_SHOWN = 6
_WEIGHTED_NAME = re.compile(r"(?P<name>.*\S)\s*\[\s*(?P<weight>[\d.]+)\s*\]")


def persona_rows(items: Iterable[object]) -> list[object]:
    """Return rows of a known format as mappings with name, description and weight.

    What is no mapping, and a mapping of no known format, is returned as it is.

    Raises
    ------
    DataError
        If a row is of another tool's format but has a part that cannot be read.

    Warns
    -----
    UserWarning
        Where rows have columns that are not used.

    Examples
    --------
    >>> persona_rows([{"persona": "A nurse from Lisbon."}])
    [{'name': 'persona 1', 'description': 'A nurse from Lisbon.', 'weight': None}]
    """
    unused: dict[str, None] = {}
    rows = [
        _read_row(item, number, unused) if isinstance(item, Mapping) else item
        for number, item in enumerate(items, 1)
    ]
    if unused:
        names = [*unused][:_MAX_SHOWN] + ["..."] * (len(unused) > _MAX_SHOWN)
        warnings.warn(
            f"These parts of the personas are not used: {', '.join(names)}. To use one, pass a "
            "DataFrame with the columns name and description.",
            UserWarning,
            stacklevel=2,
        )
    return rows


def mapping_items(source: Mapping[Any, Any]) -> list[object]:
    """Return the items of a mapping: those of a file of another tool, one persona, or names.

    Examples
    --------
    >>> mapping_items({"fan [0.4]": "You love films."})
    [{'name': 'fan', 'weight': '0.4', 'description': 'You love films.'}]
    """
    if "agent_list" in source:
        _check_parts(source, _LIST_KEYS, "an EDSL AgentList")
        return list(source["agent_list"])
    keys = _folded(source)
    if _is_agent(keys) or _is_tiny(keys) or {"name", "description"} <= set(keys):
        return [source]
    return [
        {**_named(name), **(value if isinstance(value, Mapping) else {"description": value})}
        for name, value in source.items()
    ]


def has_personas(columns: Iterable[object]) -> bool:
    """Return whether a table with these columns is of a known format.

    Examples
    --------
    >>> has_personas(["Name", "Description"]), has_personas(["uuid", "persona"])
    (True, True)
    """
    keys = {str(column).strip().casefold() for column in columns}
    return {"name", "description"} <= keys or bool(keys & set(_TEXTS))


def _read_row(row: Row, number: int, unused: dict[str, None]) -> object:
    keys = _folded(row)
    if {"name", "description"} <= set(keys):
        unused.update(dict.fromkeys(str(key) for key in row if _fold(key) not in _OWN))
        return {key: keys.get(key) for key in _OWN}
    if _is_agent(keys):
        return _edsl_agent(row, number)
    if _is_tiny(keys):
        return _tiny_person(row, unused)
    column = next((key for key in _TEXTS if key in keys), None)
    if column is None:
        return row
    unused.update(dict.fromkeys(str(key) for key in row if _fold(key) not in (*_OWN[::2], column)))
    name = keys.get("name", f"persona {number}")
    return {"name": name, "description": keys[column], "weight": keys.get("weight")}


def _named(name: object) -> Row:
    """Return the name of a mapping's item, and its weight if it is written as in a line."""
    match = _WEIGHTED_NAME.fullmatch(str(name))
    return match.groupdict() if match else {"name": name}


def _fold(key: object) -> str:
    return str(key).strip().casefold()


def _folded(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row with small letters in its keys."""
    keys: dict[str, Any] = {}
    for key, value in row.items():
        if _fold(key) in _OWN and _fold(key) in keys:
            raise DataError(
                f"The personas have more than one column {_fold(key)!r}.",
                hint="Rename or remove one of them.",
            )
        keys[_fold(key)] = value
    return keys


def _is_agent(keys: Row) -> bool:
    return "traits" in keys or "edsl_class_name" in keys


def _is_tiny(keys: Row) -> bool:
    is_saved = "json_serializable_class_name" in keys or isinstance(keys.get("type"), str)
    return is_saved and isinstance(keys.get("persona", keys.get("_persona", {})), Mapping)


def _edsl_agent(row: Row, number: int) -> Row:
    """Return an agent of EDSL: its instruction, and its traits with the names of its codebook."""
    traits = row.get("traits")
    if not isinstance(traits, Mapping) or not traits:
        raise DataError(
            f"Cannot read item {number} as an agent of EDSL: it has no traits.",
            hint="Write the list with json.dump(agents.to_dict(), file).",
        )
    _check_parts(row, _AGENT_KEYS, f"agent {number} of EDSL")
    codebook = row.get("codebook") or {}
    named = {str(codebook.get(key, key)): value for key, value in traits.items()}
    only = next(iter(traits.values())) if list(traits) == ["persona"] else None
    text = only if isinstance(only, str) else f"Your traits:\n{_listed(named)}"
    name = row.get("name") or f"agent {number}"
    return {"name": name, "description": "\n".join(filter(None, (row.get("instruction"), text)))}


def _tiny_person(row: Row, unused: dict[str, None]) -> Row:
    """Return a TinyPerson of TinyTroupe: its name, and all that its file says of it."""
    persona = row.get("persona")
    if row.get("type") != "TinyPerson" or not isinstance(persona, Mapping) or "name" not in persona:
        kind = row.get("type", row.get("json_serializable_class_name"))
        raise DataError(
            f"Cannot read a {kind!r} of TinyTroupe as a persona.",
            hint='Read a file of an agent: {"type": "TinyPerson", "persona": {"name": ...}}.',
        )
    unused.update(dict.fromkeys(key for key in row if key not in ("type", "persona")))
    facts = {key: value for key, value in persona.items() if key != "name"}
    name = str(persona["name"])
    return {"name": name, "description": f"You are {name}.\n{_listed(facts)}".strip()}


def _check_parts(row: Row, known: Sequence[str], kind: str) -> None:
    """Raise a DataError if a row has a part, not empty, that is not read."""
    others = [key for key, value in row.items() if value and key not in (*known, *_EDSL_MARKS)]
    if others:
        raise DataError(
            f"Cannot read {kind} with {others[0]!r}.",
            hint="Pass a DataFrame with the columns name and description.",
        )


def _listed(facts: Row) -> str:
    """Return facts as YAML, which a model reads as a list."""
    import yaml

    if not facts:
        return ""
    dumped: str = yaml.safe_dump(
        dict(facts), sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return dumped.rstrip("\n")
