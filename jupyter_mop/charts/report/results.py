"""Sections of a report on its results: personas, alignment, closed answers, what is missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jupyter_mop.charts.report.blocks import (
    BAR,
    NUMBER,
    TEXT,
    chip,
    escaped,
    grid,
    heading,
    paragraph,
    section,
)
from jupyter_mop.charts.report.contents import ReportContents
from jupyter_mop.charts.report.graphics import interval_row, scatter, share_row
from jupyter_mop.charts.style.numbers import with_interval
from jupyter_mop.charts.style.theme import GREY, INK, LIGHT_BLUE, persona_colours
from jupyter_mop.engine.data.persona_sources.voices import PHRASE, quoted_texts
from jupyter_mop.engine.evaluation.alignment import Alignment
from jupyter_mop.engine.evaluation.alignment_by_context import AlignmentByContext
from jupyter_mop.engine.evaluation.diagnosis import Diagnosis
from jupyter_mop.engine.simulation.simulation import (
    CONTEXT,
    PERSONA,
    RESPONSE,
    Simulation,
)
from jupyter_mop.engine.survey.population_answer import PopulationAnswer

ENDS, FLOOR = ["low", "high"], ["floor", "floor_low", "floor_high"]
MARGIN = 0.06
MAX_CONTEXTS = 50
SIGNS = {"lower": "lower is better", "higher": "higher is better", "near 1": "best near 1"}
REAL, NONE = "real", "no persona"


def personas(contents: ReportContents) -> str:
    """Return each persona with its weight, its interval and its description."""
    simulation = contents.simulation
    names = simulation.names
    if not names:
        return ""
    shares = _persona_shares(simulation, names)
    learned = _learned(contents, names)
    top = float(np.nanmax([shares, *learned[["weight", "high"]].to_numpy().T]))
    rows = [
        [
            chip(name, colour),
            share_row(share, low=low, high=high, tick=weight, colour=colour, top=top or 1.0),
            f"{share:.1%}",
            "" if math.isnan(weight) else f"{weight:.1%}",
            "" if math.isnan(low) else f"{low:.1%} to {high:.1%}",
        ]
        for name, colour, share, (weight, low, high) in zip(
            names, persona_colours(names), shares, learned.to_numpy(), strict=True
        )
    ]
    has = learned.notna().any()
    columns = [0, 1, 2, *([3] if has["weight"] else []), *([4] if has["low"] else [])]
    heads = ["persona", "", "share of responses", "learned weight", "95 % interval"]
    kinds = ["", BAR, NUMBER, NUMBER, NUMBER]
    note = "Bar: share of the responses. Tick: learned weight; line: its interval."
    return section(
        "Personas and weights",
        grid(*_chosen(columns, heads, rows, kinds)),
        paragraph(note if has["weight"] else "", soft=True),
        _descriptions(contents, names),
    )


def _chosen(
    columns: list[int], heads: list[str], rows: list[list[str]], kinds: list[str]
) -> tuple[list[str], list[list[str]], list[str]]:
    """Return the chosen columns of a table."""
    return (
        [heads[i] for i in columns],
        [[row[i] for i in columns] for row in rows],
        [kinds[i] for i in columns],
    )


def _persona_shares(simulation: Simulation, names: list[str]) -> list[float]:
    """Return each persona's weighted share of the responses, shape (K,)."""
    frame = simulation.frame
    weights = pd.Series(simulation.weights, frame.index)
    counted = weights.groupby(frame[PERSONA]).sum()
    total = counted.sum()
    return [float(counted.get(name, 0.0) / total) if total else math.nan for name in names]


def _learned(contents: ReportContents, names: list[str]) -> pd.DataFrame:
    """Return weight, low and high of each persona, NaN where they were not learned."""
    columns = ["weight", *ENDS]
    if contents.mixture is None or not contents.mixture.is_fitted:
        return pd.DataFrame(np.nan, index=names, columns=columns)
    found = contents.mixture.summary().set_index(PERSONA)
    return found.reindex(index=names, columns=columns)


def _descriptions(contents: ReportContents, names: list[str]) -> str:
    known = contents.simulation.descriptions
    rows = [
        [chip(name, colour), escaped(_description(known[name], with_quotes=contents.with_quotes))]
        for name, colour in zip(names, persona_colours(names), strict=True)
        if known.get(name)
    ]
    table = grid(["persona", "description, as the model got it"], rows, ["", TEXT])
    return heading("Descriptions") + table if table else ""


def _description(text: str, *, with_quotes: bool) -> str:
    """Return a persona's description, without the real texts that it quotes."""
    quotes = [] if with_quotes else quoted_texts(text)
    if not quotes:
        return text
    return f"{text.partition(PHRASE)[0]}{PHRASE} ({len(quotes)} real, left out)"


