"""Personas from data: their descriptions and shares, and how their number was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from jupyter_mop.charts.persona_weights import weights_layers
from jupyter_mop.charts.style.chart_parts import styled, titled
from jupyter_mop.charts.style.html_table import cell, persona_chips, share_bar, table
from jupyter_mop.charts.style.theme import BLUE, INK, check_frame, persona_colours

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from jupyter_mop.engine.synthesis.synthesis import Synthesis

MAX_DESCRIPTION_LENGTH = 400


def synthesis_chart(synthesis: Synthesis) -> alt.LayerChart | alt.VConcatChart:
    """Draw each persona's share of the records, and the choice of k if there was one."""
    import altair as alt

    frame = synthesis.frame.rename(columns={"name": "persona", "share": "weight"})
    shares = weights_layers(frame[["persona", "weight"]], ticks=False, unit="records").properties(
        title=titled(
            "Personas from data",
            subtitle="Bar: share of records in the persona's cluster.",
            frame="group",
        )
    )
    if synthesis.ladder is None:
        chart: alt.LayerChart = styled(shares)
        return chart
    parts = ladder_layers(synthesis.ladder), shares
    both: alt.VConcatChart = styled(
        alt.vconcat(*parts, spacing=32).resolve_scale(color="independent")
    )
    return both


def ladder_chart(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw the held-out log-likelihood against the number of personas; the chosen one is ringed.

    Parameters
    ----------
    frame : DataFrame
        The frame that `choose_k` returns: columns `k`, `log_lik` (nats per record),
        `standard_error` (of the difference from the best) and `chosen`.

    Raises
    ------
    DataError
        If a column is missing or there are no rows.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = {"k": [2, 4], "log_lik": [-9.0, -8.5], "standard_error": [0.2, 0.0],
    ...         "chosen": [False, True]}
    >>> len(ladder_chart(pd.DataFrame(rows)).layer)
    5
    """
    chart: alt.LayerChart = styled(ladder_layers(frame))
    return chart


def ladder_layers(frame: pd.DataFrame) -> alt.LayerChart:
    """Return the layers of `ladder_chart`, to be part of another chart."""
    import altair as alt

    check_frame(frame, "k log_lik standard_error chosen")
    error = frame["standard_error"]
    frame = frame.assign(low=frame["log_lik"] - error, high=frame["log_lik"] + error)
    base = alt.Chart(frame).encode(alt.X("k:O", title="personas", axis=alt.Axis(labelAngle=0)))
    scale = alt.Scale(zero=False, nice=True, padding=10)
    y = alt.Y("log_lik:Q", title="log-likelihood (nats per record)", scale=scale)
    tips = [
        alt.Tooltip("k:O", title="personas"),
        alt.Tooltip("log_lik:Q", title="log-likelihood", format=".3f"),
        alt.Tooltip("standard_error:Q", title="standard error", format=".3f"),
    ]
    best = alt.Chart(frame.nlargest(1, "log_lik"))
    chosen = alt.Chart(frame[frame["chosen"]]).encode(alt.X("k:O"))
    dots = base.mark_point(color=BLUE, size=80, filled=True, opacity=1)
    layers = [
        best.mark_rule(color=INK, strokeDash=[5, 4]).encode(alt.Y("log_lik:Q", scale=scale)),
        base.mark_line(color=BLUE).encode(y),
        base.mark_rule(color=BLUE, strokeWidth=2).encode(alt.Y("low:Q"), alt.Y2("high:Q")),
        dots.encode(y, tooltip=tips),
        chosen.mark_point(color=INK, size=260, strokeWidth=2).encode(y),
    ]
    title = titled(
        "Number of personas",
        subtitle=[
            "Held-out log-likelihood; bar: standard error of the difference from the best.",
            "Ring: the smallest number within one standard error of the best (dashed line).",
        ],
        frame="group",
    )
    return cast("alt.LayerChart", alt.layer(*layers, title=title, width=380, height=200))


def synthesis_table(synthesis: Synthesis) -> str:
    """Return the verdict, then each persona with its share of the records and its source."""
    frame = synthesis.frame
    names = [str(name) for name in frame["name"]]
    chips, colours = persona_chips(names), persona_colours(names)
    rows = [
        [
            chips[name],
            cell(row["description"], MAX_DESCRIPTION_LENGTH),
            share_bar(row["share"], colour),
            cell(row["source"]),
            cell(", ".join(row["keywords"])),
        ]
        for name, colour, (_, row) in zip(names, colours, frame.iterrows(), strict=True)
    ]
    heads = ["persona", "description", "share of records", "source", "keywords"]
    verdict = f"<p><b>{cell(synthesis.verdict, MAX_DESCRIPTION_LENGTH)}</b></p>"
    note = "" if synthesis.ladder is None else f"; k chosen from {_candidates(synthesis.ladder)}"
    return f"{verdict}{table(heads, rows)}<p>{cell(repr(synthesis))}{cell(note)}</p>"


def _candidates(ladder: pd.DataFrame) -> str:
    return ", ".join(str(k) for k in ladder["k"])
