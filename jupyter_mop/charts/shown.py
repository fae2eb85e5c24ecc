"""Altair's charts with a display of their own: a still picture and no address to load from.

Altair's own display loads its scripts from the network and stays blank without. Only the charts of
this package are of these classes; Altair's settings and the user's charts are as they were.
"""

from __future__ import annotations

from typing import Any, ClassVar

import altair as alt

from jupyter_mop.charts.pictures import bundle


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
