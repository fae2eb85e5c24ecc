"""Reading a student's answer: numbers, arrays and names; errors say what was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
TOLERANCE = 1e-3


def number(answer: object) -> float:
    """Return an answer as one number.

    Examples
    --------
    >>> number(np.array([2.5]))
    2.5
    """
    values = np.asarray(answer, dtype=np.float64).ravel()
    if len(values) != 1 or not np.isfinite(values[0]):
        raise ValueError(f"the answer must be one number, got {answer!r:.60}")
    return float(values[0])


def numbers(answer: object, n: int) -> Array:
    """Return an answer as an array of `n` finite numbers.

    Examples
    --------
    >>> numbers([1, 2], 2).tolist()
    [1.0, 2.0]
    """
    if isinstance(answer, Mapping):
        answer = list(answer.values())
    values = np.asarray(answer, dtype=np.float64).ravel()
    if len(values) != n:
        raise ValueError(f"the answer must have {n} numbers, got {len(values)}")
    if not np.isfinite(values).all():
        raise ValueError("some of the numbers are missing or infinite")
    return values


def names(answer: object) -> set[str]:
    """Return an answer as a set of names, without the spaces around them.

    Examples
    --------
    >>> sorted(names(" green ")), sorted(names(["a", "b"]))
    (['green'], ['a', 'b'])
    """
    items = [answer] if isinstance(answer, str) else list(answer)  # type: ignore[call-overload]
    return {str(item).strip() for item in items}


def close(value: float, expected: float, tolerance: float = TOLERANCE) -> bool:
    """Return whether two numbers are equal except for rounding.

    Examples
    --------
    >>> close(0.3333, 1 / 3), close(0.3, 1 / 3)
    (True, False)
    """
    return abs(value - expected) <= tolerance * max(abs(expected), 1e-9)


def listed(items: Sequence[str] | set[str]) -> str:
    """Return names as a phrase.

    Examples
    --------
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    ordered = sorted(items) if isinstance(items, set) else list(items)
    return " and ".join(filter(None, [", ".join(ordered[:-1]), *ordered[-1:]]))


def metric_row(frame: pd.DataFrame, method: str, metric: str) -> pd.Series:
    """Return the row of one method and one metric of an alignment's frame.

    Examples
    --------
    >>> rows = pd.DataFrame({"method": ["plain"], "figure": ["FID"], "value": [0.3]})
    >>> float(metric_row(rows, "plain", "FID")["value"])
    0.3
    """
    return frame[(frame["method"] == method) & (frame["figure"] == metric)].iloc[0]


def overlap(first: tuple[float, float], second: tuple[float, float]) -> bool:
    """Return whether two closed intervals overlap.

    Examples
    --------
    >>> overlap((0, 1), (1, 2)), overlap((0, 1), (2, 3))
    (True, False)
    """
    return first[0] <= second[1] and second[0] <= first[1]
