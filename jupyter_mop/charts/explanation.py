"""The weights in one context: of personas, and of the exemplars in their prompts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from jupyter_mop.charts.persona_weights import weights_layers
from jupyter_mop.charts.style.chart_parts import (
    name_axis,
    share_axis,
    sized,
    styled,
    titled,
    tooltips,
)
from jupyter_mop.charts.style.html_table import (
    MAX_RESPONSE_LENGTH,
    bullet_list,
    cell,
    persona_chips,
    table,
    weights_table,
)
from jupyter_mop.charts.style.plain_text import plain, plain_frame
from jupyter_mop.charts.style.theme import INK, LIGHT_BLUE, ROW_HEIGHT, check_frame

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from jupyter_mop.engine.mixture.explanation import Explanation


def explanation_chart(explanation: Explanation) -> alt.VConcatChart:
    """Draw the persona weights in a context with ticks at the overall ones, and its exemplars."""
    import altair as alt

    personas = weights_layers(explanation.personas.rename(columns={"overall": "start"}))
    heading = titled("Persona weights in this context (tick: overall)", fontSize=12)
    title = titled(plain(explanation.context), subtitle=explanation.note)
    chart: alt.VConcatChart = styled(
        alt.vconcat(
            personas.properties(title=heading), exemplar_bars(explanation.frame), title=title
        )
    )
    return chart


def exemplar_bars(frame: pd.DataFrame) -> alt.LayerChart:
    """Return a bar for the weight of each exemplar, with a tick at the uniform weight.

    Examples
    --------
    >>> import pandas as pd
    >>> row = {"context": "dawn", "response": "sun", "weight": 0.7, "start": 0.1, "persona": "fan"}
    >>> len(exemplar_bars(pd.DataFrame([row])).layer)
    2
    """
    import altair as alt

    check_frame(frame, "context response weight start persona")
    frame = plain_frame(frame, "response")
    base = alt.Chart(frame).encode(
        alt.Y("response:N", sort=list(frame["response"]), title=None, axis=name_axis())
    )
    bars = base.mark_bar(color=LIGHT_BLUE, height={"band": 0.6}).encode(
        alt.X("weight:Q", title="share of prompts", axis=share_axis()),
        tooltip=tooltips("context:N", "response:N", "weight:Q", "start:Q", "persona:N"),
    )
    tick = base.mark_tick(color=INK, thickness=2, size=0.85 * ROW_HEIGHT)
    title = titled("Top exemplars (tick: uniform weight)", fontSize=12)
    return sized(alt.layer(bars, tick.encode(alt.X("start:Q")), title=title), 380, len(frame))


def explanation_table(explanation: Explanation) -> str:
    """Return the weights of personas and exemplars in a context, and the nearest records."""
    chips = persona_chips([str(name) for name in explanation.personas["persona"]])
    exemplars = [
        [cell(row.context), cell(row.response, MAX_RESPONSE_LENGTH), f"{row.weight:.1%}",
         f"{row.start:.1%}", chips[str(row.persona)]]
        for row in explanation.frame.itertuples()
    ]  # fmt: skip
    nearest = [
        [cell(row.context), cell(row.response, MAX_RESPONSE_LENGTH), f"{row.cosine:.2f}"]
        for row in explanation.nearest.itertuples()
    ]
    heading = f"{plain(explanation.context)}: {explanation.note}"
    return "".join(
        [
            f"<p>{escape(heading)}</p>",
            weights_table(explanation.personas),
            bullet_list("What the weights follow in every context", explanation.sentences),
            table(["exemplar context", "response", "weight", "uniform", "main persona"], exemplars),
            table(["nearest context", "response", "cosine similarity"], nearest),
        ]
    )
