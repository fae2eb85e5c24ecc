"""Calibrated persona weights, and the shares that they reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from jupyter_mop.charts.persona_weights import weights_layers
from jupyter_mop.charts.style.chart_parts import (
    name_axis,
    share_axis,
    sized,
    styled,
    titled,
    tooltips,
)
from jupyter_mop.charts.style.html_table import cell, persona_chips, share_bar, table
from jupyter_mop.charts.style.plain_text import plain, plain_frame
from jupyter_mop.charts.style.theme import INK, LIGHT_BLUE, ROW_HEIGHT, persona_colours
from jupyter_mop.engine.weighting.calibration import Calibration

if TYPE_CHECKING:
    import altair as alt


def calibration_chart(calibration: Calibration) -> alt.VConcatChart:
    """Draw the weights with ticks at the initial ones, and reached shares with their targets."""
    import altair as alt

    weights = pd.DataFrame({"weight": calibration.weights, "start": calibration.start})
    personas = weights_layers(weights.rename_axis("persona").reset_index())
    title = titled("Calibrated persona weights", subtitle=plain(calibration.verdict))
    chart: alt.VConcatChart = styled(
        alt.vconcat(personas, _targets(calibration.frame), title=title, spacing=32).resolve_scale(
            color="independent"
        )
    )
    return chart


def calibration_table(calibration: Calibration) -> str:
    """Return the weights, and the reached share of each option beside its target."""
    names = list(calibration)
    chips, colours = persona_chips(names), persona_colours(names)
    weights = [
        [chips[name], share_bar(calibration[name], colour), f"{calibration.start[name]:.1%}"]
        for name, colour in zip(names, colours, strict=True)
    ]
    columns = ["marginal", "option", "target", "reached"]
    gaps = calibration.frame["gap"].abs().round(3)
    worst_first = gaps.sort_values(ascending=False, kind="stable").index
    reached = [
        [cell(name), cell(option), f"{target:.1%}", f"{found:.1%}"]
        for name, option, target, found in calibration.frame.loc[worst_first, columns].to_numpy()
    ]
    return (
        f"<p><b>{cell(calibration.verdict, 400)}</b></p>"
        + table(["persona", "weight", "initial"], weights)
        + table(["marginal", "option", "target", "reached"], reached)
    )


def _targets(frame: pd.DataFrame) -> alt.LayerChart:
    import altair as alt

    several = len(set(frame["marginal"])) > 1
    names = frame["marginal"] + ": " + frame["option"] if several else frame["option"]
    frame = plain_frame(frame.assign(name=names), "name")
    base = alt.Chart(frame).encode(
        alt.Y("name:N", sort=list(frame["name"]), title=None, axis=name_axis())
    )
    bars = base.mark_bar(color=LIGHT_BLUE, height={"band": 0.6}).encode(
        alt.X("reached:Q", title="share of responses", axis=share_axis()),
        tooltip=tooltips("name:N", "target:Q", "start:Q", "reached:Q"),
    )
    ticks = base.mark_tick(color=INK, thickness=2, size=0.85 * ROW_HEIGHT)
    title = titled(
        "Known shares", subtitle="Bar: reached share; tick: target.", frame="group", fontSize=15
    )
    layers = alt.layer(bars, ticks.encode(alt.X("target:Q")), title=title)
    return sized(layers, 300, len(frame))
