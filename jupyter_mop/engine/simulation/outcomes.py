"""Outcomes: a value of each response, from a column or a function of its text."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from jupyter_mop.engine.data.dataframes import value_text
from jupyter_mop.errors import DataError

Outcome = str | Callable[[str], object]

MAX_OPTIONS = 50


def outcomes(frame: pd.DataFrame, of: Outcome, response: str) -> pd.Series:
    """Return the outcome of each row: the column `of`, or `of` applied to each response.

    Parameters
    ----------
    frame : DataFrame
        One row per response.
    of : str or callable
        The name of a column, or a function of a response that returns a label, a number or a
        boolean.
    response : str
        The column of responses, for functions.

    Raises
    ------
    DataError
        For an unknown column, or missing values.

    Examples
    --------
    >>> frame = pd.DataFrame({"response": ["yes", "well, no"]})
    >>> outcomes(frame, lambda text: len(text.split()), "response").tolist()
    [1, 2]
    """
    if callable(of):
        values = pd.Series([of(str(text)) for text in frame[response]], dtype=object)
    elif of in frame.columns:
        values = frame[of].reset_index(drop=True)
    else:
        raise DataError(
            f"There is no column {of!r}; the frame has {list(frame.columns)}.",
            hint="Name one of these columns, or pass a function of a response.",
        )
    if values.isna().any():
        raise DataError(
            f"{outcome_name(of)} is missing for {int(values.isna().sum())} of {len(values)} "
            "responses.",
            hint="Drop those rows, or return a value for every response.",
        )
    return values.infer_objects()


def outcome_name(of: Outcome) -> str:
    """Return the name of an outcome.

    Examples
    --------
    >>> outcome_name("response"), outcome_name(len), outcome_name(lambda text: text)
    ('response', 'len', 'function')
    """
    name = of if isinstance(of, str) else getattr(of, "__name__", type(of).__name__)
    return "function" if name == "<lambda>" else name


def labels(values: pd.Series) -> list[str]:
    """Return values as labels: 1.0 becomes "1", so that integers and floats agree.

    Examples
    --------
    >>> labels(pd.Series([1.0, 2.5])), labels(pd.Series([True, False]))
    (['1', '2.5'], ['True', 'False'])
    """
    return [label(value) for value in values]


def label(value: object) -> str:
    """Return one value as a label.

    Examples
    --------
    >>> label(3.0), label(" yes")
    ('3', 'yes')
    """
    return value_text(value).strip()
