"""A simulation: persona shares, responses, and how they were drawn."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jupyter_mop.charts.persona_weights import weights_layers
from jupyter_mop.charts.population import response_chart
from jupyter_mop.charts.style.chart_parts import styled, titled
from jupyter_mop.charts.style.html_table import (
    MAX_CONTEXT_LENGTH,
    MAX_RESPONSE_LENGTH,
    cell,
    persona_chips,
    table,
)
from jupyter_mop.charts.style.plain_text import cost, plain
from jupyter_mop.engine.metrics.vectors import effective_sample_size
from jupyter_mop.engine.simulation.simulation import (
    CONTEXT,
    EXEMPLAR,
    N_MIXED,
    PERSONA,
    RESPONSE,
    WEIGHT,
    Simulation,
)

if TYPE_CHECKING:
    import altair as alt

    from jupyter_mop.engine.generation.conversation import Conversation

N_RESPONSES = 5
MAX_TURN_LENGTH = 4000
MAX_EXEMPLAR_LENGTH = 30
_FAILURES = {
    "empty": "empty",
    "content_filter": "filtered",
    "refusal": "refused",
    "malformed": "malformed",
}


def simulation_chart(simulation: Simulation) -> alt.VConcatChart:
    """Draw each persona's share of the responses, and the answers or the response lengths."""
    import altair as alt

    weights = simulation.frame[WEIGHT].to_numpy(dtype=np.float64)
    parts = [response_chart(simulation.responses, weights)]
    if simulation.frame[PERSONA].notna().any():
        reweighted = is_reweighted(simulation)
        heading = "Personas (tick: share drawn)" if reweighted else "Personas"
        personas = weights_layers(persona_shares(simulation), ticks=reweighted)
        parts.insert(0, personas.properties(title=titled(heading, fontSize=12)))
    title = titled(
        f"{len(simulation):,} simulated responses: {plain(simulation.name)}",
        subtitle=simulation_facts(simulation),
    )
    chart: alt.VConcatChart = styled(
        alt.vconcat(*parts, title=title, spacing=32).resolve_scale(color="independent")
    )
    return chart


def persona_shares(simulation: Simulation) -> pd.DataFrame:
    """Return persona, weight (its share under the weights) and start (its share drawn)."""
    frame = simulation.frame[simulation.frame[PERSONA].notna()]
    weights = frame[WEIGHT].astype(float)
    now = weights.groupby(frame[PERSONA]).sum() / weights.sum()
    drawn = frame[PERSONA].value_counts(normalize=True)
    names = simulation.personas
    counted = pd.DataFrame({"weight": now, "start": drawn}).reindex(names, fill_value=0.0)
    return counted.rename_axis("persona").reset_index()


def simulation_table(simulation: Simulation) -> str:
    """Return the first responses with their origin, and how they were drawn."""
    first = simulation.frame.head(N_RESPONSES)
    if N_MIXED in simulation.provenance:
        shown = [" + ".join(simulation.personas_in_prompt(i)) for i in range(len(first))]
        first = first.assign(**{PERSONA: shown})
    columns = [c for c in (CONTEXT, PERSONA, EXEMPLAR) if first[c].notna().any()]
    columns += [RESPONSE, *([WEIGHT] if is_reweighted(simulation) else [])]
    chips = persona_chips(simulation.personas)
    rows = [
        [_cell(simulation, chips, *item) for item in zip(columns, row, strict=True)]
        for row in first[columns].astype(object).itertuples(index=False, name=None)
    ]
    caption = f"{plain(simulation.name)}: {len(first)} of {len(simulation)} responses; "
    return f"{table(columns, rows)}<p>{escape(caption + simulation_facts(simulation))}</p>"


def simulation_facts(simulation: Simulation) -> str:
    """Return how the responses were drawn, their effective sample size and their cost, as text."""
    facts = [
        f"{key}: {plain(value)}"
        for key, value in simulation.provenance.items()
        if key in ("weights", N_MIXED, "temperature", "top_p", "seed")
    ]
    if is_reweighted(simulation):
        weights = simulation.frame[WEIGHT].to_numpy(dtype=float)
        effective = effective_sample_size(weights)
        facts.append(f"reweighted: effective sample size {effective:,.0f} of {len(simulation):,}")
    served = simulation.provenance.get("served", {})
    facts += [f"{len(served)} models: {', '.join(map(plain, served))}"] if len(served) > 1 else []
    facts += _failures(simulation.provenance.get("finished"))
    return ", ".join(filter(None, [*facts, cost(simulation.provenance.get("cost"))]))


def _failures(finished: Mapping[str, int] | None) -> list[str]:
    """Return how many answers had no text, or were filtered or refused."""
    counts = finished or {}
    return [
        f"{counts[reason]:,} {word}" for reason, word in _FAILURES.items() if counts.get(reason)
    ]


def is_reweighted(simulation: Simulation) -> bool:
    """Return whether the responses have different weights."""
    weights = simulation.frame[WEIGHT].to_numpy(dtype=float)
    return bool(len(weights) and np.ptp(weights) > 0)


def conversation_table(conversation: Conversation) -> str:
    """Return a conversation as a table: exemplar, questions and responses."""
    name = conversation.persona.name
    who = persona_chips([name])[name]
    rows = [] if conversation.exemplar is None else [_turn("exemplar", *conversation.exemplar)]
    rows += [_turn(str(i), t.question, t.response) for i, t in enumerate(conversation.turns, 1)]
    asked = table(["", "question", "response"], rows) if rows else ""
    return f"<p>{who}: {cell(conversation.persona.description, MAX_TURN_LENGTH)}</p>{asked}"


def _turn(head: str, question: str, response: str) -> list[str]:
    return [head, cell(question, MAX_TURN_LENGTH), cell(response, MAX_TURN_LENGTH)]


def _cell(
    simulation: Simulation,
    chips: Mapping[str, str],
    column: str,
    value: Any,  # noqa: ANN401  of that column
) -> str:
    if pd.isna(value):
        return ""
    if column == PERSONA:
        return chips.get(str(value), cell(value))
    if column == EXEMPLAR and value < len(simulation.exemplars):
        return cell(simulation.exemplars[value].response, MAX_EXEMPLAR_LENGTH)
    if column == WEIGHT:
        return f"{value:.3g}"
    return cell(value, MAX_RESPONSE_LENGTH if column == RESPONSE else MAX_CONTEXT_LENGTH)
