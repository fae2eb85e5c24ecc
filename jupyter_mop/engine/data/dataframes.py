"""Frames of other libraries as pandas ones: polars, Arrow, and whatever speaks their protocols."""

from __future__ import annotations

from typing import Any

import pandas as pd

from jupyter_mop.errors import missing

_ARROW = "__arrow_c_stream__"


def is_frame(value: object) -> bool:
    """Return whether `value` is a frame: of pandas, polars (lazy too), Arrow, or like them."""
    from narwhals.dependencies import is_into_dataframe
    from narwhals.stable import v2

    if isinstance(value, pd.DataFrame) or is_into_dataframe(value):
        return True
    found = v2.from_native(value, pass_through=True)
    return isinstance(found, v2.LazyFrame) or (
        hasattr(value, _ARROW) and not isinstance(value, pd.Series) and not _is_series(value)
    )


def pandas_frame(value: Any) -> Any:  # noqa: ANN401  whatever came
    """Return a frame of another library as a pandas one; anything else as it came.

    Raises
    ------
    MissingPackageError
        For a stream of Arrow data where pyarrow is not installed.

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


def pandas_series(value: Any) -> Any:  # noqa: ANN401  whatever came
    """Return a series of another library as a pandas one; anything else as it came."""
    if isinstance(value, pd.Series) or not _is_series(value):
        return value
    from narwhals.stable import v2

    column = v2.from_native(value, series_only=True)
    try:
        return column.to_pandas()
    except ImportError:
        return pd.Series(_column(column), name=column.name)


def _is_series(value: object) -> bool:
    from narwhals.dependencies import is_into_series

    return is_into_series(value)


def _column(series: Any) -> Any:  # noqa: ANN401  a series of narwhals
    """Return a column without pyarrow's help; the order of an enumeration is kept."""
    categories = getattr(series.dtype, "categories", None)
    values = series.to_list()
    return values if categories is None else pd.Categorical(values, categories, ordered=True)
