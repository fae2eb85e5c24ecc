"""Persona weights, overall and by context, and what learning them was worth."""

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
    tooltips,
)
from jupyter_mop.charts.style.html_table import cell, table, weights_table
from jupyter_mop.charts.style.plain_text import cost, plain_frame
from jupyter_mop.charts.style.theme import INK, ROW_HEIGHT, check_frame

if TYPE_CHECKING:
    import altair as alt

    from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas

MAX_CONTEXTS = 12
MIN_DIFFERENCE = 0.005


def weights_chart(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw the weight of each persona as a bar of its colour, its weight at the start as a tick.

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
    chart: alt.LayerChart = styled(weights_layers(frame))
    return chart


def weights_layers(frame: pd.DataFrame, *, ticks: bool = True) -> alt.LayerChart:
    """Return `weights_chart` without its look, to be part of another chart; ticks on request."""
    import altair as alt

    check_frame(frame, "persona weight")
    frame = plain_frame(frame, "persona")
    start = "start" in frame
    frame = frame if start else frame.assign(start=1 / len(frame))
    order = list(frame["persona"])
    base = alt.Chart(frame).encode(alt.Y("persona:N", sort=order, title=None, axis=name_axis()))
    x = alt.X("weight:Q", title="share of the responses", axis=share_axis())
    colour = alt.Color("persona:N", scale=persona_scale(order), legend=None)
    bars = base.mark_bar(height={"band": 0.6})
    tick = base.mark_tick(color=INK, thickness=2, size=0.85 * ROW_HEIGHT)
    layers = [
        bars.encode(x, colour, tooltip=tooltips("persona:N", "weight:Q", "start:Q")),
        *([tick.encode(alt.X("start:Q"))] if ticks else []),
    ]
    if {"low", "high"} <= set(frame.columns):
        rule = base.mark_rule(color=INK, strokeWidth=1.2)
        layers.insert(1, rule.encode(alt.X("low:Q"), alt.X2("high:Q")))
    subtitle = f"Bar: weight, tick: {'at the start' if start else 'uniform'}."
    title = alt.TitleParams("Persona weights", subtitle=subtitle, frame="group")
    return sized(alt.layer(*layers, title=title), 380, len(order))


def weights_map(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw the weight of each persona in each context as a heat map.

    Parameters
    ----------
    frame : DataFrame
        Columns `context`, `persona` and `weight` (in [0, 1]), one row for each pair; contexts and
        personas are drawn in its order.

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
    """Return `weights_map` without its look, to be part of another chart."""
    import altair as alt

    check_frame(frame, "context persona weight")
    frame = plain_frame(frame, "persona", "context")
    layers = heat_layers(frame, "context", "persona", "weight")
    title = alt.TitleParams("Persona weights by context", subtitle=subtitle, frame="group")
    width = max(2 * ROW_HEIGHT * frame["persona"].nunique(), 160)
    return sized(alt.layer(*layers, title=title), width, frame["context"].nunique())


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

    check_frame(frame, "model log_lik_per_token low high")
    frame = plain_frame(frame, "model")
    order = list(dict.fromkeys(frame["model"]))
    title = alt.TitleParams(
        "Held-out log-likelihood", subtitle="Of real responses; higher is better."
    )
    y = alt.Y("model:N", sort=order, title=None, axis=name_axis())
    layers = interval_layers(frame, "log_lik_per_token", y, "nats per token")
    chart: alt.LayerChart = styled(sized(alt.layer(*layers, title=title), 380, len(order)))
    return chart


def mixture_chart(mixture: MixtureOfPersonas) -> alt.LayerChart | alt.VConcatChart:
    """Draw the persona weights, and by context where they differ between contexts."""
    import altair as alt

    overall = mixture.summary()
    by_context = context_weights(mixture)
    if by_context.empty:
        return weights_chart(overall)
    n_shown, n_all = by_context["context"].nunique(), len(set(mixture.population_.contexts))
    note = f"The {n_shown} most frequent of {n_all} contexts." if n_shown < n_all else ""
    parts = weights_layers(overall), weights_map_layers(by_context, note)
    chart: alt.VConcatChart = styled(
        alt.vconcat(*parts, spacing=32).resolve_scale(color="independent")
    )
    return chart


def context_weights(mixture: MixtureOfPersonas) -> pd.DataFrame:
    """Return context, persona and weight for the most frequent contexts; none if all are alike."""
    population = mixture.population_
    counts = pd.Series(population.contexts).value_counts()
    first = [population.contexts.index(name) for name in counts.index[:MAX_CONTEXTS]]
    weights = mixture.persona_weights(population.take(first))
    if np.ptp(weights, axis=0).max() < MIN_DIFFERENCE:
        return pd.DataFrame()
    contexts = [population.contexts[i] for i in first]
    wide = pd.DataFrame(weights, index=pd.Index(contexts, name="context"), columns=mixture.names)
    return wide.reset_index().melt("context", var_name="persona", value_name="weight")


def mixture_table(mixture: MixtureOfPersonas) -> str:
    """Return the weights, learned and at the start, and the held-out likelihoods."""
    told = filter(None, [repr(mixture), cost(getattr(mixture, "cost_", None))])
    parts = [f"<p>{cell('; '.join(told))}</p>"]
    if mixture.is_ready:
        parts.append(weights_table(mixture.summary()))
    if mixture.is_fitted:
        report = mixture.report_
        rows = ([_number(value) for value in row] for row in report.to_numpy(dtype=object))
        parts.append(table([str(column) for column in report.columns], rows))
    return "".join(parts)


def _number(value: object) -> str:
    """Return a number with three decimals, anything else as the HTML of one line."""
    return f"{value:.3f}" if isinstance(value, float) else cell(value)
