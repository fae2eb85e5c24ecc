"""Results to Altair charts, pictures and tables; nothing is computed here.

A picture of a chart has a white background and names every colour, so that it can be read on light
and on dark pages; a chart that a notebook draws itself has the page's ink and background. `plot`
and `html` display any result of the engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mop.charts.alignment import alignment_chart, response_map
from jupyter_mop.charts.persona_weights import likelihood_chart, weights_chart, weights_map
from jupyter_mop.charts.style.html_table import literal
from jupyter_mop.charts.style.png import png
from jupyter_mop.charts.style.theme import GREY, PERSONA_COLOURS, persona_colours
from jupyter_mop.charts.synthesis import ladder_chart

if TYPE_CHECKING:
    from jupyter_mop.rendering import Chart

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


def plot(value: object) -> Chart:
    """Return the chart of a result, such as a population, a mixture or a simulation."""
    from jupyter_mop.charts import registry  # it imports the whole engine

    return registry.plot(value)


def html(value: object) -> str:
    """Return the table of a result as HTML."""
    from jupyter_mop.charts import registry  # it imports the whole engine

    return literal(registry.html(value))
