"""Charts as PNG pictures and as notebook output, without a browser or a network."""

from __future__ import annotations

import io
import json
import struct
from typing import TYPE_CHECKING, Any

from jupyter_mop.charts.style.live_colours import PICTURE_INK, with_page_colours

if TYPE_CHECKING:
    from jupyter_mop.charts.style.theme import AnyChart

N_COLOURS, OPAQUE = 128, 255
MAX_LIVE_BYTES = 60_000
VEGA_LITE = "application/vnd.vegalite.v5+json"
SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
SHARP = 2  # pixels per unit that look sharp on most screens


def png(chart: AnyChart, scale: float = SHARP) -> bytes:
    r"""Return a chart as a PNG picture, drawn without a browser or a network.

    Parameters
    ----------
    chart : altair chart
        Any of this package's charts, or another.
    scale : float
        Pixels per unit of the chart; 2 looks sharp on most screens.

    Examples
    --------
    >>> import pandas as pd
    >>> from jupyter_mop.charts import weights_chart
    >>> frame = pd.DataFrame({"persona": ["critic"], "weight": [1.0]})
    >>> png(weights_chart(frame))[:4]
    b'\x89PNG'
    """
    return _drawn(specification(chart), scale)


def specification(chart: AnyChart) -> dict[str, Any]:
    """Return the Vega-Lite specification of a chart with any number of rows."""
    import altair as alt

    with alt.data_transformers.disable_max_rows():
        spec: dict[str, Any] = chart.to_dict()
    return spec


def alt_text(spec: dict[str, Any]) -> str:
    """Return the text that a screen reader reads for a chart: its title and subtitle.

    Examples
    --------
    >>> alt_text({"title": {"text": "Weights", "subtitle": ["Learned", "from 200 records"]}})
    'Chart. Weights. Learned from 200 records'
    """
    title = spec.get("title") or {}
    parts = [title.get("text"), title.get("subtitle")] if isinstance(title, dict) else [title]
    lines = [" ".join(part) if isinstance(part, list) else part for part in parts if part]
    return ". ".join(["Chart", *lines])


def mime_bundle(chart: AnyChart, *, live: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a chart's notebook output by MIME type, with its metadata.

    There is always a picture, displayed at half its pixels, without a background. A `live` and
    small chart comes with its Vega-Lite too, which JupyterLab, Notebook and VS Code draw
    themselves, with tooltips and in the colours of their theme. They read version 5; these charts
    use nothing that version 6 changed.
    """
    spec = specification(chart)
    picture = _drawn(with_page_colours(spec, PICTURE_INK), SHARP)
    width, height = struct.unpack(">II", picture[16:24])
    size = {"width": width // SHARP, "height": height // SHARP}
    data: dict[str, Any] = {"text/plain": f"<{type(chart).__name__}>", "image/png": picture}
    metadata: dict[str, Any] = {"image/png": size | {"alt": alt_text(spec)}}
    shown = with_page_colours(spec) | {"$schema": SCHEMA}
    if live and len(json.dumps(shown)) <= MAX_LIVE_BYTES:
        data[VEGA_LITE] = shown
        metadata[VEGA_LITE] = {"embed_options": {"actions": False, "renderer": "svg"}}
    return data, metadata


def _drawn(spec: dict[str, Any], scale: float) -> bytes:
    """Return a specification's picture with few colours, which makes the file small."""
    import altair as alt
    import vl_convert
    from PIL import Image

    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    full = vl_convert.vegalite_to_png(json.dumps(spec), vl_version=version, scale=scale)
    small = io.BytesIO()
    picture = Image.open(io.BytesIO(full)).convert("RGBA")
    if picture.getchannel("A").getextrema() == (OPAQUE, OPAQUE):
        picture = picture.convert("RGB").quantize(N_COLOURS)
    else:
        picture = picture.quantize(N_COLOURS, method=Image.Quantize.FASTOCTREE)
    picture.save(small, "PNG", optimize=True)
    return small.getvalue()
