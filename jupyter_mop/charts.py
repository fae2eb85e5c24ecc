"""Values to Altair charts and their pictures, nothing else.

The colours are Okabe and Ito's, which people with any colour vision tell apart. Every chart has a
white background of its own, so that it reads on light and on dark pages.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar, cast

import pandas as pd

from jupyter_mop.errors import DataError

if TYPE_CHECKING:
    import altair as alt

    AnyChart = alt.Chart | alt.LayerChart | alt.HConcatChart | alt.ConcatChart
    C = TypeVar("C", alt.Chart, alt.LayerChart, alt.HConcatChart, alt.ConcatChart)

BLUE = "#0072B2"
LIGHT_BLUE = "#56B4E9"
PALE = "#BDBDBD"
GREY = "#A6A6A6"
INK = "#333333"
PERSONA_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
REAL = "real"
REAL_GROUP = "real responses"
NO_PERSONA = "no persona"
OTHER = "other personas"
ROW_HEIGHT = 36
N_COLOURS = 128


def alignment_chart(frame: pd.DataFrame) -> alt.HConcatChart:
    """Draw each method's figures with their intervals; a dashed line is the human floor.

    Parameters
    ----------
    frame : DataFrame
        As `jupyter_mop.engine.metrics.align` returns it; methods are drawn in its order.

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

    _check(frame, "method figure value low high floor floor_low floor_high n better")
    figures = list(dict.fromkeys(frame["figure"]))
    columns = [
        _figure_column(frame[frame["figure"] == name], labels=i == 0)
        for i, name in enumerate(figures)
    ]
    sizes = int(frame["n"].iloc[0])
    title = alt.TitleParams(
        "How close are the simulated responses to the real ones?",
        subtitle=[
            f"{sizes:,} simulated against {sizes:,} real responses per dot; bars: intervals.",
            "Dashed: human floor, the same between two halves of the real ones; grey: its spread.",
        ],
    )
    return _styled(alt.hconcat(*columns, title=title, spacing=24))


def response_map(frame: pd.DataFrame) -> alt.ConcatChart:
    """Draw real and simulated responses in the plane, one panel per method, coloured by persona.

    Parameters
    ----------
    frame : DataFrame
        Columns `x`, `y`, `source` ("real" or the name of a method) and `persona` (may be missing),
        and `response`, which a pointer shows.

    Returns
    -------
    altair.ConcatChart
        Panels with the real responses in grey behind each method's. The seven most frequent
        personas have a colour, the rest share one.

    Raises
    ------
    DataError
        If a column is missing or there are no rows.

    Examples
    --------
    >>> import pandas as pd
    >>> points = {"x": [0.0, 0.1], "y": [0.0, 0.2], "source": ["real", "plain"]}
    >>> frame = pd.DataFrame({**points, "persona": [None, "critic"], "response": ["a", "b"]})
    >>> len(response_map(frame).concat)
    1
    """
    import altair as alt

    _check(frame, "x y source persona response")
    frame, groups = _grouped(frame)
    methods = [name for name in dict.fromkeys(frame["source"]) if name != REAL]
    size = 230 if len(methods) > 1 else 380
    panels = [_panel(frame, name, groups, size) for name in methods or [REAL]]
    title = alt.TitleParams(
        "Where real and simulated responses lie",
        subtitle="Plane of the two main directions of the real responses (grey dots).",
    )
    return _styled(alt.concat(*panels, columns=min(3, len(panels)), title=title, spacing=16))


