"""A population: shares of contexts and answers, and response lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.charts.style.chart_parts import (
    name_axis,
    share_axis,
    sized,
    styled,
    titled,
    tooltips,
)
from jupyter_mop.charts.style.html_table import MAX_RESPONSE_LENGTH, cell, share_bar, table
from jupyter_mop.charts.style.plain_text import plain, plain_frame
from jupyter_mop.charts.style.theme import BLUE, LIGHT_BLUE, check_frame
from jupyter_mop.engine.data.population import MAX_DISTINCT_ANSWERS, Population, are_closed

if TYPE_CHECKING:
    import altair as alt

N_RECORDS = 3
N_CONTEXTS = 5
MAX_BINS = 24
MIN_AXIS_WIDTH = 6  # words

Weights = NDArray[np.float64]


def shares(values: list[str], weights: Weights | None = None) -> pd.DataFrame:
    """Return name, count and weighted share of each distinct value, largest share first.

    Examples
    --------
    >>> shares(["b", "a", "b"])["name"].tolist()
    ['b', 'a']
    """
    weights = np.ones(len(values)) if weights is None else weights
    frame = pd.DataFrame({"name": values, "share": weights / weights.sum()})
    counted = frame.groupby("name", sort=False)["share"].agg(["size", "sum"]).reset_index()
    counted.columns = pd.Index(["name", "count", "share"])
    return counted.sort_values("share", ascending=False, kind="stable", ignore_index=True)


def share_bars(
    frame: pd.DataFrame, title: str, limit: int = MAX_DISTINCT_ANSWERS
) -> alt.LayerChart:
    """Return bars of the largest shares with their counts as text; the rest is one bar."""
    import altair as alt

    check_frame(frame, "name count share")
    frame = plain_frame(_with_rest(frame, limit), "name")
    order = list(frame["name"])
    base = alt.Chart(frame).encode(
        alt.X("share:Q", title="share", axis=share_axis()),
        alt.Y("name:N", sort=order, title=None, axis=name_axis()),
    )
    bars = base.mark_bar(color=LIGHT_BLUE, height={"band": 0.6})
    bars = bars.encode(tooltip=[*tooltips("name:N", "share:Q"), alt.Tooltip("count:Q", format=",")])
    words = base.mark_text(align="left", dx=4, fontSize=11)
    layers = alt.layer(
        bars,
        words.encode(alt.Text("count:Q", format=",")),
        title=titled(title, fontSize=12),
    )
    return sized(layers, 300, len(order))


def length_bars(responses: list[str], weights: Weights | None = None) -> alt.LayerChart:
    """Return the distribution of response lengths in words."""
    import altair as alt

    lengths = np.array([len(text.split()) for text in responses], dtype=np.float64)
    frame = _histogram(lengths, np.ones(len(lengths)) if weights is None else weights)
    whole = alt.Axis(tickCount=6, format="d", grid=False)
    low, high = float(frame["low"].min()), float(frame["high"].max())
    scale = alt.Scale(domain=[low, max(high, low + MIN_AXIS_WIDTH)], nice=False)
    drawn = (
        alt.Chart(frame)
        .mark_bar(color=BLUE, stroke="white")
        .encode(
            alt.X("low:Q", title="words per response", scale=scale, axis=whole),
            alt.X2("high:Q"),
            alt.Y("share:Q", title="share of responses", axis=share_axis()),
            alt.Y2Datum(0),
            tooltip=[alt.Tooltip("words:N"), *tooltips("share:Q")],
        )
    )
    layers = alt.layer(drawn, title=titled("Response length", fontSize=12))
    return cast("alt.LayerChart", layers).properties(width=260, height=170)


def _with_rest(frame: pd.DataFrame, limit: int) -> pd.DataFrame:
    if len(frame) <= limit:
        return frame
    rest = frame.iloc[limit - 1 :]
    name = f"({len(rest)} others)"
    summed = {"name": [name], "count": [rest["count"].sum()], "share": [rest["share"].sum()]}
    return pd.concat([frame.iloc[: limit - 1], pd.DataFrame(summed)], ignore_index=True)


def _histogram(lengths: Weights, weights: Weights) -> pd.DataFrame:
    """Return the share of each bin of whole numbers; the last bin has the longest 2 %."""
    low, high = int(lengths.min()), int(np.quantile(lengths, 0.98))
    step = max(1, -(-(high - low + 1) // MAX_BINS))
    edges = np.arange(low, high + step + 1, step)
    inside = np.minimum(lengths, edges[-1] - 0.5)
    share = np.histogram(inside, edges, weights=weights / weights.sum())[0]
    words = [f"{a}" if step == 1 else f"{a} to {a + step - 1}" for a in edges[:-1]]
    if lengths.max() >= edges[-1]:
        words[-1] = f"{edges[-2]} or more"
    return pd.DataFrame(
        {"low": edges[:-1] - 0.5, "high": edges[1:] - 0.5, "share": share, "words": words}
    )


def population_chart(population: Population) -> alt.VConcatChart:
    """Draw the number of records per context, and the answers or the response lengths."""
    import altair as alt

    contexts = shares(population.context_labels, population.weights)
    parts = [share_bars(contexts, "Contexts")] if len(contexts) > 1 else []
    parts.append(response_chart(population.responses, population.weights))
    title = titled(
        f"{len(population):,} real responses",
        subtitle=plain(
            f"Context: {', '.join(population.context)}; response: {population.response}."
        ),
    )
    chart: alt.VConcatChart = styled(alt.vconcat(*parts, title=title, spacing=32))
    return chart


def response_chart(responses: list[str], weights: Weights) -> alt.LayerChart:
    """Return the shares of closed answers, or the response lengths of free text."""
    if are_closed(responses):
        return share_bars(shares(responses, weights), "Answers")
    return length_bars(responses, weights)


def population_table(population: Population) -> str:
    """Return the number of records per context, a summary of the responses, and a few records."""
    contexts = shares(population.context_labels, population.weights)
    held_out = f"; {population.n_held_out:,} more are held out" if population.n_held_out else ""
    summary = f"{response_summary(population.responses)}{held_out}"
    parts = [f"<p>{cell(repr(population))}; {summary}</p>"]
    if len(contexts) > 1:
        parts.append(_share_table("context", contexts))
    if are_closed(population.responses):
        parts.append(_share_table("answer", shares(population.responses, population.weights)))
    columns = [*population.context, population.response]
    records = population.frame[list(dict.fromkeys(columns))].head(N_RECORDS)
    rows = ([cell(value, MAX_RESPONSE_LENGTH) for value in row] for row in records.to_numpy())
    parts.append(table([str(column) for column in records.columns], rows))
    return "".join(parts)


def _share_table(head: str, counted: pd.DataFrame) -> str:
    rows = [
        [cell(name), f"{count:,}", share_bar(share)]
        for name, count, share in counted.head(N_CONTEXTS).itertuples(index=False)
    ]
    rest = len(counted) - len(rows)
    more = f"<p>and {rest:,} more</p>" if rest else ""
    return table([head, "records", "share"], rows) + more


def response_summary(responses: list[str]) -> str:
    """Return the number of distinct answers, or the lengths of free text, in words."""
    if are_closed(responses):
        n = len(set(responses))
        return f"{n} distinct answer{'s' if n > 1 else ''}"
    lengths = [len(text.split()) for text in responses]
    return f"{min(lengths)} to {max(lengths)} words, median {np.median(lengths):.0f}"
