"""Alignment: metrics with intervals and human floors, overall and by context; the response map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from jupyter_mop.charts.style.chart_parts import (
    DARK_SHARE,
    DARKEST,
    PALEST,
    interval_layers,
    name_axis,
    sized,
    styled,
    titled,
)
from jupyter_mop.charts.style.html_table import cell, table, unbroken
from jupyter_mop.charts.style.plain_text import labels, plain_frame
from jupyter_mop.charts.style.theme import GREY, INK, PALE, check_frame, persona_colours

if TYPE_CHECKING:
    import altair as alt

    from jupyter_mop.engine.evaluation.alignment import Alignment
    from jupyter_mop.engine.evaluation.alignment_by_context import AlignmentByContext

REAL = "real"
REAL_GROUP = "real responses"
NO_PERSONA = "no persona"
OTHER = "other personas"
MAX_PERSONAS = 14
MAX_NOTE_LENGTH = 600
WIDTH = 165  # of a panel: a chart fits on a telephone
CELL_WIDTH, CELL_HEIGHT = 36, 40
NO_PERSONA_COLOUR = "#8C6D46"
ENDS = ("value", "low", "high", "floor", "floor_low", "floor_high")


def alignment_chart(
    frame: pd.DataFrame,
    *,
    title: str = "How close are the simulated responses to the real ones?",
    subtitle: str = "",
    floor: str = "human floor",
) -> alt.VConcatChart:
    """Draw each method's metrics with their intervals; a dashed line is the human floor.

    Parameters
    ----------
    frame : DataFrame
        The frame that `alignment_table.align` returns; methods are drawn in its order.
    title : str
        Title of the chart.
    subtitle : str
        Explanation of dots and dashed line, where they are no simulation and no human floor.
    floor : str
        Name of the dashed line.

    Returns
    -------
    altair.VConcatChart
        One panel per metric, each with its own axis; in each, one row per method.

    Raises
    ------
    DataError
        If a column is missing or there are no rows.

    Examples
    --------
    >>> import pandas as pd
    >>> row = dict(method="plain", figure="FID", value=0.5, low=0.4, high=0.6, n=200)
    >>> row |= dict(floor=0.3, floor_low=0.28, floor_high=0.32, better="lower")
    >>> len(alignment_chart(pd.DataFrame([row])).vconcat)
    1
    """
    import altair as alt

    check_frame(frame, "method figure value low high floor floor_low floor_high n better")
    frame = plain_frame(frame, "method")
    metrics = list(dict.fromkeys(frame["figure"]))
    panels = [_metric_column(frame[frame["figure"] == name], floor) for name in metrics]
    n = int(frame["n"].iloc[0])
    usual = [
        f"Dots: {n:,} simulated against {n:,} real responses; bars: their intervals.",
        "Dashed line: human floor, between two halves of the real responses; grey: its interval.",
    ]
    heading = titled(title, subtitle=[subtitle] if subtitle else usual)
    chart: alt.VConcatChart = styled(alt.vconcat(*panels, title=heading, spacing=18))
    return chart


def _metric_column(frame: pd.DataFrame, floor_name: str) -> alt.LayerChart:
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
    y = alt.Y("method:N", sort=order, title=None, axis=name_axis())
    points = interval_layers(frame, "value", y, f"{name} ({better} is better)")
    chart = alt.layer(band, line, *points, word)
    return sized(chart, WIDTH, len(order))


def response_map(frame: pd.DataFrame, personas: Sequence[str] = ()) -> alt.ConcatChart:
    """Draw real and simulated responses in embedding space, one panel per method.

    Parameters
    ----------
    frame : DataFrame
        Columns `x`, `y`, `source` ("real" or the name of a method), `persona` (may be missing) and
        `response`, which the tooltips show.
    personas : sequence of str
        All personas in the study's order, which determines their colours; default: the order in
        which they occur.

    Returns
    -------
    altair.ConcatChart
        Panels with the real responses in grey behind those of each method, coloured by persona.
        With more than 14 personas the most frequent ones have a colour and the others are grey.

    Raises
    ------
    DataError
        If a column is missing or there are no rows.

    Examples
    --------
    >>> import pandas as pd
    >>> points = {"x": [0.0, 0.1], "y": [0.0, 0.2], "source": ["real", "plain"]}
    >>> frame = pd.DataFrame({**points, "persona": [None, "critic"], "response": ["a", "b"]})
    >>> len(response_map(frame, ["critic"]).concat)
    1
    """
    import altair as alt

    check_frame(frame, "x y source persona response")
    frame, colours = _grouped(frame, personas)
    methods = [name for name in dict.fromkeys(frame["source"]) if name != REAL]
    size = 230 if len(methods) > 1 else 380
    panels = [_panel(frame, name, colours, size) for name in methods or [REAL]]
    title = titled(
        "Responses in embedding space",
        subtitle="First two principal components of the real responses (grey dots).",
    )
    columns = min(3, len(panels))
    chart: alt.ConcatChart = styled(alt.concat(*panels, columns=columns, title=title, spacing=16))
    return chart


def _grouped(frame: pd.DataFrame, personas: Sequence[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Add the column `group`, which determines the colour; return its values with their colours."""
    simulated = frame["source"] != REAL
    short = labels([*personas, *frame["persona"].dropna()])
    frame = plain_frame(frame.assign(persona=frame["persona"].map(short)), "source")
    counts = frame.loc[simulated, "persona"].dropna().value_counts(sort=True)
    names = list(short.values())
    frequent = set(counts.index[:MAX_PERSONAS])
    shown = {
        name: colour
        for name, colour in zip(names, persona_colours(names), strict=True)
        if name in frequent
    }
    named = frame["persona"].where(frame["persona"].notna(), NO_PERSONA).astype(str)
    group = named.where(named.isin([*shown, NO_PERSONA]), OTHER).where(simulated, REAL_GROUP)
    colours = {REAL_GROUP: GREY, **shown, OTHER: "#7F7F7F", NO_PERSONA: NO_PERSONA_COLOUR}
    present = set(group)
    clean = frame.assign(
        x=frame["x"].astype(float),
        y=frame["y"].astype(float),
        persona=frame["persona"].where(frame["persona"].notna(), "").astype(str),
        group=group,
    )
    return clean, {name: colour for name, colour in colours.items() if name in present}


