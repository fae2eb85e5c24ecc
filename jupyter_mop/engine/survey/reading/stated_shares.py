"""Read the shares of all options that a model's reply states, such as "tea: 60%, milk: 40%"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.survey.reading.folding import folded

Array = NDArray[np.float64]
TOLERANCE = 0.1  # of the sum; small models do not add up well
_NUMBER = r"(?P<number>\d+(?:[.,]\d+)?)"
_PERCENT = r"(?P<percent>%|percent\b|per cent\b)"
_GAP = r"[^\w\n]{1,12}?"  # blanks, a colon, quotes, emphasis or cells between option and number


def read_stated_shares(text: str, options: Sequence[str]) -> Array | None:
    r"""Return the share of each option that a reply states, shape (A,), or None.

    The shares stand behind the options or before them, as percentages or as fractions, in any
    order, as lines, a sentence, JSON or a table. They are divided by their sum.

    Parameters
    ----------
    text : str
        The reply.
    options : sequence of str
        All `A` options.

    Returns
    -------
    ndarray or None
        `None` if the shares that the reply states sum to less than 90 % or more than 110 %, or if
        it states two for one option. An option that it does not mention has a share of zero.

    Examples
    --------
    >>> read_stated_shares("Tea: 60%\nMilk: 30%\nBeer: 10%", ["tea", "milk", "beer"]).tolist()
    [0.6, 0.3, 0.1]
    >>> read_stated_shares("Most would have tea.", ["tea", "milk"]) is None
    True
    """
    lines = "\n".join(folded(line) for line in text.splitlines())
    names = [folded(option) for option in options]
    for pattern in _patterns(names):
        shares = _shares([match.groupdict() for match in pattern.finditer(lines)], names)
        if shares is not None:
            return shares
    return None


def _patterns(names: Sequence[str]) -> list[re.Pattern[str]]:
    """Return the patterns of an option before its share, and of one behind its percentage."""
    longest_first = sorted(filter(None, names), key=len, reverse=True)
    words = (f"{_edge(name[0])}{re.escape(name)}{_end(name[-1])}" for name in longest_first)
    named = f"(?P<option>{'|'.join(words)})"
    return [
        re.compile(rf"{named}{_GAP}{_NUMBER}(?!\w)\s*{_PERCENT}?"),
        re.compile(rf"{_NUMBER}\s*{_PERCENT}[^\w\n]{{0,12}}?(?:of \w+ )?{named}"),
    ]


def _edge(character: str) -> str:
    return r"(?<!\w)" if _is_word(character) else ""


def _end(character: str) -> str:
    return r"(?!\w)" if _is_word(character) else ""


def _is_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


def _shares(found: Sequence[dict[str, str]], names: Sequence[str]) -> Array | None:
    """Return the shares that the matches state if they are one for an option and sum to 1."""
    stated: dict[str, float] = {}
    for match in found:
        value = float(match["number"].replace(",", "."))
        if stated.setdefault(match["option"], value) != value:
            return None
    shares = np.array([stated.get(name, 0.0) for name in names])
    is_percent = any(match["percent"] for match in found) or shares.sum() > 1 + TOLERANCE
    total = shares.sum() / (100 if is_percent else 1)
    return shares / shares.sum() if abs(total - 1) <= TOLERANCE else None
