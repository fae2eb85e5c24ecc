"""Altair's charts with a display of their own: a still picture, and nothing loaded from a network.

Altair's own display loads its scripts from the network and stays blank without one. Only this
package's charts are of these classes; Altair's settings and the user's own charts stay as they are.
"""

from __future__ import annotations

from typing import Any, ClassVar

import altair as alt

from jupyter_mop.charts.style.png import mime_bundle


class _NotebookDisplay:
    is_live: ClassVar[bool] = True

    def _repr_mimebundle_(
        self, *_args: object, **_kwds: object
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        return mime_bundle(self, live=self.is_live)  # type: ignore[arg-type]


class LayerChart(_NotebookDisplay, alt.LayerChart):
    """Layers, displayed without a network."""


class HConcatChart(_NotebookDisplay, alt.HConcatChart):
    """Charts side by side, displayed without a network."""


class VConcatChart(_NotebookDisplay, alt.VConcatChart):
    """Charts one below the other, displayed without a network."""


class ConcatChart(_NotebookDisplay, alt.ConcatChart):
    """Panels with a dot per response, displayed as a picture only, which quotes no response."""

    is_live = False


CLASSES = {
    alt.LayerChart: LayerChart,
    alt.HConcatChart: HConcatChart,
    alt.VConcatChart: VConcatChart,
    alt.ConcatChart: ConcatChart,
}


def notebook_chart(chart: Any) -> Any:  # noqa: ANN401  a chart of the same kind
    """Return the same chart as an instance of this module's class of its kind."""
    return CLASSES[type(chart)](**chart._kwds)  # noqa: SLF001  as Altair's own copy does