def alignment(contents: ReportContents) -> str:
    """Return each metric beside real against real, overall and by subgroup, and the map."""
    found = contents.alignment
    if found is None:
        return ""
    name = contents.simulation.name
    note = (
        f"Dot: the simulation against people, with its 95 % interval; {found.n_per_side}. Dashed "
        "line: two halves of the real responses against each other; grey: its interval."
    )
    order = sorted(dict.fromkeys(found.frame["method"]), key=lambda method: method != name)
    parts = [paragraph(note, soft=True), *_metrics(found.frame, order, "method")]
    if found.by_context is not None:
        parts.append(_by_context(found.by_context, name))
    return section("Closeness to people", *parts, _map(found, name))


def _metrics(frame: pd.DataFrame, order: Sequence[str], label: str) -> list[str]:
    names = dict.fromkeys(frame["figure"])
    return [_metric(frame[frame["figure"] == name], order, label) for name in names]


def _metric(frame: pd.DataFrame, order: Iterable[str], label: str) -> str:
    """Return one metric: a row for each of `order`, over the band of its floor."""
    first = frame.iloc[0]
    rows = frame.set_index(label).reindex([name for name in order if name in set(frame[label])])
    values = rows[["value", *ENDS, *FLOOR]].to_numpy(dtype=float)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = MARGIN * (high - low)
    span = (low - margin, high + margin)
    cells = [
        [
            escaped(name),
            interval_row(row[0], row[1:3].tolist(), row[3:6].tolist(), span),
            with_interval(*row[:3]),
            with_interval(*row[3:6]),
        ]
        for name, row in zip(rows.index, values, strict=True)
    ]
    sign = SIGNS.get(str(first["better"]), "")
    heads = [label, "", "value", "real against real"]
    return heading(f"{first['figure']} ({sign})") + grid(heads, cells, ["", BAR, NUMBER, NUMBER])


def _by_context(by: AlignmentByContext, name: str) -> str:
    columns = ", ".join(by.by)
    frame = by.frame[by.frame["method"] == name]
    groups = frame.drop_duplicates("group")
    sizes = [
        f"{row['group']}: {row['share']:.0%} of people, {row['n']:,.0f} responses a side"
        for row in groups.to_dict("records")
    ]
    metrics = _metrics(frame, list(groups["group"]), "group")
    return "".join([heading(f"By {columns}"), paragraph("; ".join(sizes), soft=True), *metrics])


def _map(found: Alignment, name: str) -> str:
    """Return the responses in two dimensions, coloured by persona, with a legend."""
    points = found.points[found.points["source"].isin([REAL, name])]
    if points.empty:
        return ""
    who = points[PERSONA].where(points[PERSONA].notna(), NONE).astype(str)
    group = who.where(points["source"] != REAL, REAL)
    names = list(found.personas)
    known = {REAL: GREY} | dict(zip(names, persona_colours(names), strict=True)) | {NONE: INK}
    shown = {key: colour for key, colour in known.items() if (group == key).any()}
    legend = "".join(f"<span>{chip(key, colour)}</span>" for key, colour in shown.items())
    note = "First two principal components of the real responses. One dot: one response."
    return (
        f"{heading('Responses in embedding space')}{scatter(points.assign(group=group), shown)}"
        f'<p class="legend">{legend}</p>{paragraph(note, soft=True)}'
    )


def answers(contents: ReportContents) -> str:
    """Return each closed answer beside the known shares, and beside baselines without a model."""
    parts = []
    for answer, baselines in contents.answers.values():
        parts += [
            heading(f"{answer.name}: {answer.question.text}"),
            _shares(answer),
            _by_persona(answer),
            _baselines(baselines),
            paragraph(answer.description, soft=True),
        ]
    return section("Closed answers", *parts)


def _shares(answer: PopulationAnswer) -> str:
    shares, target = answer.shares(), answer.target()
    known = np.full(len(shares), np.nan) if target is None else target
    top = float(np.nanmax([shares, known])) or 1.0
    rows = [
        [
            escaped(option),
            share_row(share, tick=real, colour=LIGHT_BLUE, top=top),
            f"{share:.1%}",
            *([] if target is None else [f"{real:.1%}"]),
        ]
        for option, share, real in zip(answer.options, shares, known, strict=True)
    ]
    heads = ["option", "", "share", *([] if target is None else ["people (tick)"])]
    return grid(heads, rows, ["", BAR, NUMBER, NUMBER][: len(heads)])


