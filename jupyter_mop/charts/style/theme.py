"""One look for all charts, and one colour per persona everywhere.

The colours are Okabe and Ito's, which people with any colour vision tell apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import pandas as pd

from jupyter_mop.errors import DataError

if TYPE_CHECKING:
    import altair as alt

    AnyChart = alt.Chart | alt.LayerChart | alt.HConcatChart | alt.VConcatChart | alt.ConcatChart

BLUE = "#0072B2"
LIGHT_BLUE = "#56B4E9"
PALE = "#BDBDBD"
GREY = "#A6A6A6"
INK = "#333333"
LINE = "#8A8A8A"
GRID = "#E6E6E6"
PERSONA_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
SHADES = (0.0, -0.45, 0.5, -0.7, 0.75)
ROW_HEIGHT = 36
FONT = "sans-serif"


def persona_colours(names: Iterable[str]) -> list[str]:
    """Return one colour per persona by its position, whoever draws it.

    Parameters
    ----------
    names : iterable of str
        All personas in the study's order. From the eighth on the seven colours come again,
        darker, then lighter; no two of 35 are the same.

    Examples
    --------
    >>> persona_colours(["critic", "fan"])
    ['#0072B2', '#E69F00']
    """
    size = len(PERSONA_COLOURS)
    return [
        _shaded(PERSONA_COLOURS[k % size], SHADES[k // size % len(SHADES)])
        for k, _ in enumerate(names)
    ]


def persona_scale(names: list[str]) -> alt.Scale:
    """Return the scale from the names of all personas to their colours."""
    import altair as alt

    return alt.Scale(domain=names, range=persona_colours(names))


def name_axis() -> alt.Axis:
    """Return an axis of names: no line, no ticks."""
    import altair as alt

    return alt.Axis(labelFontSize=12, labelPadding=8, ticks=False, domain=False)


def share_axis() -> alt.Axis:
    """Return an axis of shares in per cent."""
    import altair as alt

    return alt.Axis(format=".0%", tickCount=5)


def sized(chart: object, width: int, n_rows: int) -> alt.LayerChart:
    """Return the chart `width` wide, with one row of the usual height per name."""
    return cast("alt.LayerChart", chart).properties(width=width, height=ROW_HEIGHT * n_rows)


def check(frame: pd.DataFrame, columns: str) -> None:
    """Raise a DataError where a column is missing or there is nothing to draw."""
    absent = [name for name in columns.split() if name not in frame]
    if absent:
        raise DataError(
            f"The chart needs the columns {columns.split()}, and {absent} are missing.",
            hint="Pass the frame as the function that made it returned it.",
        )
    if frame.empty:
        raise DataError(
            "The chart has nothing to draw: the frame has no rows.", hint="Run it first."
        )


def _shaded(colour: str, shade: float) -> str:
    """Mix `colour` with black (shade below 0) or white (above)."""
    end = 255 if shade > 0 else 0
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    mixed = [round(part + abs(shade) * (end - part)) for part in parts]
    return "#" + "".join(f"{part:02X}" for part in mixed)
