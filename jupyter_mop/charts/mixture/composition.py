"""A composition: learned persona weights beside true shares, and likeliest personas by group."""

from __future__ import annotations

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
from jupyter_mop.charts.style.html_table import cell, persona_chips, share_bar, table
from jupyter_mop.charts.style.plain_text import labels, plain, plain_frame
from jupyter_mop.charts.style.theme import GREY, INK, ROW_HEIGHT, persona_colours

if TYPE_CHECKING:
    import altair as alt

    from jupyter_mop.engine.mixture.composition import Composition

MAX_CELLS_WITH_TEXT = 16
NONE = "none"


def composition_chart(composition: Composition) -> alt.VConcatChart:
    """Draw learned weights with ticks at true shares, and likeliest personas by group."""
    import altair as alt

    title = titled(
        f"Composition by {plain(composition.by)}",
        subtitle=f"Total variation {composition.total_variation:.3f} (uniform weights: "
        f"{composition.uniform:.3f}). Likeliest persona right: {composition.right:.0%} "
        f"(always the largest group: {composition.largest:.0%}).",
    )
    parts = _shares(composition), _likeliest(composition.confusion)
    joined = alt.vconcat(*parts, title=title, spacing=32)
    chart: alt.VConcatChart = styled(joined.resolve_scale(color="independent", y="independent"))
    return chart


def composition_table(composition: Composition) -> str:
    """Return weights beside true shares, the likeliest personas by group, and remarks."""
    parts = [
        f"<p><b>Composition by {cell(composition.by)}</b></p>",
        _shares_table(composition),
        _likeliest_table(composition.confusion),
        f"<p>{cell(composition.summary, 600)}</p>",
    ]
    remarks = [composition.matched, *composition.notes]
    return "".join([*parts, *(f"<p>{cell(remark, 600)}</p>" for remark in remarks)])


def row_names(frame: pd.DataFrame) -> list[str]:
    """Return a name for each row: the group, with its persona if that has another name.

    Examples
    --------
    >>> rows = [("Pain", "pain"), ("acne", "skin"), ("other", None), (None, "spare")]
    >>> row_names(pd.DataFrame(rows, columns=["group", "persona"]))
    ['Pain', 'acne = skin', 'other (no persona)', 'spare (no group)']
    """
    names = []
    for group, persona in frame[["group", "persona"]].to_numpy():
        if pd.isna(persona):
            names.append(f"{group} (no persona)")
        elif pd.isna(group):
            names.append(f"{persona} (no group)")
        else:
            is_same = group.strip().casefold() == persona.strip().casefold()
            names.append(group if is_same else f"{group} = {persona}")
    return names


def _colours(composition: Composition) -> dict[str, str]:
    """Return the colour of each persona, the same as in other charts."""
    personas = [str(name) for name in composition.confusion.columns]
    return dict(zip(personas, persona_colours(personas), strict=True))


def _shares(composition: Composition) -> alt.LayerChart:
    """Return a bar for each weight with its interval, and a tick at the true share."""
    import altair as alt

    frame = composition.frame.assign(name=row_names(composition.frame))
    order = list(labels(frame["name"]).values())
    frame = plain_frame(frame, "name")
    base = alt.Chart(frame).encode(alt.Y("name:N", sort=order, title=None, axis=name_axis()))
    x = alt.X("weight:Q", title="share of records", axis=share_axis())
    tips = tooltips("name:N", "true:Q", "weight:Q", "low:Q", "high:Q")
    colours = [_colours(composition).get(p, GREY) for p in composition.frame["persona"]]
    scale = alt.Scale(domain=order, range=colours)
    colour = alt.Color("name:N", scale=scale, legend=None)
    layers = [
        base.mark_bar(height={"band": 0.6}).encode(x, colour, tooltip=tips),
        base.mark_rule(color=INK, strokeWidth=1.2).encode(alt.X("low:Q"), alt.X2("high:Q")),
        base.mark_tick(color=INK, thickness=3, size=0.85 * ROW_HEIGHT).encode(
            alt.X("true:Q"), tooltip=tips
        ),
    ]
    title = titled(
        "Learned weights and true shares",
        subtitle="Bar: learned weight with 95 % interval; tick: true share.",
        frame="group",
        fontSize=12,
    )
    return sized(alt.layer(*layers, title=title), 300, len(frame))


def _likeliest(confusion: pd.DataFrame) -> alt.LayerChart:
    import altair as alt

    wide = confusion.rename_axis("group").reset_index()
    frame = plain_frame(wide.melt("group", var_name="persona", value_name="share"), "group")
    frame = plain_frame(frame, "persona")
    layers = heat_layers(
        frame, "group", "persona", "share", top=1, column_title="likeliest persona"
    )
    title = titled(
        "Likeliest persona by true group",
        subtitle="Share of each group's records.",
        frame="group",
        fontSize=12,
    )
    n_groups, n_personas = confusion.shape
    n_layers = 2 if n_personas <= MAX_CELLS_WITH_TEXT else 1
    width = round(max(CELL_WIDTH * n_personas, 160))
    return sized(alt.layer(*layers[:n_layers], title=title), width, n_groups)


def _shares_table(composition: Composition) -> str:
    personas = [str(name) for name in composition.confusion.columns]
    chips = persona_chips(personas)
    colours = _colours(composition)
    rows = [
        [
            NONE if pd.isna(group) else cell(group),
            f"{true:.1%}",
            NONE if pd.isna(persona) else chips[persona],
            NONE if pd.isna(persona) else share_bar(weight, colours[persona]),
            NONE if pd.isna(persona) else f"{low:.1%} to {high:.1%}",
        ]
        for group, persona, true, weight, low, high in composition.frame[
            ["group", "persona", "true", "weight", "low", "high"]
        ].to_numpy(dtype=object)
    ]
    return table(["group", "true share", "persona", "learned weight", "95 % interval"], rows)


def _likeliest_table(confusion: pd.DataFrame) -> str:
    rows = [
        [cell(group), *(f"{share:.0%}" for share in shares)]
        for group, shares in zip(confusion.index, confusion.to_numpy(), strict=True)
    ]
    return table(["group, by likeliest persona", *map(str, confusion.columns)], rows)
