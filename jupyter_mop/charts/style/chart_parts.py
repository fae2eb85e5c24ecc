"""The parts that charts are built from: axes, tooltips, intervals, heat maps, the finished look."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from jupyter_mop.charts.style.theme import (
    BLUE,
    FONT,
    GRID,
    INK,
    LINE,
    ROW_HEIGHT,
    persona_colours,
)

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from jupyter_mop.charts.style.theme import AnyChart

PALEST, DARKEST = "#F2F7FB", "#08519C"
DARK_SHARE = 0.6  # of the scale: text on darker cells is white
SUBTITLE_WIDTH, TITLE_WIDTH = 46, 32  # characters in a cell on a telephone
TWO_LINES = "split(replace(datum.label, regexp('^(.{5,21}) (?=.{4})'), '$1\\n'), '\\n')"
CELL_WIDTH = 1.4 * ROW_HEIGHT


def styled(chart: AnyChart) -> Any:  # noqa: ANN401  a chart of the same kind
    """Return a finished chart with its look, every colour named, and its display in notebooks."""
    from jupyter_mop.charts.style.notebook_chart import notebook_chart

    title = {"color": INK, "subtitleColor": INK, "anchor": "start", "fontSize": 15}
    lines = {"labelLimit": 0, "gridColor": GRID, "domainColor": LINE, "tickColor": LINE}
    names = {"labelColor": INK, "titleColor": INK, "titleFontWeight": "normal"}
    return notebook_chart(
        cast("alt.Chart", chart)
        .configure(background="white", padding=14, font=FONT)
        .configure_view(stroke=None)
        .configure_title(**title, subtitleFontSize=11, offset=14)
        .configure_axis(**lines, **names)
        .configure_legend(**names, labelLimit=0)
        .configure_text(color=INK)
    )


def sized(chart: object, width: int, n_rows: int) -> alt.LayerChart:
    """Return the chart at a width in pixels, with the usual height for each of its rows."""
    return cast("alt.LayerChart", chart).properties(width=width, height=ROW_HEIGHT * n_rows)


def persona_scale(names: list[str]) -> alt.Scale:
    """Return the colour scale of all personas."""
    import altair as alt

    return alt.Scale(domain=names, range=persona_colours(names))


def titled(text: str, subtitle: str | Iterable[str] = (), **look: Any) -> alt.TitleParams:  # noqa: ANN401
    """Return a title, and a subtitle of texts that each begin a line; long ones are wrapped.

    Examples
    --------
    >>> titled("Weights", "Not all targets are reached: " * 4).subtitle[0]
    'Not all targets are reached: Not all targets'
    """
    import altair as alt

    texts = [subtitle] if isinstance(subtitle, str) else list(subtitle)
    lines = [line for each in texts for line in textwrap.wrap(each, SUBTITLE_WIDTH)]
    heads = textwrap.wrap(text, TITLE_WIDTH) or [""]
    if lines:
        look["subtitle"] = _unlisted(lines)
    return alt.TitleParams(_unlisted(heads), **look)


def _unlisted(lines: list[str]) -> str | list[str]:
    return lines[0] if len(lines) == 1 else lines


def name_axis() -> alt.Axis:
    """Return an axis of names in at most two lines, without line and ticks."""
    import altair as alt

    return alt.Axis(
        labelFontSize=12,
        labelPadding=8,
        labelLineHeight=13,
        labelExpr=TWO_LINES,
        ticks=False,
        domain=False,
    )


def share_axis() -> alt.Axis:
    """Return an axis of shares in percent."""
    import altair as alt

    return alt.Axis(format=".0%", tickCount=5)


def tooltips(*fields: str) -> list[alt.Tooltip]:
    """Return the tooltips of these fields; numbers are shown as percentages."""
    import altair as alt

    return [
        alt.Tooltip(field, format=".1%") if field.endswith(":Q") else alt.Tooltip(field)
        for field in fields
    ]


def interval_layers(frame: pd.DataFrame, value: str, y: alt.Y, title: str) -> list[alt.Chart]:
    """Return the layers of a dot with its interval and its value as text, one row per name."""
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


def heat_layers(
    frame: pd.DataFrame,
    rows: str,
    columns: str,
    value: str,
    *,
    top: float | None = None,
    column_title: str | None = None,
) -> list[alt.Chart]:
    """Return the cells of a heat map and their texts, shares as percentages.

    Parameters
    ----------
    frame : DataFrame
        Plain text in the columns `rows` and `columns`, drawn in the frame's order; `value` in
        [0, 1].
    top : float, optional
        The value of the darkest colour; default: the largest one.
    column_title : str, optional
        Title above the columns.
    """
    import altair as alt

    top = float(frame[value].max()) if top is None else top
    axis = alt.Axis(orient="top", labelAngle=-30, ticks=False, domain=False)
    order = {name: list(dict.fromkeys(frame[name])) for name in (rows, columns)}
    base = alt.Chart(frame).encode(
        alt.X(f"{columns}:N", sort=order[columns], title=column_title, axis=axis),
        alt.Y(f"{rows}:N", sort=order[rows], title=None, axis=name_axis()),
    )
    scale = alt.Scale(domain=[0, top], range=[PALEST, DARKEST])
    is_dark = alt.datum[value] > DARK_SHARE * top
    ink = alt.condition(is_dark, alt.value("white"), alt.value(INK))
    cells = base.mark_rect(stroke="white", strokeWidth=2).encode(
        alt.Color(f"{value}:Q", scale=scale, legend=None),
        tooltip=tooltips(f"{rows}:N", f"{columns}:N", f"{value}:Q"),
    )
    texts = base.mark_text(fontSize=11).encode(alt.Text(f"{value}:Q", format=".0%"), color=ink)
    return [cells, texts]
