"""Option shares by group with intervals, and predicted questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jupyter_mop.charts.style.chart_parts import (
    name_axis,
    sized,
    styled,
    titled,
    tooltips,
)
from jupyter_mop.charts.style.html_table import cell, share_bar, share_interval, table
from jupyter_mop.charts.style.plain_text import plain, plain_frame
from jupyter_mop.charts.style.theme import BLUE, INK, ROW_HEIGHT

if TYPE_CHECKING:
    import altair as alt

    from jupyter_mop.engine.questionnaire.group_shares import GroupShares
    from jupyter_mop.engine.questionnaire.prediction import Prediction

MAX_PANELS, COLUMNS, WIDTH = 24, 2, 140  # they fit beside JupyterLab's side bar
MAX_NOTE_LENGTH, N_TICKS = 600, 3
PREDICTED_NOTE = "Dot: estimated share with 95 % interval."
FITTED_NOTE = "Dot: estimated share with 95 % interval; tick: the respondents' own share."


def group_shares_chart(shares: GroupShares) -> alt.VConcatChart:
    """Draw the option shares of each group with intervals, ticks at people's own shares."""
    is_known = bool(shares.frame["people"].notna().any())
    return panels_chart(
        shares.frame, "group", _heading(shares), [FITTED_NOTE if is_known else PREDICTED_NOTE]
    )


def group_shares_table(shares: GroupShares) -> str:
    """Return which groups differ most, then each group's option shares beside people's own."""
    text = f"<p>{cell(_heading(shares), MAX_NOTE_LENGTH)}</p>"
    if shares.verdict:
        text += f"<p><b>{cell(shares.verdict, MAX_NOTE_LENGTH)}</b></p>"
    return f"{text}{shares_table(shares.frame)}"


def _heading(shares: GroupShares) -> str:
    """Return the question's name and its text, or once what is both."""
    name, text = shares.name, shares.question.text
    return name if name == text else f"{name}: {text}"


def prediction_chart(prediction: Prediction) -> alt.VConcatChart:
    """Draw the predicted option shares with intervals."""
    frame = prediction.shares().frame
    first, _, rest = prediction.verdict.partition(": ")
    notes = [f"Predicted: nobody was asked. {PREDICTED_NOTE}", f"{first}:", rest]
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
    heads = ["group", "option", "estimated share", "95 % interval"]
    rows = []
    for row in frame.to_dict("records"):
        cells = [
            cell(row["group"]),
            cell(row["option"]),
            share_bar(row["share"]),
            share_interval(row["low"], row["high"]),
        ]
        if is_known:
            known = "" if pd.isna(row["people"]) else f"{row['people']:.1%}"
            cells += [known, f"{row['n']:,}"]
        rows.append(cells)
    return table([*heads, "respondents' share", "n"] if is_known else heads, rows)


def panels_chart(frame: pd.DataFrame, panel: str, title: str, notes: list[str]) -> alt.VConcatChart:
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
    top = min(1.0, np.ceil(10 * np.nanmax(frame[["high", "people"]])) / 10)
    parts = [_panel(frame[frame[panel] == name], str(name), top) for name in names[:MAX_PANELS]]
    rows = [alt.hconcat(*parts[i : i + COLUMNS], spacing=24) for i in range(0, len(parts), COLUMNS)]
    head = titled(plain(title), subtitle=[plain(note, MAX_NOTE_LENGTH) for note in notes])
    chart: alt.VConcatChart = styled(alt.vconcat(*rows, title=head, spacing=24))
    return chart


def _panel(frame: pd.DataFrame, name: str, top: float) -> alt.LayerChart:
    import altair as alt

    frame = plain_frame(frame, "option")
    order = list(frame["option"])
    base = alt.Chart(frame).encode(alt.Y("option:N", sort=order, title=None, axis=name_axis()))
    scale = alt.Scale(domain=[0, top])
    is_known = bool(frame["people"].notna().any())
    tips = tooltips("option:N", "share:Q", "low:Q", "high:Q", *(["people:Q"] if is_known else []))
    axis = alt.Axis(format=".0%", tickCount=N_TICKS)
    x = alt.X("low:Q", title=None, axis=axis, scale=scale)
    layers = [
        base.mark_rule(color=BLUE, strokeWidth=3, opacity=0.55).encode(x, alt.X2("high:Q")),
        base.mark_circle(color=BLUE, size=80, opacity=1).encode(alt.X("share:Q"), tooltip=tips),
    ]
    if is_known:
        tick = base.mark_tick(color=INK, thickness=2, size=0.6 * ROW_HEIGHT)
        layers.append(tick.encode(alt.X("people:Q")))
    title = titled(plain(name, 40), fontSize=12)
    return sized(alt.layer(*layers, title=title), WIDTH, len(order))
