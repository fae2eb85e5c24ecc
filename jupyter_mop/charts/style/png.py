"""Charts as still pictures and as what a notebook shows, with no browser and no network."""

from __future__ import annotations

import io
import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_mop.charts.style.theme import AnyChart

N_COLOURS = 128
MAX_LIVE_BYTES = 60_000
VEGA_LITE = "application/vnd.vegalite.v5+json"
SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"


def png(chart: AnyChart, scale: float = 2) -> bytes:
    r"""Return `chart` as a PNG picture, drawn without a browser or a network.

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
    import altair as alt
    import vl_convert
    from PIL import Image

    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    spec = json.dumps(specification(chart))
    full = io.BytesIO(vl_convert.vegalite_to_png(spec, vl_version=version, scale=scale))
    small = io.BytesIO()
    Image.open(full).convert("RGB").quantize(N_COLOURS).save(small, "PNG", optimize=True)
    return small.getvalue()


def specification(chart: AnyChart) -> dict[str, Any]:
    """Return the Vega-Lite specification of `chart`, however many rows it has."""
    import altair as alt

    with alt.data_transformers.disable_max_rows():
        spec: dict[str, Any] = chart.to_dict()
    return spec


def description(spec: dict[str, Any]) -> str:
    """Return what a screen reader says of a chart's picture: its title and subtitle.

    Examples
    --------
    >>> description({"title": {"text": "Weights", "subtitle": ["Learned", "from 200 records"]}})
    'Chart. Weights. Learned from 200 records'
    """
    title = spec.get("title") or {}
    parts = [title.get("text"), title.get("subtitle")] if isinstance(title, dict) else [title]
    lines = [" ".join(part) if isinstance(part, list) else part for part in parts if part]
    return ". ".join(["Chart", *lines])


def bundle(chart: AnyChart, *, live: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a notebook shows of `chart`, by MIME type, with its metadata.

    Everywhere a picture at half its pixels; where the chart is `live` and small, its Vega-Lite
    too, which JupyterLab, Notebook and VS Code draw themselves, with tooltips. They read version 5,
    of which these charts use nothing that version 6 has changed.
    """
    picture, spec = png(chart), specification(chart) | {"$schema": SCHEMA}
    width, height = struct.unpack(">II", picture[16:24])
    data: dict[str, Any] = {"text/plain": f"<{type(chart).__name__}>", "image/png": picture}
    size = {"width": width // 2, "height": height // 2}
    metadata: dict[str, Any] = {"image/png": size | {"alt": description(spec)}}
    if live and len(json.dumps(spec)) <= MAX_LIVE_BYTES:
        data[VEGA_LITE] = spec
        metadata[VEGA_LITE] = {"embed_options": {"actions": False, "renderer": "svg"}}
    return data, metadata
