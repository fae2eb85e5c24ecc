"""Results as small HTML tables: text escaped, colours inline, no script and no style sheet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from jupyter_mop.charts.answers import shares
from jupyter_mop.charts.texts import cost, plain
from jupyter_mop.charts.theme import BLUE, persona_colours
from jupyter_mop.engine.explanation import Explanation
from jupyter_mop.engine.mixture import MixtureOfPersonas
from jupyter_mop.engine.population import Population, are_closed
from jupyter_mop.engine.simulation import CONTEXT, EXEMPLAR, PERSONA, RESPONSE, WEIGHT, Simulation

N_RESPONSES = 5
N_RECORDS = 3
N_CONTEXTS = 5
LONGEST_RESPONSE = 600
LONGEST_CONTEXT = 120
LONGEST_EXEMPLAR = 30
BAR_BLOCKS = 12
LEFT = 'style="text-align: left; vertical-align: top; padding: 2px 8px"'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are HTML already; its heads are text.

    Examples
    --------
    >>> table(["name"], [[cell("<b>")]]).count("&lt;b&gt;")
    1
    """
    heads = "".join(f"<th {LEFT}>{cell(name)}</th>" for name in head)
    lines = ("".join(f"<td {LEFT} dir='auto'>{part}</td>" for part in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def cell(text: object, limit: int = LONGEST_CONTEXT) -> str:
    """Return `text` as the HTML of one line."""
    return escape(plain(text, limit))


def persona_chips(names: Sequence[str]) -> dict[str, str]:
    """Return the name of each persona as HTML, after a square of its colour."""
    return {
        name: f'<span style="color: {colour}">&#9632;</span>&nbsp;{cell(name)}'
        for name, colour in zip(names, persona_colours(names), strict=True)
    }


def share_bar(share: float, colour: str = BLUE) -> str:
    """Return a share as a bar of blocks and a number."""
    blocks = "&#9608;" * round(share * BAR_BLOCKS)
    return f'<span style="color: {colour}">{blocks}</span> {share:.1%}'


def population_table(population: Population) -> str:
    """Return the records of each context, what was answered or how long, and a few records."""
    contexts = shares(population.contexts, population.weights)
    parts = [f"<p>{cell(repr(population))}; {_said(population.responses)}</p>"]
    if len(contexts) > 1:
        parts.append(_share_table("context", contexts))
    if are_closed(population.responses):
        parts.append(_share_table("answer", shares(population.responses, population.weights)))
    columns = [*population.context, population.response]
    records = population.frame[list(dict.fromkeys(columns))].head(N_RECORDS)
    rows = ([cell(value, LONGEST_RESPONSE) for value in row] for row in records.to_numpy())
    parts.append(table([str(column) for column in records.columns], rows))
    return "".join(parts)


def mixture_table(mixture: MixtureOfPersonas) -> str:
    """Return the weights, learned and at the start, and the held-out likelihoods."""
    told = filter(None, [repr(mixture), cost(getattr(mixture, "cost_", None))])
    parts = [f"<p>{cell('; '.join(told))}</p>"]
    if mixture.is_ready:
        parts.append(_weights_table(mixture.summary()))
    if mixture.is_fitted:
        report = mixture.report_
        rows = ([_number(value) for value in row] for row in report.to_numpy(dtype=object))
        parts.append(table([str(column) for column in report.columns], rows))
    return "".join(parts)


def explanation_table(explanation: Explanation) -> str:
    """Return who answers a context, what they are shown, and the nearest records."""
    chips = persona_chips([str(name) for name in explanation.personas["persona"]])
    exemplars = [
        [cell(row.context), cell(row.response, LONGEST_RESPONSE), f"{row.weight:.1%}",
         f"{row.start:.1%}", chips[str(row.persona)]]
        for row in explanation.frame.itertuples()
    ]  # fmt: skip
    nearest = [
        [cell(row.context), cell(row.response, LONGEST_RESPONSE), f"{row.cosine:.2f}"]
        for row in explanation.nearest.itertuples()
    ]
    heading = f"{plain(explanation.context)}: {explanation.note}"
    return "".join(
        [
            f"<p>{escape(heading)}</p>",
            _weights_table(explanation.personas),
            table(["exemplar of", "response", "weight", "uniform", "mostly for"], exemplars),
            table(["nearest records", "response", "cosine"], nearest),
        ]
    )


def simulation_table(simulation: Simulation) -> str:
    """Return the first responses, each with where it came from, and how they were drawn."""
    shown = simulation.frame.head(N_RESPONSES)
    columns = [c for c in (CONTEXT, PERSONA, EXEMPLAR) if shown[c].notna().any()]
    columns += [RESPONSE, *([WEIGHT] if is_reweighted(simulation) else [])]
    chips = persona_chips(simulation.personas)
    rows = [
        [_simulated(simulation, chips, *part) for part in zip(columns, row, strict=True)]
        for row in shown[columns].astype(object).itertuples(index=False, name=None)
    ]
    caption = f"{plain(simulation.name)}: {len(shown)} of {len(simulation)} responses; "
    return f"{table(columns, rows)}<p>{escape(caption + simulation_facts(simulation))}</p>"


def simulation_facts(simulation: Simulation) -> str:
    """Return how the responses were drawn, and what reweighting them has cost, as text."""
    facts = [
        f"{key}: {plain(value)}"
        for key, value in simulation.provenance.items()
        if key in ("weights", "temperature", "top_p", "seed")
    ]
    if is_reweighted(simulation):
        weights = simulation.frame[WEIGHT].to_numpy(dtype=float)
        effective = weights.sum() ** 2 / (weights**2).sum()
        facts.append(f"reweighted: worth {effective:,.0f} of {len(simulation):,} draws")
    return ", ".join(filter(None, [*facts, cost(simulation.provenance.get("cost"))]))


def is_reweighted(simulation: Simulation) -> bool:
    """Return whether some responses count more than others."""
    weights = simulation.frame[WEIGHT].to_numpy(dtype=float)
    return bool(len(weights) and np.ptp(weights) > 0)


def card(title: str, facts: Mapping[str, object], weights: Mapping[str, float]) -> str:
    """Return facts as a table of two columns, with the persona weights as bars below them."""
    rows = [[f"<b>{cell(name)}</b>", cell(value)] for name, value in facts.items()]
    parts = [f"<p><b>{cell(title)}</b></p>", table(["", ""], rows)]
    if weights:
        parts.append(_weights_table(pd.DataFrame(weights.items(), columns=["persona", "weight"])))
    return "".join(parts)


def _share_table(what: str, counted: pd.DataFrame) -> str:
    rows = [
        [cell(name), f"{count:,}", share_bar(share)]
        for name, count, share in counted.head(N_CONTEXTS).itertuples(index=False)
    ]
    rest = len(counted) - len(rows)
    more = f"<p>and {rest:,} more</p>" if rest else ""
    return table([what, "records", "share"], rows) + more


def _weights_table(frame: pd.DataFrame) -> str:
    names = [str(name) for name in frame["persona"]]
    chips, colours = persona_chips(names), persona_colours(names)
    columns = [list(chips.values())]
    columns.append([share_bar(w, c) for w, c in zip(frame["weight"], colours, strict=True)])
    heads = ["persona", "weight"]
    if {"low", "high"} <= set(frame.columns):
        heads.append("95 % interval")
        columns.append([f"{a:.1%} to {b:.1%}" for a, b in zip(frame.low, frame.high, strict=True)])
    if "overall" in frame:
        heads.append("overall")
        columns.append([f"{share:.1%}" for share in frame["overall"]])
    if "start" in frame:
        heads.append("start")
        columns.append([f"{share:.1%}" for share in frame["start"]])
    return table(heads, zip(*columns, strict=True))


def _simulated(
    simulation: Simulation,
    chips: Mapping[str, str],
    column: str,
    value: Any,  # noqa: ANN401  whatever that column holds
) -> str:
    if pd.isna(value):
        return ""
    if column == PERSONA:
        return chips.get(str(value), cell(value))
    if column == EXEMPLAR and value < len(simulation.exemplars):
        return cell(simulation.exemplars[value].response, LONGEST_EXEMPLAR)
    if column == WEIGHT:
        return f"{value:.3g}"
    return cell(value, LONGEST_RESPONSE if column == RESPONSE else LONGEST_CONTEXT)


def _said(responses: list[str]) -> str:
    if are_closed(responses):
        return f"{len(set(responses))} answers"
    lengths = [len(text.split()) for text in responses]
    return f"{min(lengths)} to {max(lengths)} words, half of them {np.median(lengths):.0f} or more"


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else cell(value)