def weights_chart(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw the learned weight of each persona as a bar, its weight at the start as a tick.

    Parameters
    ----------
    frame : DataFrame
        Columns `persona`, `weight` (in [0, 1]); optional `low`, `high` (an interval) and `start`
        (by default uniform).

    Raises
    ------
    DataError
        If a column is missing or there are no rows.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"persona": ["critic", "fan"], "weight": [0.7, 0.3]})
    >>> len(weights_chart(frame).layer)
    2
    """
    import altair as alt

    _check(frame, "persona weight")
    start = "start" if "start" in frame else None
    frame = frame if start else frame.assign(start=1 / len(frame))
    order = list(frame["persona"])
    base = alt.Chart(frame).encode(alt.Y("persona:N", sort=order, title=None, axis=_name_axis()))
    share = alt.Axis(format=".0%", tickCount=5)
    layers = [
        base.mark_bar(color=LIGHT_BLUE, height={"band": 0.6}).encode(
            alt.X("weight:Q", title="share of the responses", axis=share)
        ),
        base.mark_tick(color=INK, thickness=2, height={"band": 0.85}).encode(alt.X("start:Q")),
    ]
    if {"low", "high"} <= set(frame.columns):
        rule = base.mark_rule(color=INK, strokeWidth=1.2)
        layers.insert(1, rule.encode(alt.X("low:Q"), alt.X2("high:Q")))
    subtitle = f"Bar: learned, tick: {'at the start' if start else 'uniform'}."
    chart = alt.layer(*layers, title=alt.TitleParams("Persona weights", subtitle=subtitle))
    return _styled(_sized(chart, 380, len(order)))


def likelihood_chart(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw the held-out log-likelihood per token of each model with its interval.

    Parameters
    ----------
    frame : DataFrame
        Columns `model`, `log_lik_per_token` (nats), `low` and `high`.

    Raises
    ------
    DataError
        If a column is missing or there are no rows.

    Examples
    --------
    >>> import pandas as pd
    >>> row = {"model": "learned", "log_lik_per_token": -3.1, "low": -3.2, "high": -3.0}
    >>> len(likelihood_chart(pd.DataFrame([row])).layer)
    4
    """
    import altair as alt

    _check(frame, "model log_lik_per_token low high")
    order = list(dict.fromkeys(frame["model"]))
    title = alt.TitleParams(
        "Held-out log-likelihood", subtitle="Of real responses; higher is better."
    )
    y = alt.Y("model:N", sort=order, title=None, axis=_name_axis())
    layers = _interval_layers(frame, "log_lik_per_token", y, "nats per token")
    chart = alt.layer(*layers, title=title)
    return _styled(_sized(chart, 380, len(order)))


def png(chart: AnyChart, scale: float = 2) -> bytes:
    r"""Return `chart` as a PNG picture, drawn without a browser or a network.

    Parameters
    ----------
    chart : altair chart
        Any of this module's charts, or another.
    scale : float
        Pixels per unit of the chart; 2 looks sharp on most screens.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"persona": ["critic"], "weight": [1.0]})
    >>> png(weights_chart(frame))[:4]
    b'\x89PNG'
    """
    import altair as alt
    import vl_convert
    from PIL import Image

    with alt.data_transformers.disable_max_rows():
        spec = chart.to_json()
    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    full = io.BytesIO(vl_convert.vegalite_to_png(spec, vl_version=version, scale=scale))
    small = io.BytesIO()
    Image.open(full).convert("RGB").quantize(N_COLOURS).save(small, "PNG", optimize=True)
    return small.getvalue()


def _figure_column(frame: pd.DataFrame, *, labels: bool) -> alt.LayerChart:
    import altair as alt

    name, better = frame["figure"].iloc[0], frame["better"].iloc[0]
    order = list(frame["method"])
    floor = alt.Chart(frame.head(1))
    band = floor.mark_rect(color=PALE, opacity=0.45).encode(
        alt.X("floor_low:Q"), alt.X2("floor_high:Q")
    )
    line = floor.mark_rule(color=INK, strokeDash=[5, 4], strokeWidth=1.5).encode(alt.X("floor:Q"))
    word = floor.mark_text(text="human floor", color=INK, fontSize=11, dy=-8).encode(
        alt.X("floor:Q"), y=alt.value(0)
    )
    axis = _name_axis() if labels else None
    y = alt.Y("method:N", sort=order, title=None, axis=axis)
    points = _interval_layers(frame, "value", y, f"{name} ({better} is better)")
    chart = alt.layer(band, line, *points, word)
    return _sized(chart, 230, len(order))


