"""Persona weights, overall and by context, and held-out log-likelihoods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jupyter_mop.charts.style.chart_parts import (
    heat_layers,
    interval_layers,
    name_axis,
    persona_scale,
    share_axis,
    sized,
    styled,
    titled,
    tooltips,
)
from jupyter_mop.charts.style.html_table import (
    MAX_RESPONSE_LENGTH,
    cell,
    table,
    unbroken,
    weights_table,
)
from jupyter_mop.charts.style.numbers import number, with_interval
from jupyter_mop.charts.style.plain_text import cost, plain_frame
from jupyter_mop.charts.style.theme import INK, ROW_HEIGHT, check_frame

if TYPE_CHECKING:
    import altair as alt

    from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
    from jupyter_mop.engine.weighting.matched_weights import MatchedWeights

MAX_CONTEXTS = 12
LIKELIHOODS = {
    "log_lik_per_token": "log-likelihood (nats per token)",
    "log_ratio": "log ratio (nats per record)",
}
MIN_DIFFERENCE = 0.005
NO_INTERVALS = "There are no intervals: these are the initial weights, which are no estimates."


def weights_chart(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw the weight of each persona as a bar in its colour, with a tick at its initial weight.

    Parameters
    ----------
    frame : DataFrame
        Columns `persona` and `weight` (in [0, 1]); optional `low`, `high` (an interval) and
        `start` (the initial weight; default: uniform).

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
    chart: alt.LayerChart = styled(weights_layers(frame))
    return chart


def weights_layers(
    frame: pd.DataFrame, *, ticks: bool = True, unit: str = "responses"
) -> alt.LayerChart:
    """Return the layers of `weights_chart`, to be part of another chart."""
    import altair as alt

    check_frame(frame, "persona weight")
    frame = plain_frame(frame, "persona")
    is_initial = "start" in frame
    frame = frame if is_initial else frame.assign(start=1 / len(frame))
    order = list(frame["persona"])
    base = alt.Chart(frame).encode(alt.Y("persona:N", sort=order, title=None, axis=name_axis()))
    x = alt.X("weight:Q", title=f"share of {unit}", axis=share_axis())
    colour = alt.Color("persona:N", scale=persona_scale(order), legend=None)
    bars = base.mark_bar(height={"band": 0.6})
    tick = base.mark_tick(color=INK, thickness=2, size=0.85 * ROW_HEIGHT)
    layers = [
        bars.encode(x, colour, tooltip=tooltips("persona:N", "weight:Q", "start:Q")),
        *([tick.encode(alt.X("start:Q"))] if ticks else []),
    ]
    if {"low", "high"} <= set(frame.columns):
        rule = base.mark_rule(color=INK, strokeWidth=1.2)
        tips = tooltips("persona:N", "weight:Q", "low:Q", "high:Q")
        layers.insert(1, rule.encode(alt.X("low:Q"), alt.X2("high:Q"), tooltip=tips))
    subtitle = f"Bar: weight; tick: {'initial' if is_initial else 'uniform'} weight."
    title = titled("Persona weights", subtitle=subtitle, frame="group")
    return sized(alt.layer(*layers, title=title), 380, len(order))


def weights_map(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw the weight of each persona in each context as a heat map.

    Parameters
    ----------
    frame : DataFrame
        Columns `context`, `persona` and `weight` (in [0, 1]), one row per pair; contexts and
        personas are drawn in the frame's order.

    Raises
    ------
    DataError
        If a column is missing or there are no rows.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("dawn", "critic", 0.7), ("dawn", "fan", 0.3)]
    >>> frame = pd.DataFrame(rows, columns=["context", "persona", "weight"])
    >>> len(weights_map(frame).layer)
    2
    """
    chart: alt.LayerChart = styled(weights_map_layers(frame))
    return chart


def weights_map_layers(frame: pd.DataFrame, subtitle: str = "") -> alt.LayerChart:
    """Return the layers of `weights_map`, to be part of another chart."""
    import altair as alt

    check_frame(frame, "context persona weight")
    frame = plain_frame(frame, "persona", "context")
    layers = heat_layers(frame, "context", "persona", "weight")
    title = titled("Persona weights by context", subtitle=subtitle, frame="group")
    width = max(2 * ROW_HEIGHT * frame["persona"].nunique(), 160)
    return sized(alt.layer(*layers, title=title), width, frame["context"].nunique())


