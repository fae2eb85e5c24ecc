"""A widget as HTML that needs no kernel and no network: inside a page, or a page of its own."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
from collections.abc import Mapping
from typing import Any

from jupyter_mop.notebook.widgets.assets import STATIC

_POLICY = "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'"
_STYLE = (
    "html{color-scheme:light dark;font-family:system-ui,sans-serif}"
    "body{max-width:1440px;margin:0 auto;padding:12px}"
)


def fragment(*, script: str, style: str, state: Mapping[str, Any], still: str) -> str:
    """Return HTML that shows `still` and, where scripts run, the live widget in its place.

    Script, style and state travel packed (gzip, then base64), so that nothing in them is markup.

    Parameters
    ----------
    script : str
        The widget's module, without imports.
    style : str
        Its style sheet.
    state : mapping
        Its traits: JSON values, and bytes, which arrive as a DataView.
    still : str
        HTML to show where no script runs.

    Examples
    --------
    >>> text = fragment(script="export default () => ({})", style="", state={}, still="<b>0</b>")
    >>> text.startswith('<div data-mop="'), "<b>0</b>" in text, text.count("<script")
    (True, True, 2)
    """
    packed = _packed(script, style, state)
    key = hashlib.sha256(packed.encode()).hexdigest()[:12]
    loader = (STATIC / "shared" / "page.js").read_text(encoding="utf-8")
    return (
        f'<div data-mop="{key}">{still}</div>'
        f'<script type="text/plain" data-mop-packed="{key}">{packed}</script>'
        f'<script type="module">\nconst KEY = "{key}";\n{loader}</script>'
    )


def page(body: str, *, title: str) -> str:
    """Return one whole HTML page around `body`, which may load nothing from anywhere.

    Examples
    --------
    >>> text = page("<p>Hello</p>", title="A & B")
    >>> "<title>A &amp; B</title>" in text, text.endswith("<p>Hello</p></body></html>")
    (True, True)
    """
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body>{body}</body></html>"
    )


def _packed(script: str, style: str, state: Mapping[str, Any]) -> str:
    buffers: list[tuple[list[str], str]] = []
    kept = _without_bytes(state, [], buffers)
    text = json.dumps({"script": script, "style": style, "state": kept, "buffers": buffers})
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _without_bytes(
    value: Any,  # noqa: ANN401  whatever JSON holds
    path: list[str],
    buffers: list[tuple[list[str], str]],
) -> Any:  # noqa: ANN401
    if isinstance(value, bytes):
        buffers.append((path, base64.b64encode(value).decode()))
        return None
    if isinstance(value, Mapping):
        return {key: _without_bytes(inner, [*path, key], buffers) for key, inner in value.items()}
    return value
