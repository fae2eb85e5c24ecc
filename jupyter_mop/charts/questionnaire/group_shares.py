"""Option shares by group with intervals, and predicted questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from jupyter_mop.charts.style.chart_parts import (
    name_axis,
    share_axis,
    sized,
    styled,
    titled,
    tooltips,
)
from jupyter_mop.charts.style.html_table import cell, share_bar, table
from jupyter_mop.charts.style.plain_text import plain, plain_frame
from jupyter_mop.charts.style.theme import BLUE, INK, ROW_HEIGHT

if TYPE_CHECKING:
    import altair as alt

    from jupyter_mop.engine.questionnaire.group_shares import GroupShares
    from jupyter_mop.engine.questionnaire.prediction import Prediction

MAX_PANELS, COLUMNS, WIDTH = 24, 3, 190
MAX_NOTE_LENGTH = 600


def group_shares_chart(shares: GroupShares) -> alt.ConcatChart:
    """Draw the option shares of each group with intervals, ticks at people's own shares."""
    is_known = bool(shares.frame["people"].notna().any())
    note = "Dot: share with 95 % interval" + ("; tick: the respondents' own." if is_known else ".")
    return panels_chart(shares.frame, "group", f"{shares.name}: {shares.question.text}", [note])


def group_shares_table(shares: GroupShares) -> str:
    """Return the option shares of each group, with intervals, beside people's own."""
    text = f"<p><b>{cell(shares.name)}</b>: {cell(shares.question.text)}</p>"
    return f"{text}{shares_table(shares.frame)}"


def prediction_chart(prediction: Prediction) -> alt.ConcatChart:
    """Draw the predicted option shares with intervals."""
    frame = prediction.shares().frame
    first, _, rest = prediction.verdict.partition(": ")
    notes = ["Predicted: nobody was asked. Dot: share with 95 % interval.", f"{first}:", rest]
    title = f"{prediction.name}: {prediction.question.text}"
    return panels_chart(frame, "group", title, notes)


def prediction_table(prediction: Prediction) -> str:
    """Return the predicted shares, and what such predictions were worth on answered questions."""
    report = prediction.report
    rows = [
        [
            cell(row["question"]),
            cell(row["kind"]),
            f"{row['n']:,}",
            *(f"{row[name]:.3f}" for name in ("predicted", "uncalibrated", "equal")),
            f"{row['floor']:.3f} (up to {row['floor_high']:.3f})",
        ]
        for row in report.to_dict("records")
    ]
    heads = ["question left out", "kind", "n", "TV predicted", "TV uncalibrated", "TV equal shares",
             "floor"]  # fmt: skip
    return "".join(
        [
            f"<p><b>{cell(prediction.name)}</b>: {cell(prediction.question.text)}</p>",
            shares_table(prediction.shares().frame),
            f"<p>{cell(prediction.verdict, MAX_NOTE_LENGTH)}</p>",
            table(heads, rows),
        ]
    )


def shares_table(frame: pd.DataFrame) -> str:
    """Return shares by group as HTML: a row for each group and option."""
    is_known = bool(frame["people"].notna().any())
    heads = ["group", "option", "share", "95 % interval"]
    rows = []
    for row in frame.to_dict("records"):
        cells = [
            cell(row["group"]),
            cell(row["option"]),
            share_bar(row["share"]),
            f"{row['low']:.1%} to {row['high']:.1%}",
        ]
        if is_known:
            known = "" if pd.isna(row["people"]) else f"{row['people']:.1%}"
            cells += [known, f"{row['n']:,}"]
        rows.append(cells)
    return table([*heads, "respondents", "n"] if is_known else heads, rows)


def panels_chart(frame: pd.DataFrame, panel: str, title: str, notes: list[str]) -> alt.ConcatChart:
    """Return small multiples: a panel for each value of a column, with dots and intervals.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns option, share, low, high, people, and that of the panels.
    panel : str
        The column whose values have a panel each; at most 24 are drawn.
    title : str
        Title of the chart.
    notes : list of str
        Lines below the title.
    """
    import altair as alt

    names = list(dict.fromkeys(frame[panel]))
    if len(names) > MAX_PANELS:
        notes = [*notes, f"The first {MAX_PANELS} of {len(names)} panels."]
    parts = [_panel(frame[frame[panel] == name], str(name)) for name in names[:MAX_PANELS]]
    head = titled(plain(title), subtitle=[plain(note) for note in notes])
    chart: alt.ConcatChart = styled(alt.concat(*parts, columns=COLUMNS, title=head, spacing=24))
    return chart


def _panel(frame: pd.DataFrame, name: str) -> alt.LayerChart:
    import altair as alt

    frame = plain_frame(frame, "option")
    order = list(frame["option"])
    base = alt.Chart(frame).encode(alt.Y("option:N", sort=order, title=None, axis=name_axis()))
    scale = alt.Scale(domain=[0, 1])
    is_known = bool(frame["people"].notna().any())
    tips = tooltips("option:N", "share:Q", "low:Q", "high:Q", *(["people:Q"] if is_known else []))
    x = alt.X("low:Q", title=None, axis=share_axis(), scale=scale)
    layers = [
        base.mark_rule(color=BLUE, strokeWidth=3, opacity=0.55).encode(x, alt.X2("high:Q")),
        base.mark_circle(color=BLUE, size=80, opacity=1).encode(alt.X("share:Q"), tooltip=tips),
    ]
    if is_known:
        tick = base.mark_tick(color=INK, thickness=2, size=0.6 * ROW_HEIGHT)
        layers.append(tick.encode(alt.X("people:Q")))
    title = titled(plain(name, 40), fontSize=12)
    return sized(alt.layer(*layers, title=title), WIDTH, len(order))
