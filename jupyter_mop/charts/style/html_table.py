"""HTML tables, cells, cards and notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from jupyter_mop.charts.style.plain_text import plain
from jupyter_mop.charts.style.theme import BLUE, persona_colours

if TYPE_CHECKING:
    import pandas as pd

MAX_RESPONSE_LENGTH = 600
MAX_CONTEXT_LENGTH = 120
BAR_BLOCKS = 12
INTERVAL = re.compile(r"\[([^][, ]+), ([^][, ]+)\]")
LEFT = "text-align: left; vertical-align: top; padding: 2px 8px"


def literal(html: str) -> str:
    """Return HTML whose texts MathJax leaves alone: "$5 for tea and $6" is no formula.

    Examples
    --------
    >>> literal("$5 or $6")
    '<div class="tex2jax_ignore mathjax_ignore">$5 or $6</div>'
    """
    return f'<div class="tex2jax_ignore mathjax_ignore">{html}</div>'


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    style: str = LEFT,
    is_quoted: bool = True,
) -> str:
    """Return an HTML table.

    Parameters
    ----------
    heads : sequence of str
        Plain text.
    rows : iterable of sequences of str
        Cells that are HTML already; see `cell`.
    style : str
        CSS of every cell.
    is_quoted : bool
        Whether cells hold texts of people or models, which may be written from right to left.

    Examples
    --------
    >>> table(["name"], [[cell("<b>")]]).count("&lt;b&gt;")
    1
    """
    direction = " dir='auto'" if is_quoted else ""
    head = "".join(f'<th style="{style}">{cell(name)}</th>' for name in heads)
    lines = ("".join(f'<td style="{style}"{direction}>{each}</td>' for each in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def cell(text: object, limit: int = MAX_CONTEXT_LENGTH) -> str:
    """Return `text` as the HTML of one line, cut to `limit` characters."""
    return escape(plain(text, limit))


def unbroken(text: object) -> str:
    """Return a text as `cell` does, with the intervals in it on one line.

    Examples
    --------
    >>> unbroken("0.5 [0.4, 0.6]")
    '0.5 [0.4,&nbsp;0.6]'
    """
    return INTERVAL.sub(r"[\1,&nbsp;\2]", cell(text))


def persona_chips(names: Sequence[str]) -> dict[str, str]:
    """Return each persona's name as HTML, after a square of its colour."""
    return {
        name: f'<span style="color: {colour}">&#9632;</span>&nbsp;{cell(name)}'
        for name, colour in zip(names, persona_colours(names), strict=True)
    }


def share_bar(share: float, colour: str = BLUE) -> str:
    """Return a share as a bar of blocks and a percentage, on one line."""
    blocks = "&#9608;" * round(share * BAR_BLOCKS)
    return f'<span style="color: {colour}">{blocks}</span>&nbsp;{share:.1%}'


def share_interval(low: float, high: float) -> str:
    """Return an interval of shares on one line.

    Examples
    --------
    >>> share_interval(0.25, 0.5)
    '25.0%&nbsp;to&nbsp;50.0%'
    """
    return f"{low:.1%}&nbsp;to&nbsp;{high:.1%}"


def card(title: str, facts: Mapping[str, object], weights: Mapping[str, float]) -> str:
    """Return facts as a table of two columns, with the persona weights as bars below them."""
    import pandas as pd

    rows = [[f"<b>{cell(name)}</b>", cell(value)] for name, value in facts.items()]
    parts = [f"<p><b>{cell(title)}</b></p>", table(["", ""], rows)]
    if weights:
        parts.append(weights_table(pd.DataFrame(weights.items(), columns=["persona", "weight"])))
    return literal("".join(parts))


def weights_table(frame: pd.DataFrame) -> str:
    """Return persona weights as bars, with the columns low, high, overall and start if present."""
    names = [str(name) for name in frame["persona"]]
    chips, colours = persona_chips(names), persona_colours(names)
    columns = [list(chips.values())]
    columns.append([share_bar(w, c) for w, c in zip(frame["weight"], colours, strict=True)])
    heads = ["persona", "weight"]
    if {"low", "high"} <= set(frame.columns):
        heads.append("95 % interval")
        columns.append([share_interval(a, b) for a, b in zip(frame.low, frame.high, strict=True)])
    for name, head in (("overall", "overall"), ("start", "initial")):
        if name in frame:
            heads.append(head)
            columns.append([f"{share:.1%}" for share in frame[name]])
    return table(heads, zip(*columns, strict=True))


def note(head: str, text: str) -> str:
    """Return a text with a bold head and a line at its left, announced by screen readers.

    Examples
    --------
    >>> "<b>2.1 right:</b> 1 &lt; 2</div>" in note("2.1 right:", "1 < 2")
    True
    """
    style = "border-left: 4px solid currentColor; padding: 2px 12px; margin: 4px 0"
    return literal(f'<div style="{style}" role="status"><b>{escape(head)}</b> {escape(text)}</div>')


def bullet_list(head: str, lines: Iterable[str]) -> str:
    """Return lines as a list below a bold head.

    Examples
    --------
    >>> "<p><b>Score</b></p><ul><li>40 points</li></ul>" in bullet_list("Score", ["40 points"])
    True
    """
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return literal(f"<p><b>{escape(head)}</b></p><ul>{items}</ul>")