def _panel(frame: pd.DataFrame, method: str, colours: dict[str, str], size: int) -> alt.Chart:
    import altair as alt

    rows = frame[frame["source"].isin([REAL, method])]
    rows = rows.sort_values("source", key=lambda source: source != REAL, kind="stable")
    axis = alt.Axis(labels=False, ticks=False, domain=False, grid=False)
    spans = {name: alt.Scale(domain=_span(frame[name]), nice=False) for name in ("x", "y")}
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    legend = alt.Legend(title=None, orient="bottom", columns=4, symbolOpacity=1)
    real = alt.datum.source == REAL
    title = titled(method, fontSize=12, anchor="middle")
    chart: alt.Chart = (
        alt.Chart(rows, title=title)
        .mark_circle()
        .encode(
            alt.X("x:Q", title=None, axis=axis, scale=spans["x"]),
            alt.Y("y:Q", title=None, axis=axis, scale=spans["y"]),
            alt.Color("group:N", scale=scale, legend=legend),
            size=alt.condition(real, alt.value(14), alt.value(26)),
            opacity=alt.condition(real, alt.value(0.6), alt.value(0.85)),
            tooltip=["source:N", "persona:N", "response:N"],
        )
        .properties(width=size, height=size, view=alt.ViewBackground(stroke="#E0E0E0"))
    )
    return chart


