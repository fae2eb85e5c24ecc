"""HTML that needs no kernel and no network: static tables, and live widgets in a page."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jupyter_mop.notebook.widgets.assets import STATIC

_POLICY = "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'"
_STYLE = (
    "html{color-scheme:light dark;font-family:system-ui,sans-serif}"
    "body{max-width:1440px;margin:0 auto;padding:12px}"
)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return an HTML table of plain texts.

    Examples
    --------
    >>> table(["name"], [["<b>"]])
    '<table><thead><tr><th>name</th></tr></thead><tbody><tr><td>&lt;b&gt;</td></tr></tbody></table>'
    """
    head = "".join(f"<th>{name}</th>" for name in heads)
    cells = ("".join(f"<td>{html.escape(text)}</td>" for text in row) for row in rows)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def fragment(*, script: str, style: str, state: Mapping[str, Any], static: str) -> str:
    """Return HTML that shows `static` and, where scripts run, the live widget instead.

    Script, style and state are packed (gzip, then base64), so that nothing in them is markup.

    Parameters
    ----------
    script : str
        The widget's JavaScript module, without imports.
    style : str
        The widget's style sheet.
    state : mapping
        The widget's traits: JSON values, and bytes, which become a DataView.
    static : str
        HTML to show where no script runs.

    Examples
    --------
    >>> text = fragment(script="export default () => ({})", style="", state={}, static="<b>0</b>")
    >>> text.startswith('<div data-mop="'), "<b>0</b>" in text, text.count("<script")
    (True, True, 2)
    """
    packed = _packed(script, style, state)
    key = hashlib.sha256(packed.encode()).hexdigest()[:12]
    loader = (STATIC / "shared" / "page.js").read_text(encoding="utf-8")
    return (
        f'<div data-mop="{key}">{static}</div>'
        f'<script type="text/plain" data-mop-packed="{key}">{packed}</script>'
        f'<script type="module">\nconst KEY = "{key}";\n{loader}</script>'
    )


def page(body: str, *, title: str) -> str:
    """Return a complete HTML page around `body`; its policy forbids loading anything.

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
    plain_state = _without_bytes(state, [], buffers)
    contents = {"script": script, "style": style, "state": plain_state, "buffers": buffers}
    text = json.dumps(contents)
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _without_bytes(
    value: Any,  # noqa: ANN401  JSON or bytes
    path: list[str],
    buffers: list[tuple[list[str], str]],
) -> Any:  # noqa: ANN401
    """Return the value with None for bytes, which are added to `buffers` with their path."""
    if isinstance(value, bytes):
        buffers.append((path, base64.b64encode(value).decode()))
        return None
    if isinstance(value, Mapping):
        return {key: _without_bytes(inner, [*path, key], buffers) for key, inner in value.items()}
    return value