def _interval_layers(frame: pd.DataFrame, value: str, y: alt.Y, title: str) -> list[alt.Chart]:
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


def _grouped(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Add the column that is coloured, and return its values in the legend's order."""
    simulated = frame["source"] != REAL
    counts = frame.loc[simulated, "persona"].dropna().value_counts()
    shown = [str(name) for name in counts.index[: len(PERSONA_COLOURS)]]
    names = frame["persona"].astype(object).where(frame["persona"].notna(), NO_PERSONA).astype(str)
    names = names.where(names.isin([*shown, NO_PERSONA]), OTHER).where(simulated, REAL_GROUP)
    present = set(names)
    clean = frame.assign(
        x=frame["x"].astype(float),
        y=frame["y"].astype(float),
        persona=frame["persona"].astype(object).where(frame["persona"].notna(), "").astype(str),
        group=names,
    )
    return clean, [name for name in [REAL_GROUP, *shown, OTHER, NO_PERSONA] if name in present]


def _panel(frame: pd.DataFrame, method: str, groups: Sequence[str], size: int) -> alt.Chart:
    import altair as alt

    rows = frame[frame["source"].isin([REAL, method])]
    rows = rows.sort_values("source", key=lambda source: source != REAL, kind="stable")
    plain = alt.Axis(labels=False, ticks=False, domain=False, grid=False)
    spans = {axis: alt.Scale(domain=_span(frame[axis]), nice=False) for axis in ("x", "y")}
    colour = alt.Scale(domain=list(groups), range=_colours(groups))
    legend = alt.Legend(title=None, orient="bottom", columns=4, labelLimit=180, symbolOpacity=1)
    real = alt.datum.source == REAL
    title = alt.TitleParams(method, fontSize=12, anchor="middle")
    chart: alt.Chart = (
        alt.Chart(rows, title=title)
        .mark_circle()
        .encode(
            alt.X("x:Q", title=None, axis=plain, scale=spans["x"]),
            alt.Y("y:Q", title=None, axis=plain, scale=spans["y"]),
            alt.Color("group:N", scale=colour, legend=legend),
            size=alt.condition(real, alt.value(14), alt.value(26)),
            opacity=alt.condition(real, alt.value(0.6), alt.value(0.85)),
            tooltip=["source:N", "persona:N", "response:N"],
        )
        .properties(width=size, height=size, view=alt.ViewBackground(stroke="#E0E0E0"))
    )
    return chart


def _colours(groups: Sequence[str]) -> list[str]:
    fixed = {REAL_GROUP: GREY, OTHER: "#7F7F7F", NO_PERSONA: INK}
    free = iter(PERSONA_COLOURS)
    return [fixed[group] if group in fixed else next(free) for group in groups]


def _span(values: pd.Series[float]) -> list[float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 1.0
    return [low - margin, high + margin]


def _name_axis() -> alt.Axis:
    import altair as alt

    return alt.Axis(labelLimit=260, labelFontSize=12, labelPadding=8, ticks=False, domain=False)


def _sized(chart: object, width: int, n_rows: int) -> alt.LayerChart:
    return cast("alt.LayerChart", chart).properties(width=width, height=ROW_HEIGHT * n_rows)


def _styled(chart: C) -> C:
    """Give the outermost chart its look."""
    styled = (
        chart.configure(background="white", padding=14, font="sans-serif")
        .configure_view(stroke=None)
        .configure_title(anchor="start", fontSize=15, subtitleFontSize=11, offset=14)
        .configure_axis(
            gridColor="#E6E6E6", labelColor=INK, titleColor=INK, titleFontWeight="normal"
        )
        .configure_legend(labelColor=INK)
    )
    return cast("C", styled)


def _check(frame: pd.DataFrame, columns: str) -> None:
    absent = [name for name in columns.split() if name not in frame]
    if absent:
        raise DataError(
            f"The chart needs the columns {columns.split()}, and {absent} are missing.",
            hint="Pass the frame as the function that made it returned it.",
        )
    if frame.empty:
        raise DataError(
            "The chart has nothing to draw: the frame has no rows.", hint="Run it first."
        )