def _span(values: pd.Series[float]) -> list[float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 1.0
    return [low - margin, high + margin]


def alignment_table(alignment: Alignment) -> str:
    """Return the verdict, the metrics of each method, the floor last, and those by context."""
    verdict = f"<p><b>{cell(alignment.verdict, MAX_NOTE_LENGTH)}</b></p>"
    notes = "".join(f"<p>{cell(note, MAX_NOTE_LENGTH)}</p>" for note in alignment.notes)
    by = alignment.by_context
    groups = "" if by is None else alignment_by_context_table(by)
    shown = alignment.table
    rows = [[cell(text) for text in row] for row in shown.reset_index().to_numpy()]
    metrics = table(["", *map(str, shown.columns)], rows)
    sides = f"<p>{alignment.n_per_side}; 95 % intervals</p>"
    return f"{verdict}{metrics}{sides}{notes}{groups}"


def alignment_by_context_chart(alignment: AlignmentByContext) -> alt.VConcatChart:
    """Draw the metrics of each subgroup, darker the farther they are from their human floor.

    Cells whose interval reaches the interval of their floor have the palest colour. Each metric has
    its own scale, from there to the worst subgroup of all methods.

    Parameters
    ----------
    alignment : AlignmentByContext

    Returns
    -------
    altair.VConcatChart
        A heat map for each method: one row per subgroup and one for the mean over them.
    """
    import altair as alt

    frame = _cells(alignment)
    methods = list(dict.fromkeys(frame["method"]))
    panels = [_heat_map(frame[frame["method"] == name], name) for name in methods]
    by = ", ".join(plain_frame(pd.DataFrame({"by": alignment.by}), "by")["by"])
    title = titled(
        f"Alignment by {by}",
        subtitle=[
            "In a cell: the value, below it the human floor.",
            "Dark: far on the wrong side of the floor; palest: within chance of it.",
            "Each metric has its own scale.",
        ],
    )
    chart: alt.VConcatChart = styled(alt.vconcat(*panels, title=title, spacing=16))
    return chart


def alignment_by_context_table(alignment: AlignmentByContext) -> str:
    """Return means over the subgroups and their worst ones, then each subgroup, the worst first."""
    summary = alignment.table
    means = [[unbroken(text) for text in row] for row in summary.to_numpy()]
    shown = _worst_first(alignment)
    figures = list(dict.fromkeys(shown["figure"]))
    rows = []
    for (method, group), part in shown.groupby(["method", "group"], sort=False):
        values = {row["figure"]: _with_floor(row) for row in part.to_dict("records")}
        size = f"{part['share'].iloc[0]:.0%}, n = {part['n'].iloc[0]:,}"
        rows.append([cell(method), f"{cell(group)}<br>{size}", *(values[name] for name in figures)])
    heads = ["method", f"{', '.join(alignment.by)}, share of people", *figures]
    first = int(len(set(alignment.frame["method"])) == 1)  # one method has no column of its name
    return "".join(
        [
            *_subgroup_verdicts(alignment),
            table([str(name) for name in summary][first:], [row[first:] for row in means]),
            table(heads[first:], [row[first:] for row in rows]),
            *(f"<p>{cell(note, MAX_NOTE_LENGTH)}</p>" for note in alignment.notes),
        ]
    )


def _subgroup_verdicts(alignment: AlignmentByContext) -> list[str]:
    """Return a paragraph for each method: in which subgroups it clearly differs from people."""
    methods = list(dict.fromkeys(alignment.frame["method"]))
    names = [f"{method}: " if len(methods) > 1 else "" for method in methods]
    return [
        f"<p><b>{cell(name + alignment.verdict(method), MAX_NOTE_LENGTH)}</b></p>"
        for name, method in zip(names, methods, strict=True)
    ]


def _worst_first(alignment: AlignmentByContext) -> pd.DataFrame:
    """Return the subgroups of each method, those that are farthest off on a metric first."""
    level = alignment.cells.groupby(["method", "group"])["level"].max().rename("worst")
    frame = alignment.frame.join(level, on=["method", "group"])
    order = {name: k for k, name in enumerate(dict.fromkeys(frame["method"]))}
    frame = frame.assign(order=frame["method"].map(order))
    return frame.sort_values(["order", "worst"], ascending=[True, False], kind="stable")


def _cells(alignment: AlignmentByContext) -> pd.DataFrame:
    """Return a row per cell, with its colour in [0, 1] and its floor as text."""
    cells = alignment.cells
    frame = cells.assign(text=[f"{floor:.3f}" for floor in cells["floor"]])
    columns = ["method", "group", "figure", "level", "text", "n", *ENDS]
    return plain_frame(frame[columns], "method", "group", "figure")


def _heat_map(frame: pd.DataFrame, method: str) -> alt.LayerChart:
    import altair as alt

    groups, figures = (list(dict.fromkeys(frame[name])) for name in ("group", "figure"))
    top = alt.Axis(orient="top", labelAngle=-30, ticks=False, domain=False)
    base = alt.Chart(frame).encode(
        alt.X("figure:N", sort=figures, title=None, axis=top),
        alt.Y("group:N", sort=groups, title=None, axis=name_axis()),
    )
    scale = alt.Scale(domain=[0, 1], range=[PALEST, DARKEST])
    tips = [alt.Tooltip(f"{name}:Q", format=".4f") for name in ENDS]
    ink = alt.condition(alt.datum.level > DARK_SHARE, alt.value("white"), alt.value(INK))
    cells = base.mark_rect(stroke="white", strokeWidth=2).encode(
        alt.Color("level:Q", scale=scale, legend=None),
        tooltip=["group:N", "figure:N", *tips, alt.Tooltip("n:Q", format=",")],
    )
    values = base.mark_text(fontSize=11, dy=-7).encode(alt.Text("value:Q", format=".3f"), color=ink)
    floors = base.mark_text(fontSize=9, dy=8).encode(alt.Text("text:N"), color=ink)
    title = titled(method, fontSize=12, anchor="middle", frame="group")
    size = {"width": CELL_WIDTH * len(figures), "height": CELL_HEIGHT * len(groups)}
    return cast("alt.LayerChart", alt.layer(cells, values, floors, title=title).properties(**size))


def _with_floor(row: Mapping[Any, Any]) -> str:
    """Return the HTML of a value and its floor, each with its interval."""
    value, low, high, floor, floor_low, floor_high = (f"{row[name]:.3f}" for name in ENDS)
    return f"{value} [{low}, {high}]<br>floor {floor} [{floor_low}, {floor_high}]"
