"""Personas as JSON, whole or with one object per line."""

from __future__ import annotations

import json
from typing import Any

from jupyter_mop.errors import DataError


def read_json(text: str) -> Any:  # noqa: ANN401  what the JSON holds
    r"""Return what the JSON holds; a list if there is one object per line (.jsonl).

    Raises
    ------
    DataError
        If it is not valid, or an object has a key twice.

    Examples
    --------
    >>> read_json('{"persona": "A nurse."}\n{"persona": "A cook."}')
    [{'persona': 'A nurse.'}, {'persona': 'A cook.'}]
    """
    try:
        return _loaded(text)
    except json.JSONDecodeError as error:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) < 2 or not error.msg.startswith("Extra data"):  # noqa: PLR2004
            raise _invalid(f"{error.msg} in line {error.lineno}") from error
    try:
        return [_loaded(line) for line in lines]
    except json.JSONDecodeError as error:
        raise _invalid(f"{error.msg} in the object {error.doc[:40]!r}") from error


def _loaded(text: str) -> Any:  # noqa: ANN401
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError as error:
        raise _invalid("it is too deep") from error


def _invalid(reason: str) -> DataError:
    return DataError(
        f"The personas are not valid JSON: {reason}.",
        hint='Write [{"name": "critic", "description": "You review films."}].',
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(
            f"{twice!r} occurs more than once in an object of the JSON; persona names must be "
            "unique.",
            hint="Rename one of them.",
        )
    return values
