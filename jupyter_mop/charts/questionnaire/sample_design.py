"""The intervals to expect from a number of people, for each split between fit and estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from jupyter_mop.charts.style.chart_parts import sized, styled, titled
from jupyter_mop.charts.style.html_table import cell, table
from jupyter_mop.charts.style.theme import BLUE, INK

if TYPE_CHECKING:
    import altair as alt

    from jupyter_mop.engine.questionnaire.evaluation.sample_design import SampleDesign

MAX_VERDICT, HEIGHT_IN_ROWS = 600, 6


def sample_design_chart(design: SampleDesign) -> alt.LayerChart:
    """Draw the mean interval width of each split; dashed: people alone, without a simulation."""
    import altair as alt

    splits = design.splits
    x = alt.X("n_fit:Q", title=f"people for the fit, of {design.budget:,}")
    y = alt.Y("width:Q", title="mean width of the interval", scale=alt.Scale(zero=True))
    tips = [alt.Tooltip(f"{name}:Q", format=".3~f") for name in splits]
    line = alt.Chart(splits).mark_line(color=BLUE, point=alt.OverlayMarkDef(color=BLUE))
    alone = pd.DataFrame({"width": [splits["width_alone"].mean()]})
    rule = alt.Chart(alone).mark_rule(color=INK, strokeDash=[4, 3])
    note = "Dashed line: the answers of all people alone, without a simulation."
    title = titled(f"{design.level:.0%} intervals to expect", subtitle=note)
    layers = alt.layer(line.encode(x, y, tooltip=tips), rule.encode(alt.Y("width:Q")), title=title)
    chart: alt.LayerChart = styled(sized(layers, 420, HEIGHT_IN_ROWS))
    return chart


def sample_design_table(design: SampleDesign) -> str:
    """Return the verdict, the mean width of each split, and each question at the best split."""
    splits = [
        [f"{n_fit:,.0f}", f"{n_rectify:,.0f}", f"{width:.3f}", f"{alone:.3f}"]
        for n_fit, n_rectify, width, alone in design.splits.to_numpy()
    ]
    questions = [
        [
            cell(row["question"]),
            cell(row["option"]),
            f"{row['n_fit']:,}",
            f"{row['n_rectify']:,}",
            f"{row['power']:.2f}",
            f"{row['width']:.3f}",
            f"{row['width_alone']:.3f}",
            f"{row['worth']:,.0f}",
        ]
        for row in design.best.to_dict("records")
    ]
    ends = ["for the fit", "for the estimate"]
    widths = ["interval width", "width without simulation"]
    heads = ["question", "option", *ends, "power", *widths, "equivalent answers"]
    verdict = f"<p><b>{cell(design.verdict, MAX_VERDICT)}</b></p>"
    return f"{verdict}{table([*ends, *widths], splits)}{table(heads, questions)}"
