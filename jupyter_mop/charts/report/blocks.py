"""Blocks of a report: sections, tables, lists and facts, in which every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from jupyter_mop.charts.style.plain_text import plain

MAX_TEXT = 2000
NUMBER, BAR, TEXT = "n", "bar", "text"


def escaped(text: object, limit: int = MAX_TEXT) -> str:
    r"""Return a text as the HTML of one line, cut at 2,000 characters.

    Examples
    --------
    >>> escaped("$5 <b>\n& more")
    '$5 &lt;b&gt; &amp; more'
    """
    return escape(plain(text, limit))


def section(head: str, *parts: str) -> str:
    """Return a section with a heading, or nothing if all its parts are empty.

    Examples
    --------
    >>> section("People", "", ""), section("People", "<p>40</p>")
    ('', '<section><h2>People</h2><p>40</p></section>')
    """
    body = "".join(parts)
    return f"<section><h2>{escape(head)}</h2>{body}</section>" if body else ""


def paragraph(text: str, *, soft: bool = False) -> str:
    """Return a text as a paragraph.

    Examples
    --------
    >>> paragraph("a < b"), paragraph("")
    ('<p dir="auto">a &lt; b</p>', '')
    """
    kind = ' class="soft"' if soft else ""
    return f'<p dir="auto"{kind}>{escaped(text)}</p>' if text else ""


def bullets(texts: Iterable[str]) -> str:
    """Return texts as a list; nothing for none."""
    items = "".join(f'<li dir="auto">{escaped(text)}</li>' for text in texts)
    return f"<ul>{items}</ul>" if items else ""


def heading(text: str) -> str:
    """Return a heading within a section."""
    return f"<h3>{escaped(text)}</h3>"


def grid(heads: Sequence[str], rows: Iterable[Sequence[str]], kinds: Sequence[str] = ()) -> str:
    """Return a table whose cells are HTML already; it scrolls where it does not fit.

    Parameters
    ----------
    heads : sequence of str
        Plain texts.
    rows : iterable of sequences of str
        HTML of the cells.
    kinds : sequence of str
        The kind of each column: "n" for numbers, "bar" for pictures, "text" for long texts.
    """
    kinds = [*kinds, *[""] * (len(heads) - len(kinds))]
    marks = [f' class="{kind}"' if kind else "" for kind in kinds]
    names = [escaped(head) for head in heads]
    head = "".join(f"<th{m}>{name}</th>" for name, m in zip(names, marks, strict=True))
    opened = [
        f'<td{m} data-head="{name}" dir="auto">' for name, m in zip(names, marks, strict=True)
    ]
    body = "".join(f"<tr>{_cells(opened, row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide">{table}</div>' if body else ""


def _cells(opened: Sequence[str], row: Sequence[str]) -> str:
    return "".join(
        f"{start}<span>{cell}</span></td>" for start, cell in zip(opened, row, strict=True)
    )


def fact_table(facts: Mapping[str, object]) -> str:
    """Return facts as a table of two columns; empty ones are left out."""
    rows = "".join(
        f'<tr><th>{escaped(name)}</th><td dir="auto">{escaped(value)}</td></tr>'
        for name, value in facts.items()
        if value not in (None, "")
    )
    return f'<table class="facts">{rows}</table>' if rows else ""


def chip(name: str, colour: str) -> str:
    """Return a persona's name after a square of its colour."""
    square = f'<svg class="dot"><rect width="100%" height="100%" fill="{colour}"/></svg>'
    return f"{square}&nbsp;{escaped(name)}"