def likelihood_chart(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw each model's held-out log-likelihood with its interval.

    Parameters
    ----------
    frame : DataFrame
        Columns `model`, `log_lik_per_token` or `log_ratio` (nats), `low` and `high`.

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

    column, unit = "log_lik_per_token", "nats per token"
    if "log_ratio" in frame:
        column, unit = "log_ratio", "nats per record, relative to chance"
    check_frame(frame, f"model {column} low high")
    frame = plain_frame(frame, "model")
    order = list(dict.fromkeys(frame["model"]))
    title = titled("Held-out log-likelihood", subtitle="Of real responses; higher is better.")
    y = alt.Y("model:N", sort=order, title=None, axis=name_axis())
    layers = interval_layers(frame, column, y, unit)
    chart: alt.LayerChart = styled(sized(alt.layer(*layers, title=title), 380, len(order)))
    return chart


def mixture_chart(mixture: MixtureOfPersonas) -> alt.LayerChart | alt.VConcatChart:
    """Draw the persona weights, and by context if they differ between contexts."""
    import altair as alt

    overall = mixture.summary()
    by_context = context_weights(mixture)
    if by_context.empty:
        return weights_chart(overall)
    n_drawn, n_all = by_context["context"].nunique(), len(set(mixture.population_.context_keys))
    note = f"The {n_drawn} most frequent of {n_all} contexts." if n_drawn < n_all else ""
    parts = weights_layers(overall), weights_map_layers(by_context, note)
    chart: alt.VConcatChart = styled(
        alt.vconcat(*parts, spacing=32).resolve_scale(color="independent")
    )
    return chart


def context_weights(mixture: MixtureOfPersonas) -> pd.DataFrame:
    """Return context, persona and weight of the most frequent contexts; empty if all are equal."""
    population = mixture.population_
    labels = population.context_labels
    counts = pd.Series(labels).value_counts()
    first = [labels.index(name) for name in counts.index[:MAX_CONTEXTS]]
    weights = mixture.persona_weights(population.take(first))
    if np.ptp(weights, axis=0).max() < MIN_DIFFERENCE:
        return pd.DataFrame()
    contexts = [labels[i] for i in first]
    wide = pd.DataFrame(weights, index=pd.Index(contexts, name="context"), columns=mixture.names)
    return wide.reset_index().melt("context", var_name="persona", value_name="weight")


def mixture_table(mixture: MixtureOfPersonas) -> str:
    """Return the weights beside the initial ones, and the held-out log-likelihoods."""
    facts = filter(None, [repr(mixture), cost(getattr(mixture, "cost_", None))])
    parts = [f"<p>{cell('; '.join(facts))}</p>"]
    if hasattr(mixture, "verdict_"):
        parts.insert(0, f"<p><b>{cell(mixture.verdict_, MAX_RESPONSE_LENGTH)}</b></p>")
    if mixture.is_ready:
        parts.append(weights_table(mixture.summary()))
    if mixture.is_fitted:
        if hasattr(mixture, "refits_") and not hasattr(mixture, "refitted_"):
            parts.append(f"<p>{NO_INTERVALS}</p>")
        parts.append(terms_table(mixture.coefficients()))
        parts.append(_likelihood_table(mixture.report_))
    return "".join(parts)


def _likelihood_table(report: pd.DataFrame) -> str:
    """Return each model's held-out log-likelihood per token, and its gain over equal weights."""
    name = "log_lik_per_token" if "log_lik_per_token" in report else "log_ratio"
    rows = [
        [
            cell(row["model"]),
            unbroken(with_interval(row[name], row["low"], row["high"])),
            unbroken(with_interval(row["gain"], row["gain_low"], row["gain_high"])),
        ]
        for row in report.to_dict("records")
    ]
    return table(["held-out records", LIKELIHOODS[name], "gain over equal weights"], rows)


def matched_table(matched: MatchedWeights) -> str:
    """Return the verdict of matched weights, and the weights beside the initial ones."""
    weights = {"weight": matched.weights, "start": matched.start}
    frame = pd.DataFrame(weights).rename_axis("persona").reset_index()
    verdict = cell(matched.verdict, MAX_RESPONSE_LENGTH)
    return f"<p><b>{verdict}</b></p>{weights_table(frame)}"


def terms_table(frame: pd.DataFrame) -> str:
    """Return what the weights follow as a table: each structured term with its interval."""
    rows = [
        [
            cell(
                row["about"] if row["step"] == 1 else f"{row['about']}, per {row['step']} of cosine"
            ),
            number(row["times"]),
            "" if np.isnan(row["low"]) else f"{number(row['low'])} to {number(row['high'])}",
            number(row["initial"]),
        ]
        for _, row in frame.iterrows()
    ]
    return table(["what weights follow", "times likelier", "95 % interval", "initial"], rows)
