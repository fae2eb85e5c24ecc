"""Numbers as text: three significant digits, thousands separators."""

from __future__ import annotations

import math

N_DIGITS = 3


def number(value: float) -> str:
    """Return a number with three significant digits; "" for a missing one.

    Examples
    --------
    >>> [number(x) for x in (0.03912, 0.5, 12.345, 1234.5, 0.0, -0.00012345, float("nan"))]
    ['0.0391', '0.500', '12.3', '1,230', '0', '-0.000123', '']
    """
    if math.isnan(value):
        return ""
    if value == 0 or math.isinf(value):
        return f"{value:g}"
    magnitude = math.floor(math.log10(abs(value)))
    rounded = round(value, N_DIGITS - 1 - magnitude)
    decimals = max(0, N_DIGITS - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}"


def with_interval(value: float, low: float, high: float) -> str:
    """Return a number and its interval; "" for a missing number.

    Examples
    --------
    >>> with_interval(0.2, 0.1, 0.25), with_interval(0.2, 0.1, float("nan"))
    ('0.200 [0.100, 0.250]', '0.200')
    """
    return f"{number(value)} {interval(low, high)}".strip()


def interval(low: float, high: float) -> str:
    """Return the ends of an interval in brackets; "" if one is missing.

    Examples
    --------
    >>> interval(0.1, 0.25), interval(0.1, float("nan"))
    ('[0.100, 0.250]', '')
    """
    return "" if math.isnan(low) or math.isnan(high) else f"[{number(low)}, {number(high)}]"
