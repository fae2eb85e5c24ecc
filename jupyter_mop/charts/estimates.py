"""Estimates with their intervals, beside those of human answers alone and of the simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mop.charts.style.chart_parts import name_axis, sized, styled, titled
from jupyter_mop.charts.style.html_table import cell, table
from jupyter_mop.charts.style.numbers import interval, number
from jupyter_mop.charts.style.plain_text import plain, plain_frame
from jupyter_mop.charts.style.theme import BLUE, GREY, INK, ROW_HEIGHT
from jupyter_mop.engine.evaluation.estimates import Estimates

if TYPE_CHECKING:
    import altair as alt


def estimates_chart(estimates: Estimates) -> alt.LayerChart:
    """Draw each estimate with its interval, beside human answers and the simulation alone."""
    import altair as alt

    frame = plain_frame(estimates.frame, "option")
    order = list(frame["option"])
    base = alt.Chart(frame).encode(alt.Y("option:N", sort=order, title=None, axis=name_axis()))
    x = alt.X("low:Q", title=plain(estimates.of), scale=alt.Scale(zero=False, nice=True))
    colour = BLUE if estimates.is_valid else GREY
    numbers = [alt.Tooltip(f"{c}:Q", format=".3f") for c in ("value", "low", "high", "simulated")]
    line = base.mark_rule(color=colour, strokeWidth=4)
    dot = base.mark_circle(color=colour, size=110, opacity=1)
    tick = base.mark_tick(color=INK, thickness=2, size=0.6 * ROW_HEIGHT)
    layers = [
        line.encode(x, alt.X2("high:Q")),
        dot.encode(alt.X("value:Q"), tooltip=numbers),
        tick.encode(alt.X("simulated:Q")),
    ]
    if estimates.n_human:
        human = base.mark_rule(color=GREY, strokeWidth=3, yOffset=10)
        layers.insert(0, human.encode(alt.X("human_low:Q"), alt.X2("human_high:Q")))
    title = titled(
        f"Estimate of {plain(estimates.of)}",
        subtitle=[
            estimates.note,
            "Dot: estimate; grey line: human answers alone; tick: simulation alone."
            if estimates.n_human
            else "Dot and tick: simulation.",
        ],
    )
    chart: alt.LayerChart = styled(sized(alt.layer(*layers, title=title), 420, len(order)))
    return chart


def estimates_table(estimates: Estimates) -> str:
    """Return the verdict, the estimates with their intervals, and what they are based on."""
    heads = ["", "estimate", f"{estimates.level:.0%} interval", "simulation alone"]
    columns = ["option", "value", "low", "high", "simulated", "human", "human_low", "human_high"]
    rows = []
    for row in estimates.frame[[*columns, "worth"]].to_numpy():
        name, value, low, high, simulated, *human, worth = row
        cells = [cell(name), f"<b>{number(value)}</b>", interval(low, high), number(simulated)]
        if estimates.n_human:
            cells += [number(human[0]), interval(*human[1:]), number(worth)]
        rows.append(cells)
    if estimates.n_human:
        heads += ["human answers alone", "interval", "equivalent answers"]
    verdict, note = (cell(text, 600) for text in (estimates.verdict, estimates.note))
    return f"<p><b>{verdict}</b></p>{table(heads, rows)}<p>{note}</p>"
