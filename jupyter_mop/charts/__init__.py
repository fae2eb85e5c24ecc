"""Values to Altair charts, their pictures and tables, nothing else.

Each chart has a white background of its own and names every colour, so that it reads on light and
on dark pages; `plot` and `html` show a result of the engine, whichever it is.
"""

from __future__ import annotations

from jupyter_mop.charts.alignment import alignment_chart, response_map
from jupyter_mop.charts.persona_weights import likelihood_chart, weights_chart, weights_map
from jupyter_mop.charts.registry import html, plot
from jupyter_mop.charts.style.png import png
from jupyter_mop.charts.style.theme import GREY, PERSONA_COLOURS, persona_colours
from jupyter_mop.charts.synthesis import ladder_chart

__all__ = [
    "GREY",
    "PERSONA_COLOURS",
    "alignment_chart",
    "html",
    "ladder_chart",
    "likelihood_chart",
    "persona_colours",
    "plot",
    "png",
    "response_map",
    "weights_chart",
    "weights_map",
]
