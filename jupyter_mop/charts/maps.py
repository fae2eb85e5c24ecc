"""Real and simulated responses in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from jupyter_mop.charts.texts import labels, plain_frame
from jupyter_mop.charts.theme import GREY, INK, check, persona_colours, styled

if TYPE_CHECKING:
    import altair as alt

REAL = "real"
REAL_GROUP = "real responses"
NO_PERSONA = "no persona"
OTHER = "other personas"
MOST_PERSONAS = 14


def response_map(frame: pd.DataFrame, personas: Sequence[str] = ()) -> alt.ConcatChart:
    """Draw real and simulated responses in the plane, one panel per method, coloured by persona.

    Parameters
    ----------
    frame : DataFrame
        Columns `x`, `y`, `source` ("real" or the name of a method) and `persona` (may be missing),
        and `response`, which a pointer shows.
    personas : sequence of str
        All personas in the study's order, which gives them their colours; default: as they come.

    Returns
    -------
    altair.ConcatChart
        Panels with the real responses in grey behind each method's. Of more than 14 personas the
        most frequent have their colour, the rest share a grey.

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

    check(frame, "x y source persona response")
    frame, colours = _grouped(frame, personas)
    methods = [name for name in dict.fromkeys(frame["source"]) if name != REAL]
    size = 230 if len(methods) > 1 else 380
    panels = [_panel(frame, name, colours, size) for name in methods or [REAL]]
    title = alt.TitleParams(
        "Where real and simulated responses lie",
        subtitle="Plane of the two main directions of the real responses (grey dots).",
    )
    columns = min(3, len(panels))
    chart: alt.ConcatChart = styled(alt.concat(*panels, columns=columns, title=title, spacing=16))
    return chart


def _grouped(frame: pd.DataFrame, personas: Sequence[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Add the column that is coloured; return its values with their colours, as in the legend."""
    simulated = frame["source"] != REAL
    short = labels([*personas, *frame["persona"].dropna()])
    frame = plain_frame(frame.assign(persona=frame["persona"].map(short)), "source")
    counts = frame.loc[simulated, "persona"].dropna().value_counts(sort=True)
    names = list(short.values())
    frequent = set(counts.index[:MOST_PERSONAS])
    shown = {
        name: colour
        for name, colour in zip(names, persona_colours(names), strict=True)
        if name in frequent
    }
    named = frame["persona"].where(frame["persona"].notna(), NO_PERSONA).astype(str)
    group = named.where(named.isin([*shown, NO_PERSONA]), OTHER).where(simulated, REAL_GROUP)
    colours = {REAL_GROUP: GREY, **shown, OTHER: "#7F7F7F", NO_PERSONA: INK}
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
    title = alt.TitleParams(method, fontSize=12, anchor="middle")
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
