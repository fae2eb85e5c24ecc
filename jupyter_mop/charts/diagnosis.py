"""A diagnosis: persona similarity, missing clusters, copied text, and all metrics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

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
from jupyter_mop.charts.style.html_table import cell, persona_chips, table
from jupyter_mop.charts.style.numbers import with_interval
from jupyter_mop.charts.style.plain_text import plain, plain_frame
from jupyter_mop.charts.style.theme import BLUE, GREY
from jupyter_mop.engine.evaluation import trust
from jupyter_mop.engine.evaluation.diagnosis import Diagnosis

if TYPE_CHECKING:
    import altair as alt

MAX_CLUSTERS = 8
MAX_PERSONAS_WITH_TEXT = 16
N_COPIES = 3
MAX_EXAMPLE_LENGTH = 100


def diagnosis_chart(diagnosis: Diagnosis) -> alt.VConcatChart:
    """Draw the persona confusion matrix, and the clusters whose shares differ most."""
    import altair as alt

    parts = [_clusters(diagnosis.missing)]
    if diagnosis.confusion is not None:
        parts.insert(0, _confusion(diagnosis.confusion))
    title = titled(f"Diagnosis of {plain(diagnosis.name)}", subtitle=diagnosis.notes)
    joined = alt.vconcat(*parts, title=title, spacing=32)
    chart: alt.VConcatChart = styled(joined.resolve_scale(color="independent", x="independent"))
    return chart


def diagnosis_table(diagnosis: Diagnosis) -> str:
    """Return the metrics, each persona's effect and confusion, missing clusters, copied text."""
    said = f"{diagnosis.name}: {' '.join(trust.diagnosis_verdict(diagnosis))}"
    parts = [f"<p><b>{cell(said, 600)}</b></p>", _metrics_table(diagnosis.frame)]
    if diagnosis.effects is not None:
        parts.append(_effects_table(diagnosis))
    if diagnosis.confusion is not None:
        parts.append(_confusion_table(diagnosis))
    parts.append(_missing_table(diagnosis.missing))
    parts.append(_copies_table(diagnosis))
    return "".join([*parts, f"<p>{cell(' '.join(diagnosis.notes), 600)}</p>"])


def _confusion(confusion: pd.DataFrame) -> alt.LayerChart:
    import altair as alt

    n_personas = len(confusion)
    wide = confusion.rename_axis("persona").reset_index()
    frame = wide.melt("persona", var_name="nearest", value_name="share")
    frame = plain_frame(frame, "persona", "nearest")
    layers = heat_layers(
        frame, "persona", "nearest", "share", top=1, column_title="nearest persona"
    )
    title = titled(
        "Persona similarity",
        subtitle="Share of each persona's responses nearest to each persona.",
        frame="group",
        fontSize=12,
    )
    n_layers = 2 if n_personas <= MAX_PERSONAS_WITH_TEXT else 1
    width = max(CELL_WIDTH * n_personas, 160)
    return sized(alt.layer(*layers[:n_layers], title=title), round(width), n_personas)


def _clusters(missing: pd.DataFrame) -> alt.LayerChart:
    """Return the clusters whose shares differ most: real share a dot, simulated share a ring."""
    import altair as alt

    order = missing["missing"].abs().sort_values(ascending=False, kind="stable").index
    shown = missing.loc[sorted(order[:MAX_CLUSTERS])]
    examples = [_example(*row) for row in shown[["cluster", "examples"]].to_numpy()]
    shown = shown.drop(columns="examples").assign(example=examples)
    frame = plain_frame(shown, "example")
    names = list(frame["example"])
    base = alt.Chart(frame).encode(alt.Y("example:N", sort=names, title=None, axis=name_axis()))
    x = alt.X("real:Q", title="share of responses", axis=share_axis())
    tooltip = tooltips("example:N", "real:Q", "simulated:Q", "verdict:N")
    ring = base.mark_point(color=GREY, size=90, strokeWidth=2.5)
    layers = [
        base.mark_rule(color=GREY, strokeWidth=2).encode(x, alt.X2("simulated:Q")),
        ring.encode(alt.X("simulated:Q"), tooltip=tooltip),
        base.mark_circle(color=BLUE, size=90, opacity=1).encode(x, tooltip=tooltip),
    ]
    title = titled(
        "Missing and overrepresented clusters",
        subtitle="Named by a real response. Dot: real share; ring: simulated share.",
        frame="group",
        fontSize=12,
    )
    return sized(alt.layer(*layers, title=title), 280, len(names))


def _example(cluster: int, examples: tuple[str, ...]) -> str:
    return examples[0] if examples else f"cluster {cluster} (no real response)"


def _metrics_table(frame: pd.DataFrame) -> str:
    rows = [
        [
            cell(name),
            with_interval(*value),
            cell(reference),
            with_interval(*floor),
        ]
        for name, *value, reference, floor in zip(
            *(frame[column] for column in ("figure", "value", "low", "high", "against")),
            frame[["floor", "floor_low", "floor_high"]].to_numpy(),
            strict=True,
        )
    ]
    return table(["metric", "simulation", "reference", "value"], rows)


def _effects_table(diagnosis: Diagnosis) -> str:
    """Return whether each persona moves the answers: divergence and controllability."""
    effects = diagnosis.effects
    assert effects is not None  # noqa: S101  the caller checked
    chips = persona_chips(diagnosis.personas)
    columns = ["persona", "n", "divergence", "floor", "above", "above_low", "above_high", "verdict"]
    rows = [
        [
            chips.get(str(name), cell(name)),
            f"{n:,}",
            "" if math.isnan(divergence) else f"{divergence:.2%} (floor {floor:.2%})",
            with_interval(*above),
            cell(verdict),
        ]
        for name, n, divergence, floor, *above, verdict in effects[columns].to_numpy(dtype=object)
    ]
    heads = ["persona", "responses", "divergence", "controllability above chance", "verdict"]
    return table(heads, rows)


def _confusion_table(diagnosis: Diagnosis) -> str:
    confusion = diagnosis.confusion
    assert confusion is not None  # noqa: S101  the caller checked
    chips = persona_chips(diagnosis.personas)
    rows = [
        [chips.get(str(name), cell(name)), *(f"{share:.0%}" for share in shares)]
        for name, shares in zip(confusion.index, confusion.to_numpy(), strict=True)
    ]
    return table(["nearest to", *map(str, confusion.columns)], rows)


def _missing_table(missing: pd.DataFrame) -> str:
    clear = missing[missing["verdict"] != "no clear difference"]
    if clear.empty:
        return ""
    columns = ["verdict", "real", "simulated", "examples"]
    rows = [
        [
            cell(verdict),
            f"{real:.1%}",
            f"{simulated:.1%}",
            " / ".join(cell(text, MAX_EXAMPLE_LENGTH) for text in examples),
        ]
        for verdict, real, simulated, examples in clear[columns].head(MAX_CLUSTERS).to_numpy()
    ]
    return table(["cluster", "real share", "simulated share", "real responses"], rows)


def _copies_table(diagnosis: Diagnosis) -> str:
    copies = diagnosis.copies[diagnosis.copies["is_pool_copy"]]
    if copies.empty:
        return ""
    longest = copies.sort_values("pool_run", ascending=False, kind="stable").head(N_COPIES)
    rows = [[cell(n), cell(text)] for n, text in longest[["pool_run", "words"]].to_numpy()]
    return table(["words copied", "text"], rows)
