"""Columns as cells of a text file, and back: exact, and nothing that a spreadsheet would run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from jupyter_mop.engine.data.surrogates import has_lone_surrogate, lone_surrogate_error
from jupyter_mop.errors import DataError

Cell = str | int | float | bool | None

_TEXT = re.compile(r"object|str|string.*")
_NUMBER = re.compile(r"(?P<whole>u?int|U?Int)\d+|[fF]loat\d+|(?P<truth>bool(ean)?)")
_RUN = re.compile(r"[\s\0-\x1f\ufeff]*['=+\-@\t\r＝＋－＠]")  # noqa: RUF001  full-width ones


def guarded(text: str) -> str:
    """Return `text` as a cell that no spreadsheet runs: with an apostrophe before a formula.

    So is the empty text, to differ from a missing one, and what begins with an apostrophe.

    Examples
    --------
    >>> guarded("=1+1"), guarded("a = b"), guarded(""), guarded("'tis")
    ("'=1+1", 'a = b', "'", "''tis")
    """
    return f"'{text}" if not text or text[0] in "\t\r" or _RUN.match(text) else text


def unguarded(cell: str) -> str | None:
    """Return the text that `guarded` made this cell of; None for an empty cell."""
    return cell.removeprefix("'") if cell else None


def cells(column: pd.Series) -> list[Cell]:
    """Return the values of a column as text, numbers or truth values, None where one is missing.

    Raises
    ------
    DataError
        For anything else, and for text with half a character, which no file can hold.
    """
    kind = str(column.dtype)
    if _TEXT.fullmatch(kind):
        return [_checked(value, column.name, row) for row, value in enumerate(column)]
    if not _NUMBER.fullmatch(kind):
        raise _unknown(column.name, kind)
    return [None if pd.isna(value) else value for value in column.tolist()]


def column(values: Sequence[Any], name: str, kind: str) -> pd.Series:
    """Return a column of dtype `kind` of the values that `cells` gave, or of their text."""
    number = _NUMBER.fullmatch(kind)
    if number is None:
        if not _TEXT.fullmatch(kind):
            raise _unknown(name, kind)
        texts = [None if pd.isna(value) else str(value) for value in values]
        return pd.Series(texts, name=name, dtype=kind)
    numbers: list[Any] = [None if pd.isna(value) else _read(value, number) for value in values]
    return pd.Series(numbers, name=name, dtype=kind)


def _checked(value: object, name: object, row: int) -> str | None:
    if not isinstance(value, str):
        if pd.isna(value) is True:  # type: ignore[call-overload]
            return None
        raise _unknown(name, type(value).__name__)
    if has_lone_surrogate(value):
        raise lone_surrogate_error(f"Row {row} of the column {name!r}")
    return value


def _read(value: Any, number: re.Match[str]) -> int | float | bool:  # noqa: ANN401
    if number["truth"]:
        return str(value) == "True"
    return int(value) if number["whole"] else float(value)


def _unknown(name: object, kind: str) -> DataError:
    return DataError(
        f"The column {name!r} holds {kind} values; a file takes text, numbers and truth values.",
        hint=f"Write it as text first: frame[{name!r}].astype(str).",
    )
