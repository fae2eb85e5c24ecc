"""What is wrong with simulated respondents: each measure beside its human floor, worst first."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import pandas as pd

from jupyter_mop.charts.style.chart_parts import name_axis, sized, styled, titled
from jupyter_mop.charts.style.html_table import cell, table
from jupyter_mop.charts.style.numbers import interval, number
from jupyter_mop.charts.style.plain_text import plain_frame
from jupyter_mop.charts.style.theme import BLUE, GREY, INK

if TYPE_CHECKING:
    import altair as alt

    from jupyter_mop.engine.questionnaire.evaluation.survey_fidelity import SurveyFidelity

MAX_ROWS, MAX_VERDICT, MAX_LABEL = 20, 1000, 60
HEADS = ("measure", "question", "detail", "n", "people", "simulated", "value", "floor",
         "times floor")  # fmt: skip


def survey_fidelity_chart(fidelity: SurveyFidelity) -> alt.LayerChart:
    """Draw how many times its floor each measure is off, worst first; the line is the floor."""
    import altair as alt

    frame = fidelity.frame.head(MAX_ROWS)
    labels = frame[["measure", "question", "detail"]].agg(", ".join, axis=1)
    frame = plain_frame(frame.assign(label=labels), "label", "question", "detail")
    y = alt.Y("label:N", sort=list(frame["label"]), title=None, axis=name_axis())
    fields = ("people", "simulated", "value", "floor_low", "floor_high")
    tips = ["label:N", *(alt.Tooltip(f"{name}:Q", format=".3f") for name in fields)]
    colour = alt.condition(alt.datum.times_floor > 1, alt.value(BLUE), alt.value(GREY))
    x = alt.X("times_floor:Q", title="distance from people, in units of the human floor")
    bars = alt.Chart(frame).mark_bar(height={"band": 0.6}).encode(x, y, color=colour, tooltip=tips)
    line = alt.Chart(pd.DataFrame({"floor": [1.0]})).mark_rule(color=INK, strokeDash=[4, 3])
    note = "Blue: more than chance. Dashed line: the human floor."
    title = titled("Simulated respondents beside people", subtitle=note)
    layers = alt.layer(bars, line.encode(alt.X("floor:Q")), title=title)
    chart: alt.LayerChart = styled(sized(layers, 420, len(frame)))
    return chart


def survey_fidelity_table(fidelity: SurveyFidelity) -> str:
    """Return the verdict, the measures over all questions, and the worst rows."""
    frame = fidelity.frame
    rest = len(frame) - MAX_ROWS
    more = f"<p>The worst {MAX_ROWS} of {len(frame)} rows; .frame has all.</p>" if rest > 0 else ""
    return "".join(
        [
            f"<p><b>{cell(fidelity.verdict, MAX_VERDICT)}</b></p>",
            table(HEADS, map(_cells, fidelity.overall.reset_index().to_dict("records"))),
            table(HEADS, map(_cells, frame.head(MAX_ROWS).to_dict("records"))),
            more,
        ]
    )


def _cells(row: dict[Hashable, Any]) -> list[str]:
    numbers = {name: float(str(row[name])) for name in ("people", "simulated", "value",
               "floor_low", "floor_high", "times_floor")}  # fmt: skip
    times = f"{numbers['times_floor']:.1f}"
    return [
        *(cell(row[name], MAX_LABEL) for name in ("measure", "question", "detail")),
        f"{row['n']:,}",
        number(numbers["people"]),
        number(numbers["simulated"]),
        number(numbers["value"]),
        interval(numbers["floor_low"], numbers["floor_high"]),
        f"<b>{times}</b>" if numbers["times_floor"] > 1 else times,
    ]
