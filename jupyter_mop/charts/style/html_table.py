"""HTML tables, cells and cards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd

from jupyter_mop.charts.style.plain_text import plain
from jupyter_mop.charts.style.theme import BLUE, persona_colours
from jupyter_mop.engine.data.population import are_closed

LONGEST_RESPONSE = 600
LONGEST_CONTEXT = 120
BAR_BLOCKS = 12
LEFT = 'style="text-align: left; vertical-align: top; padding: 2px 8px"'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are HTML already; its heads are text.

    Examples
    --------
    >>> table(["name"], [[cell("<b>")]]).count("&lt;b&gt;")
    1
    """
    heads = "".join(f"<th {LEFT}>{cell(name)}</th>" for name in head)
    lines = ("".join(f"<td {LEFT} dir='auto'>{part}</td>" for part in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def cell(text: object, limit: int = LONGEST_CONTEXT) -> str:
    """Return `text` as the HTML of one line."""
    return escape(plain(text, limit))


def persona_chips(names: Sequence[str]) -> dict[str, str]:
    """Return the name of each persona as HTML, after a square of its colour."""
    return {
        name: f'<span style="color: {colour}">&#9632;</span>&nbsp;{cell(name)}'
        for name, colour in zip(names, persona_colours(names), strict=True)
    }


def share_bar(share: float, colour: str = BLUE) -> str:
    """Return a share as a bar of blocks and a number."""
    blocks = "&#9608;" * round(share * BAR_BLOCKS)
    return f'<span style="color: {colour}">{blocks}</span> {share:.1%}'


def card(title: str, facts: Mapping[str, object], weights: Mapping[str, float]) -> str:
    """Return facts as a table of two columns, with the persona weights as bars below them."""
    rows = [[f"<b>{cell(name)}</b>", cell(value)] for name, value in facts.items()]
    parts = [f"<p><b>{cell(title)}</b></p>", table(["", ""], rows)]
    if weights:
        parts.append(weights_table(pd.DataFrame(weights.items(), columns=["persona", "weight"])))
    return "".join(parts)


def weights_table(frame: pd.DataFrame) -> str:
    """Return persona weights as a table of bars, with the columns that the frame has."""
    names = [str(name) for name in frame["persona"]]
    chips, colours = persona_chips(names), persona_colours(names)
    columns = [list(chips.values())]
    columns.append([share_bar(w, c) for w, c in zip(frame["weight"], colours, strict=True)])
    heads = ["persona", "weight"]
    if {"low", "high"} <= set(frame.columns):
        heads.append("95 % interval")
        columns.append([f"{a:.1%} to {b:.1%}" for a, b in zip(frame.low, frame.high, strict=True)])
    if "overall" in frame:
        heads.append("overall")
        columns.append([f"{share:.1%}" for share in frame["overall"]])
    if "start" in frame:
        heads.append("start")
        columns.append([f"{share:.1%}" for share in frame["start"]])
    return table(heads, zip(*columns, strict=True))


def response_summary(responses: list[str]) -> str:
    """Return how many answers there are, or how long free text is, in words."""
    if are_closed(responses):
        return f"{len(set(responses))} answers"
    lengths = [len(text.split()) for text in responses]
    return f"{min(lengths)} to {max(lengths)} words, half of them {np.median(lengths):.0f} or more"


def number(value: object) -> str:
    """Return a number with three decimals, anything else as the HTML of one line."""
    return f"{value:.3f}" if isinstance(value, float) else cell(value)
