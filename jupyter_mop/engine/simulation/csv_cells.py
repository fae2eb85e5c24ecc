"""Convert columns to cells of a text file and back, exactly, and escape spreadsheet formulas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from jupyter_mop.engine.data.surrogates import has_lone_surrogate, lone_surrogate_error
from jupyter_mop.errors import DataError

Cell = str | int | float | bool | None

_TEXT = re.compile(r"object|str|string.*")
_NUMBER = re.compile(r"(?P<integer>u?int|U?Int)\d+|[fF]loat\d+|(?P<boolean>bool(ean)?)")
_FORMULA = re.compile(r"[\s\0-\x1f\ufeff]*['=+\-@\t\r＝＋－＠]")  # noqa: RUF001  full-width ones


def escape_formula(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run as a formula.

    Empty text gets one too, to differ from a missing value, and so does text that begins with an
    apostrophe.

    Examples
    --------
    >>> escape_formula("=1+1"), escape_formula("a = b"), escape_formula(""), escape_formula("'tis")
    ("'=1+1", 'a = b', "'", "''tis")
    """
    return f"'{text}" if not text or text[0] in "\t\r" or _FORMULA.match(text) else text


def unescape_formula(cell: str) -> str | None:
    """Return the text that `escape_formula` was given; None for an empty cell.

    Examples
    --------
    >>> unescape_formula("'=1+1"), unescape_formula("'"), unescape_formula("")
    ('=1+1', '', None)
    """
    return cell.removeprefix("'") if cell else None


def to_cells(column: pd.Series) -> list[Cell]:
    """Return the values of a column as text, numbers or booleans, with None for a missing one.

    Raises
    ------
    DataError
        For any other type, and for text with a lone surrogate, which no file can hold.

    Examples
    --------
    >>> to_cells(pd.Series([1.5, None]))
    [1.5, None]
    """
    dtype = str(column.dtype)
    if _TEXT.fullmatch(dtype):
        return [_checked(value, column.name, row) for row, value in enumerate(column)]
    if not _NUMBER.fullmatch(dtype):
        raise _unsupported(column.name, dtype)
    return [None if pd.isna(value) else value for value in column.tolist()]


def from_cells(values: Sequence[Any], name: str, dtype: str) -> pd.Series:
    """Return a column of this dtype from cells, or from the text of cells.

    Raises
    ------
    DataError
        If the dtype is not text, number or boolean.

    Examples
    --------
    >>> from_cells(["1", None], "age", "Int64").tolist()
    [1, <NA>]
    """
    number = _NUMBER.fullmatch(dtype)
    if number is None:
        if not _TEXT.fullmatch(dtype):
            raise _unsupported(name, dtype)
        texts = [None if pd.isna(value) else str(value) for value in values]
        return pd.Series(texts, name=name, dtype=dtype)
    numbers: list[Any] = [None if pd.isna(value) else _parsed(value, number) for value in values]
    return pd.Series(numbers, name=name, dtype=dtype)


def _checked(value: object, name: object, row: int) -> str | None:
    if not isinstance(value, str):
        if pd.isna(value) is True:  # type: ignore[call-overload]
            return None
        raise _unsupported(name, type(value).__name__)
    if has_lone_surrogate(value):
        raise lone_surrogate_error(f"Row {row} of the column {name!r}")
    return value


def _parsed(value: Any, number: re.Match[str]) -> int | float | bool:  # noqa: ANN401
    if number["boolean"]:
        return str(value) == "True"
    return int(value) if number["integer"] else float(value)


def _unsupported(name: object, dtype: str) -> DataError:
    return DataError(
        f"The column {name!r} holds {dtype} values, which cannot be exported.",
        hint=f"Convert it to text first: frame[{name!r}].astype(str).",
    )