def _by_persona(answer: PopulationAnswer) -> str:
    if answer.is_plain:
        return ""
    rows = [
        [
            chip(name, colour),
            f"{weight:.1%}",
            *("" if math.isnan(share) else f"{share:.1%}" for share in shares),
        ]
        for name, colour, weight, shares in zip(
            answer.personas,
            persona_colours(answer.personas),
            answer.persona_weights,
            answer.by_persona,
            strict=True,
        )
    ]
    heads = ["persona", "weight", *answer.options]
    return grid(heads, rows, ["", *[NUMBER] * (len(heads) - 1)])


def _baselines(frame: pd.DataFrame) -> str:
    """Return the distance to people of each source, a table with one row for each subgroup."""
    if frame.empty:
        return ""
    sources = list(dict.fromkeys(frame["source"]))
    rows = []
    for group, part in frame.groupby("group", sort=False):
        by_source = part.set_index("source")
        cells = [_points(by_source, source) for source in sources]
        rows.append([escaped(group), f"{part['n'].iloc[0]:,.0f}", *cells])
    note = "Distance to people in points: the share that would have to answer otherwise."
    kinds = ["", NUMBER, *[NUMBER] * len(sources)]
    return paragraph(note, soft=True) + grid(["people", "n", *sources], rows, kinds)


def _points(rows: pd.DataFrame, source: str) -> str:
    if source not in rows.index:
        return ""
    row: Any = rows.loc[source]
    value = f"{100 * row['value']:.1f}"
    if not math.isnan(row["low"]):
        return f"{value} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
    return value if math.isnan(row["high"]) else f"{value} (at most {100 * row['high']:.1f})"


def missing(contents: ReportContents) -> str:
    """Return the kinds of real responses that the simulation lacks, or has too many of."""
    if contents.diagnosis is None:
        return ""
    clear = contents.diagnosis.missing
    clear = clear[clear["verdict"] != "no clear difference"]
    if clear.empty:
        return section(
            "What is missing", paragraph("No kind of real responses is clearly rarer or commoner.")
        )
    top = float(clear[["real", "simulated"]].to_numpy().max()) or 1.0
    rows = [
        [
            escaped(row["verdict"]),
            share_row(row["simulated"], tick=row["real"], colour=LIGHT_BLUE, top=top),
            f"{row['simulated']:.1%}",
            f"{row['real']:.1%}",
            " / ".join(map(escaped, row["examples"]))
            if contents.with_quotes
            else f"kind {row['cluster']}",
        ]
        for row in clear.to_dict("records")
    ]
    heads = ["", "", "simulated", "people (tick)", "real responses of this kind"]
    return section("What is missing", grid(heads, rows, ["", BAR, NUMBER, NUMBER, TEXT]))


def diagnosis(contents: ReportContents) -> str:
    """Return diversity, copying, controllability, and what each persona changes."""
    found = contents.diagnosis
    if found is None:
        return ""
    rows = [
        [
            escaped(row["figure"]),
            with_interval(row["value"], row["low"], row["high"]),
            f"{escaped(row['against'])}: {with_interval(*(row[name] for name in FLOOR))}",
        ]
        for row in found.frame.to_dict("records")
    ]
    return section(
        "Variety, copying and control",
        grid(["metric", "simulation", "reference"], rows),
        _effects(found),
    )


def _effects(found: Diagnosis) -> str:
    if found.effects is None:
        return ""
    colours = dict(zip(found.personas, persona_colours(found.personas), strict=True))
    rows = [
        [
            chip(str(row["persona"]), colours.get(str(row["persona"]), GREY)),
            f"{row['n']:,}",
            escaped(row["verdict"]),
        ]
        for row in found.effects.to_dict("records")
    ]
    heads = ["persona", "responses", "does it change the responses?"]
    return heading("Effect of each persona") + grid(heads, rows, ["", NUMBER])


def responses(contents: ReportContents) -> str:
    """Return some simulated responses of each persona."""
    simulation = contents.simulation
    frame = simulation.frame.iloc[list(contents.shown)]
    with_context = contents.with_quotes or simulation.frame[CONTEXT].nunique() <= MAX_CONTEXTS
    with_persona = bool(frame[PERSONA].notna().any())
    names = simulation.personas
    chips = {name: chip(name, c) for name, c in zip(names, persona_colours(names), strict=True)}
    rows = [
        [
            *([chips.get(str(row[PERSONA]), "")] if with_persona else []),
            *([escaped(row[CONTEXT])] if with_context else []),
            escaped(row[RESPONSE]),
        ]
        for row in frame.to_dict("records")
    ]  # fmt: skip
    heads = [*(["persona"] if with_persona else []), *(["context"] if with_context else [])]
    note = f"{len(rows)} of {len(simulation):,}, written by the model."
    parts = grid([*heads, "response"], rows, [*[""] * len(heads), TEXT])
    return section("Simulated responses", paragraph(note, soft=True) if rows else "", parts)
