"""Conversion of data frames from other libraries to pandas, and of their values to text."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
import pandas as pd

from jupyter_mop.errors import DataError, missing

_ARROW_STREAM = "__arrow_c_stream__"


def is_frame(value: object) -> bool:
    """Return whether `value` is a data frame: pandas, polars (also lazy), Arrow or similar."""
    from narwhals.dependencies import is_into_dataframe, is_into_series
    from narwhals.stable import v2

    if isinstance(value, pd.DataFrame) or is_into_dataframe(value):
        return True
    if isinstance(v2.from_native(value, pass_through=True), v2.LazyFrame):
        return True
    is_series = isinstance(value, pd.Series) or is_into_series(value)
    return hasattr(value, _ARROW_STREAM) and not is_series


def pandas_frame(value: Any) -> Any:  # noqa: ANN401  any object may be passed
    """Convert a data frame of another library to pandas; return anything else unchanged.

    Raises
    ------
    MissingPackageError
        For an Arrow stream if pyarrow is not installed.

    Examples
    --------
    >>> pandas_frame({"a": 1})
    {'a': 1}
    """
    if isinstance(value, pd.DataFrame) or not is_frame(value):
        return value
    from narwhals.stable import v2

    frame = v2.from_native(value, pass_through=True)
    if isinstance(frame, v2.LazyFrame):
        frame = frame.collect()
    try:
        if isinstance(frame, v2.DataFrame):
            return frame.to_pandas()
        return v2.from_arrow(value, backend="pyarrow").to_pandas()
    except ImportError:
        if isinstance(frame, v2.DataFrame):
            return pd.DataFrame({c.name: _column(c) for c in frame.iter_columns()})
        raise missing("pyarrow", "export") from None


def text_columns(df: pd.DataFrame) -> pd.DataFrame:
    """Return a data frame whose column names are texts, as templates and magics write them.

    Raises
    ------
    DataError
        If the columns have several levels of names, or two have the same name.

    Examples
    --------
    >>> list(text_columns(pd.DataFrame({2024: ["yes"], "Q1.1": ["no"]})))
    ['2024', 'Q1.1']
    """
    if df.columns.nlevels > 1:
        raise DataError(
            f"The columns of the data frame have {df.columns.nlevels} levels of names (a "
            f"MultiIndex): {list(df.columns[:3])}.",
            hint='Join them: df.columns = [" ".join(map(str, names)) for names in df.columns]',
        )
    names = pd.Index([value_text(name) for name in df.columns], dtype=object)
    if not names.is_unique:
        duplicate = names[names.duplicated()][0]
        raise DataError(
            f"The data frame has more than one column {duplicate!r}.", hint="Rename one of them."
        )
    return df if list(names) == list(df.columns) else df.set_axis(names, axis=1)


def value_text(value: object) -> str:
    """Return a value of a data frame as text: a whole number without a decimal point.

    A column of whole numbers becomes one of floats as soon as one value is missing, and people are
    34 years old, not 34.0.

    Examples
    --------
    >>> [value_text(value) for value in (34.0, 2.5, 7, True, "yes")]
    ['34', '2.5', '7', 'True', 'yes']
    """
    is_whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value) if is_whole else value)  # type: ignore[call-overload]


def group_text(value: object) -> str:
    """Return a value that names a group as text: no blanks around it, in one form of Unicode.

    Examples
    --------
    >>> group_text("north ") == group_text("north"), group_text("cafe\u0301") == "caf\u00e9"
    (True, True)
    """
    return unicodedata.normalize("NFC", value_text(value)).strip()


def column_texts(values: pd.Series) -> list[str]:
    """Return the values of a column as text, as `group_text` does; dates have no time of day.

    Examples
    --------
    >>> column_texts(pd.Series([34.0, 51.0])), column_texts(pd.Series([True, False]))
    (['34', '51'], ['True', 'False'])
    """
    has_floats = values.dtype == object or pd.api.types.is_float_dtype(values)
    return [group_text(value) for value in (values if has_floats else values.astype(str))]


def _column(series: Any) -> Any:  # noqa: ANN401  a narwhals series
    """Return the values of a column without pyarrow; an enumeration stays ordered."""
    categories = getattr(series.dtype, "categories", None)
    values = series.to_list()
    return values if categories is None else pd.Categorical(values, categories, ordered=True)
