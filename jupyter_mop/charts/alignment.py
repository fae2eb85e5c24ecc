"""How close simulations are to the real responses, as dots with intervals and a human floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from jupyter_mop.charts.texts import plain_frame
from jupyter_mop.charts.theme import BLUE, INK, PALE, check, name_axis, sized, styled

if TYPE_CHECKING:
    import altair as alt


def alignment_chart(
    frame: pd.DataFrame,
    *,
    title: str = "How close are the simulated responses to the real ones?",
    subtitle: str = (
        "Dashed: human floor, the same between two halves of the real ones; grey: its spread."
    ),
    floor: str = "human floor",
) -> alt.HConcatChart:
    """Draw each method's figures with their intervals; a dashed line is the human floor.

    Parameters
    ----------
    frame : DataFrame
        As `jupyter_mop.engine.metrics.align` returns it; methods are drawn in its order.
    title, subtitle, floor : str
        What is asked, what the dashed line is, and its name.

    Returns
    -------
    altair.HConcatChart
        One column per figure, each with its own axis, one row per method.

    Raises
    ------
    DataError
        If a column is missing or there are no rows.

    Examples
    --------
    >>> import pandas as pd
    >>> row = dict(method="plain", figure="FID", value=0.5, low=0.4, high=0.6, n=200)
    >>> row |= dict(floor=0.3, floor_low=0.28, floor_high=0.32, better="lower")
    >>> len(alignment_chart(pd.DataFrame([row])).hconcat)
    1
    """
    import altair as alt

    check(frame, "method figure value low high floor floor_low floor_high n better")
    frame = plain_frame(frame, "method")
    figures = list(dict.fromkeys(frame["figure"]))
    columns = [
        _figure_column(frame[frame["figure"] == name], floor, labels=i == 0)
        for i, name in enumerate(figures)
    ]
    sizes = int(frame["n"].iloc[0])
    sides = f"{sizes:,} simulated against {sizes:,} real responses per dot; bars: intervals."
    heading = alt.TitleParams(title, subtitle=[sides, subtitle])
    chart: alt.HConcatChart = styled(alt.hconcat(*columns, title=heading, spacing=24))
    return chart


def interval_layers(frame: pd.DataFrame, value: str, y: alt.Y, title: str) -> list[alt.Chart]:
    """Return the layers of a dot with its interval and its figure as text, one row per name."""
    import altair as alt

    base = alt.Chart(frame).encode(y)
    scale = alt.Scale(zero=False, nice=True, padding=12)
    x = alt.X(f"{value}:Q", title=title, scale=scale, axis=alt.Axis(tickCount=5))
    tips = [alt.Tooltip(f"{column}:Q", format=".4f") for column in (value, "low", "high")]
    bar = base.mark_rule(color=BLUE, strokeWidth=3, opacity=0.55)
    dot = base.mark_circle(color=BLUE, size=80, opacity=1)
    halo = base.mark_text(fontSize=10, dy=-11, stroke="white", strokeWidth=3)
    word = base.mark_text(color=INK, fontSize=10, dy=-11)
    text = alt.Text(f"{value}:Q", format=".3f")
    return [
        bar.encode(alt.X("low:Q", title=title, scale=scale), alt.X2("high:Q")),
        dot.encode(x, tooltip=tips),
        halo.encode(x, text),
        word.encode(x, text),
    ]


def _figure_column(frame: pd.DataFrame, floor_name: str, *, labels: bool) -> alt.LayerChart:
    import altair as alt

    name, better = frame["figure"].iloc[0], frame["better"].iloc[0]
    order = list(frame["method"])
    floor = alt.Chart(frame.head(1))
    band = floor.mark_rect(color=PALE, opacity=0.45).encode(
        alt.X("floor_low:Q"), alt.X2("floor_high:Q")
    )
    line = floor.mark_rule(color=INK, strokeDash=[5, 4], strokeWidth=1.5).encode(alt.X("floor:Q"))
    word = floor.mark_text(text=floor_name, color=INK, fontSize=11, dy=-8).encode(
        alt.X("floor:Q"), y=alt.value(0)
    )
    axis = name_axis() if labels else None
    y = alt.Y("method:N", sort=order, title=None, axis=axis)
    points = interval_layers(frame, "value", y, f"{name} ({better} is better)")
    chart = alt.layer(band, line, *points, word)
    return sized(chart, 230, len(order))
