"""Text that people or models wrote, made fit for one line of a chart or a table."""

from __future__ import annotations

import re

import pandas as pd

LONGEST = 160
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


def plain_frame(frame: pd.DataFrame, limit: int = LONGEST) -> pd.DataFrame:
    """Return `frame` with every text in it made plain; what is missing stays missing."""
    texts = frame.select_dtypes(exclude=["number", "bool"]).columns
    cleaned = {
        str(column): [
            value if pd.isna(value) else plain(value, limit)
            for value in frame[column].astype(object)
        ]
        for column in texts
    }
    return frame.assign(**cleaned)
