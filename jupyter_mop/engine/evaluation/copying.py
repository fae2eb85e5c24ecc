"""Whether responses copy what the model was shown: the longest run of words in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jupyter_mop.engine.evaluation.diversity import words
from jupyter_mop.errors import DataError

COPIED = 8


@dataclass(frozen=True, slots=True)
class Run:
    """Words one after another that a text shares with one of a pool.

    Attributes
    ----------
    size : int
        Number of words; 0 where nothing is shared.
    where : int or None
        The first text of the pool that has them.
    words : str
    """

    size: int = 0
    where: int | None = None
    words: str = ""


def longest_runs(texts: Sequence[str], pool: Sequence[str]) -> list[Run]:
    """Return the longest run of words that each text shares with one of the pool.

    Runs grow by a word at a time, and only where a shorter one was shared, so that long pools
    need little memory.

    Examples
    --------
    >>> longest_runs(["It was a good film, I say."], ["so it goes", "a good film it was"])
    [Run(size=3, where=1, words='a good film')]
    """
    said, shown = [words(text) for text in texts], [words(text) for text in pool]
    best = [Run()] * len(said)
    ours, theirs = _starts(said), _starts(shown)
    size = 0
    while ours:
        size += 1
        wanted = {_run(said, place, size) for place in ours} - {None}
        theirs = [place for place in theirs if _run(shown, place, size) in wanted]
        found: dict[tuple[str, ...] | None, int] = {}
        for place in theirs:
            found.setdefault(_run(shown, place, size), place[0])
        ours = [place for place in ours if _run(said, place, size) in found]
        for i, start in ours:
            if best[i].size < size:
                run = said[i][start : start + size]
                best[i] = Run(size, found[tuple(run)], " ".join(run))
    return best


def _starts(texts: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    return [(i, start) for i, text in enumerate(texts) for start in range(len(text))]


def _run(
    texts: Sequence[Sequence[str]], place: tuple[int, int], size: int
) -> tuple[str, ...] | None:
    """Return the `size` words from a place on, or None where the text ends before."""
    i, start = place
    return tuple(texts[i][start : start + size]) if start + size <= len(texts[i]) else None


def copies(
    responses: Sequence[str],
    exemplars: Sequence[str],
    shown: Sequence[int | None] | None = None,
    *,
    copied: int = COPIED,
) -> pd.DataFrame:
    """Return the longest run of words that each response shares with what could be shown.

    Parameters
    ----------
    responses : sequence of str
        What was said.
    exemplars : sequence of str
        The responses of the whole pool.
    shown : sequence of int or None, optional
        Which exemplar each response was shown.
    copied : int
        From how many words in a row on a response counts as copied.

    Returns
    -------
    DataFrame
        One row per response: response, run (words shared with the exemplar that was shown, missing
        where none was), is_copy, pool_run (with any exemplar), is_pool_copy, exemplar (which) and
        words (the longest run itself).

    Raises
    ------
    DataError
        For a threshold below one word.

    Examples
    --------
    >>> found = copies(["a b c d", "d e"], ["x a b c", "e"], [0, 1], copied=3)
    >>> found[["run", "is_copy", "pool_run", "words"]].values.tolist()
    [[3.0, True, 3, 'a b c'], [1.0, False, 1, 'e']]
    """
    if copied < 1:
        raise DataError(f"A copy has at least one word, not {copied}.", hint="Use copied=8.")
    rows = []
    for i, (text, any_) in enumerate(
        zip(responses, longest_runs(responses, exemplars), strict=True)
    ):
        j = None if shown is None else shown[i]
        own = np.nan if j is None else longest_runs([text], [exemplars[j]])[0].size
        of_any = (any_.size, any_.size >= copied, any_.where, any_.words)
        rows.append((text, own, own >= copied, *of_any))
    columns = ["response", "run", "is_copy", "pool_run", "is_pool_copy", "exemplar", "words"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"run": float, "is_copy": bool, "exemplar": "Int64"})
