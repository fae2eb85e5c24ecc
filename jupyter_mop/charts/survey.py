"""The answer to a closed question: option shares overall, by persona and by context."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jupyter_mop.charts.style.chart_parts import (
    CELL_WIDTH,
    heat_layers,
    name_axis,
    share_axis,
    sized,
    styled,
    titled,
    tooltips,
)
from jupyter_mop.charts.style.html_table import cell, persona_chips, share_bar, table, unbroken
from jupyter_mop.charts.style.numbers import number, with_interval
from jupyter_mop.charts.style.plain_text import plain, plain_frame
from jupyter_mop.charts.style.theme import INK, LIGHT_BLUE, ROW_HEIGHT
from jupyter_mop.engine.evaluation import trust
from jupyter_mop.engine.questionnaire.population_answers import PopulationAnswers
from jupyter_mop.engine.survey.calibrated.comparison import CALIBRATED, gain_text
from jupyter_mop.engine.survey.calibrated.method_comparison import MethodComparison
from jupyter_mop.engine.survey.population_answer import Calibration, PopulationAnswer

if TYPE_CHECKING:
    import altair as alt

MAX_CONTEXTS, MAX_GROUPS = 12, 20
MAX_PANELS, COLUMNS = 24, 2
MAX_NOTE_LENGTH = 400


def answer_chart(answer: PopulationAnswer) -> alt.VConcatChart:
    """Draw the option shares overall with ticks at the known ones, by persona and by context."""
    import altair as alt

    rows = [share_layers(answer.by())]
    if not answer.is_plain:
        rows.append(heat_map(persona_frame(answer), "Personas"))
    if len(answer.contexts) > 1:
        largest = context_frame(answer)
        n_drawn = largest["row"].nunique()
        note = f": the {n_drawn} largest of {len(answer.contexts)}"
        heading = "Contexts" + (note if n_drawn < len(answer.contexts) else "")
        rows.append(heat_map(largest, heading))
    title = titled(
        f"{plain(answer.name)}: {plain(answer.question.text)}",
        subtitle=[plain(text, MAX_NOTE_LENGTH) for text in [answer.description, *answer.remarks]],
    )
    chart: alt.VConcatChart = styled(
        alt.vconcat(*rows, title=title, spacing=24).resolve_scale(color="independent")
    )
    return chart


def persona_frame(answer: PopulationAnswer) -> pd.DataFrame:
    """Return row (persona with its weight), option and share."""
    short = [plain(name, 30) for name in answer.personas]
    distinct = [f"{s} #{k + 1}" if short.count(s) > 1 else s for k, s in enumerate(short)]
    pairs = zip(distinct, answer.persona_weights, strict=True)
    names = [f"{name} ({weight:.0%})" for name, weight in pairs]
    return _long(names, answer.options, answer.by_persona)


def context_frame(answer: PopulationAnswer) -> pd.DataFrame:
    """Return row (context), option and share of the largest contexts."""
    largest = np.argsort(-answer.sizes, kind="stable")[:MAX_CONTEXTS]
    texts = answer.context_texts
    return _long([texts[c] for c in largest], answer.options, answer.by_context[largest])


def answers_chart(answers: PopulationAnswers) -> alt.ConcatChart:
    """Draw small multiples, the worst question first: bars of shares, ticks at the known ones."""
    import altair as alt

    names = answers.worst_first[:MAX_PANELS]
    parts = [
        share_layers(answers[name].by(), f"{plain(name, 40)}{_how(answers[name])}")
        for name in names
    ]
    rest = len(answers) - len(names)
    notes = ["Worst first. Bar: simulated share; tick: people's share.",
             *([f"The {rest} others are in the table."] if rest else [])]  # fmt: skip
    title = titled(f"{len(answers)} questions", subtitle=notes)
    panels = alt.concat(*parts, columns=COLUMNS, title=title, spacing=24)
    chart: alt.ConcatChart = styled(panels.resolve_scale(x="shared"))
    return chart


def answers_table(answers: PopulationAnswers) -> str:
    """Return one sentence on each question, the worst first, and all option shares."""
    verdicts = [f"{name}{_how(answers[name])}: {trust.answer_in_short(answers[name])}"
                for name in answers.worst_first]  # fmt: skip
    said = "".join(f"<p><b>{cell(text, MAX_NOTE_LENGTH)}</b></p>" for text in verdicts)
    frame = answers.frame.set_index("question")
    rows = [
        [cell(name), cell(row["option"]), share_bar(row["share"]), _known(row["people"])]
        for name in answers.worst_first
        for row in frame.loc[[name]].to_dict("records")
    ]
    return f"{said}{table(['question', 'option', 'simulated share', 'people'], rows)}"


def _how(answer: PopulationAnswer) -> str:
    return "" if answer.calibration else " (uncalibrated)"


def _known(share: float) -> str:
    return "" if np.isnan(share) else f"{share:.1%}"


def share_layers(frame: pd.DataFrame, heading: str = "") -> alt.LayerChart:
    """Return bars of option shares, with ticks at the known shares if there are any."""
    import altair as alt

    known = bool(frame["target"].notna().any())
    frame = plain_frame(frame, "option")
    order = list(frame["option"])
    base = alt.Chart(frame).encode(alt.Y("option:N", sort=order, title=None, axis=name_axis()))
    bars = base.mark_bar(color=LIGHT_BLUE, height={"band": 0.6}).encode(
        alt.X("share:Q", title="share of answers", axis=share_axis()),
        tooltip=tooltips("option:N", "share:Q", *(["target:Q"] if known else [])),
    )
    tick = base.mark_tick(color=INK, thickness=2, size=0.85 * ROW_HEIGHT).encode(alt.X("target:Q"))
    heading = heading or ("Everyone (tick: known share)" if known else "Everyone")
    layers = alt.layer(bars, *([tick] if known else []), title=titled(heading, fontSize=12))
    return sized(layers, 240, len(order))


def heat_map(frame: pd.DataFrame, heading: str) -> alt.LayerChart:
    """Return the option shares of each row as a heat map."""
    import altair as alt

    frame = plain_frame(frame, "row", "option")
    layers = heat_layers(frame, "row", "option", "share")
    width = max(CELL_WIDTH * frame["option"].nunique(), 100)
    title = titled(heading, fontSize=12)
    return sized(alt.layer(*layers, title=title), int(width), frame["row"].nunique())


def answer_table(answer: PopulationAnswer) -> str:
    """Return each option's share beside the known one, by persona, and how it was obtained."""
    head = ["option", "share"]
    frame = answer.by()
    columns = [[cell(option) for option in answer.options], list(map(share_bar, frame["share"]))]
    if frame["target"].notna().any():
        head.append("known share")
        columns.append([f"{share:.1%}" for share in frame["target"]])
    rows = [list(row) for row in zip(*columns, strict=True)]
    verdict = trust.answer_in_short(answer)
    parts = [
        f"<p>{cell(answer.question.text)}</p>",
        f"<p><b>{cell(verdict, MAX_NOTE_LENGTH)}</b></p>",
    ]
    parts.append(table(head, rows))
    if not answer.is_plain:
        parts.append(_persona_table(answer))
    parts.append(_group_table(answer))
    if answer.calibration is not None and answer.report is not None:
        parts.append(_comparison_table(answer.calibration))
    said = [answer.description, *answer.remarks]
    return "".join([*parts, *(f"<p>{cell(text, MAX_NOTE_LENGTH)}</p>" for text in said)])


