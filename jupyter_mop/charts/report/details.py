"""Sections of a report on its making: summary, people, prompt, record of the run, problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_mop.charts.report.blocks import (
    bullets,
    escaped,
    fact_table,
    grid,
    heading,
    paragraph,
    section,
)
from jupyter_mop.charts.report.contents import ReportContents
from jupyter_mop.charts.style.plain_text import cost
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.simulation.data_card import LICENCE
from jupyter_mop.engine.simulation.simulation import EXEMPLAR, Simulation

SAMPLING = ("temperature", "top_p", "max_tokens", "n_candidates", "mix", "finished")
NAMES = {
    "top_p": "top-p",
    "max_tokens": "longest response (tokens)",
    "n_candidates": "candidates for each response",
    "mix": "personas in each prompt",
    "finished": "how responses ended",
}
QUOTED = (
    "This file quotes texts of real people. Check the terms of the records before you share it."
)
NOT_QUOTED = (
    "Texts of real people are left out; %mop_report --with-quotes shows them. Names of columns, "
    "contexts and answers come from the records."
)


def summary(contents: ReportContents) -> str:
    """Return what this is, and how far to trust it, in plain words."""
    n, name = len(contents.simulation), contents.simulation.name
    what = "answers, drawn" if name in contents.answers else "responses, written"
    first = (
        f"Report on a simulated population: {n:,} {what} by a language model in the role of "
        "personas. No person gave them."
    )
    said = "".join(f'<p dir="auto">{escaped(text)}</p>' for text in contents.verdicts)
    head = "<p><b>How far to trust it</b></p>"
    return f'{paragraph(first, soft=True)}<div class="verdicts">{head}{said}</div>'


def people(contents: ReportContents) -> str:
    """Return who is simulated: the records, their columns and their weights."""
    train, target = contents.train, contents.target
    if train is None:
        return ""
    facts = {
        "training records": _size(train),
        "held-out records": "none" if target is None else _size(target),
        "context": ", ".join(train.context),
        "response": train.response,
        "survey weights": train.weight or "none: all records count the same",
        "not split": "" if train.group is None else f"records of the same {train.group}",
    }
    parts = [fact_table(facts)]
    if contents.with_quotes:
        real = (target or train).responses[:3]
        parts += [heading("What people wrote: the first three"), *map(_quote, real)]
    return section("People", *parts)


def _size(population: Population) -> str:
    n, effective = len(population), population.effective_size
    note = f" (effective sample size {effective:,.0f})" if population.weight else ""
    return f"{n:,}{note}"


def _quote(text: str) -> str:
    return f'<blockquote dir="auto">{escaped(text)}</blockquote>'


def prompt(contents: ReportContents) -> str:
    """Return what the model was asked, and the model."""
    facts = contents.simulation.provenance
    sampling = {NAMES.get(name, name): _fact(facts.get(name)) for name in SAMPLING}
    parts = [
        fact_table({"model": contents.model, "persona weights": facts.get("weights")} | sampling)
    ]
    if "template" in facts:
        parts += [heading("Template of the prompt"), f"<pre>{_lines(facts['template'])}</pre>"]
    if contents.with_quotes and contents.simulation.frame[EXEMPLAR].notna().any():
        parts += [heading("One prompt, as the model got it"), _turns(contents.simulation)]
    return section("Question and model", *parts)


def _fact(value: object) -> object:
    """Return a fact of the provenance as text."""
    if isinstance(value, Mapping):
        return ", ".join(f"{count:,} {name}" for name, count in value.items())
    return value


def _turns(simulation: Simulation) -> str:
    rows = [[escaped(role), _lines(text)] for role, text in simulation.turns(0)]
    return grid(["role", "text"], rows, ["", "text"])


def _lines(text: object) -> str:
    """Return a text as HTML with its line breaks."""
    return "<br>".join(escaped(line) for line in str(text).splitlines())


def record(contents: ReportContents) -> str:
    """Return cost, seeds, versions, columns of the data and the terms of the texts."""
    facts: dict[str, Any] = dict(contents.facts)
    spent = cost(contents.simulation.provenance.get("cost"))
    facts["cost"] = spent.removeprefix("cost: ") or "none: the model ran on this machine"
    frame = contents.simulation.frame
    dtypes = [[escaped(name), escaped(kind)] for name, kind in frame.dtypes.items()]
    card = [
        heading("Data card"),
        paragraph("%mop_export writes the responses with all provenance. Its columns:", soft=True),
        grid(["column", "type"], dtypes),
        paragraph(LICENCE if contents.with_quotes else LICENCE.split(" The exemplars")[0]),
        paragraph(QUOTED if contents.with_quotes else NOT_QUOTED),
    ]
    return section("Cost, seeds and data card", fact_table(facts), *card)


def problems(contents: ReportContents) -> str:
    """Return what was left out, not measured or failed."""
    none = paragraph("Nothing was left out, and nothing failed.")
    return section("What did not work", bullets(contents.problems) or none)
