"""Text by people or models, shortened to one line of a chart or a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import accumulate, count
from typing import Any
from unicodedata import east_asian_width

import pandas as pd

MAX_LENGTH = 160
MAX_LABEL_WIDTH = 38
_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def plain(text: object, limit: int = MAX_LENGTH) -> str:
    r"""Return `text` on one line, cut to `limit` characters, without control characters.

    HTML is not escaped here.

    Examples
    --------
    >>> plain("a\n b\x00")
    'a b�'
    >>> plain("long enough", 5)
    'long…'
    """
    start = str(text)[: 4 * limit + 4]
    line = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", " ".join(start.split()))
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def cost(facts: Mapping[str, Any] | None) -> str:
    """Return the cost of a run as text; empty if it was free.

    Examples
    --------
    >>> cost({"usd": None, "calls": 2, "tokens_in": 1000, "tokens_out": 9})
    'cost: unknown (2 calls, 1,000 tokens in, 9 out)'
    >>> cost({"usd": 0.0})
    ''
    """
    if not facts or facts["usd"] == 0:
        return ""
    money = "unknown" if facts["usd"] is None else f"${facts['usd']:,.4f}"
    tokens = f"{facts['tokens_in']:,} tokens in, {facts['tokens_out']:,} out"
    return f"cost: {money} ({facts['calls']:,} calls, {tokens})"


def labels(names: Iterable[object]) -> dict[str, str]:
    """Return a different label for each distinct name, short enough for an axis.

    They are cut here, because Vega would cut an emoji in half.

    Examples
    --------
    >>> list(labels(["critic", "x" * 50, "x" * 60]).values())[1:]
    ['xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… (2)']
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(map(str, names)):
        label = short = _narrow(plain(name))
        for i in count(2):
            if label not in taken:
                break
            label = f"{short} ({i})"
        found[name] = label
        taken.add(label)
    return found


def plain_frame(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return `frame` with plain text, the columns `names` as labels; missing values stay."""
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
    """Cut a line to the width of a label; East Asian letters and emoji count twice."""
    wide = (2 if east_asian_width(letter) in "WF" else 1 for letter in line)
    length = sum(width < MAX_LABEL_WIDTH for width in accumulate(wide))
    return line if length >= len(line) - 1 else f"{line[:length]}…"
