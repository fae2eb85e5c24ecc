"""What is measured of each response: a column, or a function of what was said."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from jupyter_mop.errors import DataError

Outcome = str | Callable[[str], object]

MOST_OPTIONS = 50


def outcomes(frame: pd.DataFrame, of: Outcome, response: str) -> pd.Series:
    """Return one value a row: the column `of`, or `of` called with each response.

    Parameters
    ----------
    frame : DataFrame
        One row per response.
    of : str or callable
        The name of a column, or a function of a response that gives a label, a number or a truth
        value.
    response : str
        The column of what was said, for functions.

    Raises
    ------
    DataError
        For a column that is not there, or values that are missing.

    Examples
    --------
    >>> said = pd.DataFrame({"said": ["yes", "well, no"]})
    >>> outcomes(said, lambda text: len(text.split()), "said").tolist()
    [1, 2]
    """
    if callable(of):
        values = pd.Series([of(str(text)) for text in frame[response]], dtype=object)
    elif of in frame.columns:
        values = frame[of].reset_index(drop=True)
    else:
        raise DataError(
            f"There is no column {of!r}; the frame has {list(frame.columns)}.",
            hint="Name one of those, or give a function of a response.",
        )
    if values.isna().any():
        raise DataError(
            f"{named(of)} is missing for {int(values.isna().sum())} of {len(values)} responses.",
            hint="Leave those rows out, or let the function give a value for each response.",
        )
    return values.infer_objects()


def named(of: Outcome) -> str:
    """Return what `of` is called.

    Examples
    --------
    >>> named("said"), named(len), named(lambda text: text)
    ('said', 'len', 'function')
    """
    name = of if isinstance(of, str) else getattr(of, "__name__", type(of).__name__)
    return "function" if name == "<lambda>" else name


def labels(values: pd.Series) -> list[str]:
    """Return values as texts: 1.0 is "1", so that counts agree whatever type they were read as.

    Examples
    --------
    >>> labels(pd.Series([1.0, 2.5])), labels(pd.Series([True, False]))
    (['1', '2.5'], ['True', 'False'])
    """
    return [label(value) for value in values]


def label(value: object) -> str:
    """Return one value as text.

    Examples
    --------
    >>> label(3.0), label(" yes")
    ('3', 'yes')
    """
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value) if whole else value).strip()  # type: ignore[call-overload]
