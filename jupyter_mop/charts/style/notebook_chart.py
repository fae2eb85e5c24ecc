"""Altair's charts with a display of their own: a still picture and no address to load from.

Altair's own display loads its scripts from the network and stays blank without. Only the charts of
this package are of these classes; Altair's settings and the user's charts are as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

import altair as alt

from jupyter_mop.charts.style.png import bundle
from jupyter_mop.charts.style.theme import FONT, GRID, INK, LINE

if TYPE_CHECKING:
    from jupyter_mop.charts.style.theme import AnyChart


class _Shown:
    is_live: ClassVar[bool] = True

    def _repr_mimebundle_(
        self, *_args: object, **_kwds: object
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        return bundle(self, live=self.is_live)  # type: ignore[arg-type]


class LayerChart(_Shown, alt.LayerChart):
    """Layers, shown with no network."""


class HConcatChart(_Shown, alt.HConcatChart):
    """Charts side by side, shown with no network."""


class VConcatChart(_Shown, alt.VConcatChart):
    """Charts one below the other, shown with no network."""


class ConcatChart(_Shown, alt.ConcatChart):
    """Panels with a dot for each response, shown as a picture that quotes none of them."""

    is_live = False


KINDS = {
    alt.LayerChart: LayerChart,
    alt.HConcatChart: HConcatChart,
    alt.VConcatChart: VConcatChart,
    alt.ConcatChart: ConcatChart,
}


def shown(chart: Any) -> Any:  # noqa: ANN401  a chart of one kind becomes ours of that kind
    """Return the same chart as one of this module's."""
    return KINDS[type(chart)](**chart._kwds)  # noqa: SLF001  as Altair's own copy does


def styled(chart: AnyChart) -> Any:  # noqa: ANN401  a chart of the same kind
    """Give the outermost chart its look, every colour named, and its display in notebooks."""
    title = {"color": INK, "subtitleColor": INK, "anchor": "start", "fontSize": 15}
    lines = {"labelLimit": 0, "gridColor": GRID, "domainColor": LINE, "tickColor": LINE}
    names = {"labelColor": INK, "titleColor": INK, "titleFontWeight": "normal"}
    return shown(
        cast("alt.Chart", chart)
        .configure(background="white", padding=14, font=FONT)
        .configure_view(stroke=None)
        .configure_title(**title, subtitleFontSize=11, offset=14)
        .configure_axis(**lines, **names)
        .configure_legend(**names, labelLimit=0)
        .configure_text(color=INK)
    )