def _persona_table(answer: PopulationAnswer) -> str:
    chips = persona_chips(answer.personas)
    rows = [
        [chips[name], f"{weight:.1%}", *map(_share, shares)]
        for name, weight, shares in zip(
            answer.personas, answer.persona_weights, answer.by_persona, strict=True
        )
    ]
    return table(["persona", "weight", *answer.options], rows)


def _group_table(answer: PopulationAnswer) -> str:
    """Return the option shares of each group of each context column, beside the known ones."""
    frames = [answer.by(column) for column in answer.subgroups.columns]
    frame = pd.concat(frames) if frames else pd.DataFrame()
    groups = frame[frame["column"] != ""] if len(frame) else frame
    n = len(groups) // len(answer.options)
    if not 1 < n <= MAX_GROUPS:
        return ""
    rows = [
        [cell(f"{column}: {group}"), *map(_beside_known, part["share"], part["target"])]
        for (column, group), part in groups.groupby(["column", "group"], sort=False)
    ]
    known = " (known share)" if groups["target"].notna().any() else ""
    return table([f"group{known}", *answer.options], rows)


def _beside_known(share: float, known: float) -> str:
    return _share(share) + ("" if np.isnan(known) else f"&nbsp;({known:.0%})")


def _comparison_table(calibration: Calibration) -> str:
    """Return the calibrated answer beside others, with what it gains over each."""
    judge = "the other folds' people" if calibration.is_cross_fitted else "held-out people"
    head = [
        f"judged by {judge}",
        "log score (nats)",
        "TV",
        "TV by subgroup",
        "gain (nats)",
        "TV by subgroup, nearer by",
    ]
    rows = [
        [
            cell(row["answer"]),
            *(f"{row[name]:.3f}" for name in ("log_score", "TV", "TV_by_subgroup")),
            *(
                "" if row["answer"] == CALIBRATED else unbroken(gain_text(row, name))
                for name in ("log_score", "TV_by_subgroup")
            ),
        ]
        for row in calibration.comparison.to_dict("records")
    ]
    return table(head, rows)


def methods_table(comparison: MethodComparison) -> str:
    """Return each way to an answer with its distance from people and its cost."""
    head = [
        "method",
        "TV",
        "TV by subgroup",
        "log score (nats)",
        "behind the best (nats)",
        "requests",
        "not cached",
        "tokens",
        "seconds",
        "unusable",
    ]
    rows = [
        [
            cell(row["method"]),
            with_interval(row["TV"], row["low"], row["high"]),
            *(number(row[name]) for name in ("TV_by_subgroup", "log_score")),
            with_interval(row["behind"], row["behind_low"], row["behind_high"]),
            *(f"{row[name]:,}" for name in ("requests", "calls", "tokens")),
            number(row["seconds"]),
            "" if np.isnan(row["unusable"]) else f"{row['unusable']:.1%}",
        ]
        for row in comparison.frame.to_dict("records")
    ]
    failed = comparison.frame[comparison.frame["failure"] != ""]
    notes = [
        f"{name}: {why}" for name, why in zip(failed["method"], failed["failure"], strict=True)
    ]
    said = "".join(f"<p>{cell(note, MAX_NOTE_LENGTH)}</p>" for note in notes)
    return f"<p><b>{cell(comparison.verdict, MAX_NOTE_LENGTH)}</b></p>{table(head, rows)}{said}"


def _share(share: float) -> str:
    return "no answer" if np.isnan(share) else f"{share:.1%}"


def _long(rows: list[str], options: tuple[str, ...], shares: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row": np.repeat(np.array(rows, dtype=object), len(options)),
            "option": list(options) * len(rows),
            "share": shares.ravel(),
        }
    )
