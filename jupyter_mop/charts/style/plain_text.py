"""Text that people or models wrote, made fit for one line of a chart or a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import accumulate, count
from typing import Any
from unicodedata import east_asian_width

import pandas as pd

LONGEST = 160
WIDEST_LABEL = 38
_UNFIT = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def plain(text: object, limit: int = LONGEST) -> str:
    r"""Return `text` on one line, cut to `limit` characters, with no control character.

    It is still to be escaped where it becomes part of HTML.

    Examples
    --------
    >>> plain("a\n b\x00")
    'a b�'
    >>> plain("long enough", 5)
    'long…'
    """
    start = str(text)[: 4 * limit + 4]
    line = _UNFIT.sub("\N{REPLACEMENT CHARACTER}", " ".join(start.split()))
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def cost(facts: Mapping[str, Any] | None) -> str:
    """Return what a run has cost in words; nothing where it was free.

    Examples
    --------
    >>> cost({"usd": None, "calls": 2, "tokens_in": 1000, "tokens_out": 9})
    'cost: not known (2 calls, 1,000 tokens in, 9 out)'
    >>> cost({"usd": 0.0})
    ''
    """
    if not facts or facts["usd"] == 0:
        return ""
    money = "not known" if facts["usd"] is None else f"${facts['usd']:,.4f}"
    tokens = f"{facts['tokens_in']:,} tokens in, {facts['tokens_out']:,} out"
    return f"cost: {money} ({facts['calls']:,} calls, {tokens})"


def labels(names: Iterable[object]) -> dict[str, str]:
    """Return a label for each distinct name, short enough for an axis; no two are the same.

    They are cut here, since Vega would cut an emoji in half.

    Examples
    --------
    >>> list(labels(["critic", "x" * 50, "x" * 60]).values())[1:]
    ['xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… (2)']
    """
    made: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(map(str, names)):
        label = short = _narrow(plain(name))
        for i in count(2):
            if label not in taken:
                break
            label = f"{short} ({i})"
        made[name] = label
        taken.add(label)
    return made


def plain_frame(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return `frame` with plain text; the columns `names` as labels. What is missing stays so."""
    texts = [str(column) for column in frame.select_dtypes(exclude=["number", "bool"]).columns]
    cleaned = {}
    for column in texts:
        values = frame[column].astype(object)
        short = labels(values.dropna()) if column in names else {}
        cleaned[column] = [
            value if pd.isna(value) else short.get(str(value)) or plain(value) for value in values
        ]
    return frame.assign(**cleaned)


def _narrow(line: str) -> str:
    """Cut a line to the width of a label; letters of East Asia and emoji are twice as wide."""
    wide = (2 if east_asian_width(letter) in "WF" else 1 for letter in line)
    kept = sum(width < WIDEST_LABEL for width in accumulate(wide))
    return line if kept >= len(line) - 1 else f"{line[:kept]}…"
