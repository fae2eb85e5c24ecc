"""Copying: the longest run of words that a response shares with an exemplar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jupyter_mop.engine.data.persona_sources.voices import quoted_texts
from jupyter_mop.engine.evaluation.diversity import words
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.errors import DataError

MIN_COPY_WORDS = 8


@dataclass(frozen=True, slots=True)
class SharedRun:
    """Consecutive words that a text shares with a text of the pool.

    Attributes
    ----------
    size : int
        Number of words; 0 where nothing is shared.
    index : int or None
        The first text of the pool that contains them.
    words : str
        The words, joined by spaces.
    """

    size: int = 0
    index: int | None = None
    words: str = ""


def longest_runs(texts: Sequence[str], pool: Sequence[str]) -> list[SharedRun]:
    """Return the longest run of words that each text shares with any text of the pool.

    Runs grow by one word at a time, and only where a shorter one was shared, so that large pools
    need little memory.

    Examples
    --------
    >>> longest_runs(["It was a good film, I say."], ["so it goes", "a good film it was"])
    [SharedRun(size=3, index=1, words='a good film')]
    """
    ours, theirs = [words(text) for text in texts], [words(text) for text in pool]
    longest = [SharedRun()] * len(ours)
    starts, pool_starts = _starts(ours), _starts(theirs)
    size = 0
    while starts:
        size += 1
        candidates = {_run(ours, start, size) for start in starts} - {None}
        pool_starts = [start for start in pool_starts if _run(theirs, start, size) in candidates]
        shared: dict[tuple[str, ...] | None, int] = {}
        for start in pool_starts:
            shared.setdefault(_run(theirs, start, size), start[0])
        starts = [start for start in starts if _run(ours, start, size) in shared]
        for i, first in starts:
            if longest[i].size < size:
                run = ours[i][first : first + size]
                longest[i] = SharedRun(size, shared[tuple(run)], " ".join(run))
    return longest


def _starts(texts: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    return [(i, first) for i, text in enumerate(texts) for first in range(len(text))]


def _run(
    texts: Sequence[Sequence[str]], place: tuple[int, int], size: int
) -> tuple[str, ...] | None:
    """Return the `size` words from (text, word) on, or None where the text ends earlier."""
    i, start = place
    return tuple(texts[i][start : start + size]) if start + size <= len(texts[i]) else None


def copies(
    responses: Sequence[str],
    exemplars: Sequence[str],
    shown: Sequence[Sequence[int]] | None = None,
    *,
    copied: int = MIN_COPY_WORDS,
) -> pd.DataFrame:
    """Return the longest run of words that each response shares with the exemplars.

    Parameters
    ----------
    responses : sequence of str
        Simulated responses.
    exemplars : sequence of str
        The real texts that prompts can show: see `texts_in_prompts`.
    shown : sequence of sequence of int, optional
        The positions of those in the prompt of each response.
    copied : int
        Minimum number of consecutive words that make a copy.

    Returns
    -------
    DataFrame
        One row per response: response, run (words shared with an exemplar in its prompt, missing
        without one), is_copy, pool_run (words shared with any exemplar), is_pool_copy, exemplar
        (that exemplar) and words (the run itself).

    Raises
    ------
    DataError
        If `copied` is below 1.

    Examples
    --------
    >>> found = copies(["a b c d", "d e"], ["x a b c", "e"], [[0], [1]], copied=3)
    >>> found[["run", "is_copy", "pool_run", "words"]].values.tolist()
    [[3.0, True, 3, 'a b c'], [1.0, False, 1, 'e']]
    """
    if copied < 1:
        raise DataError(f"`copied` must be at least 1, got {copied}.", hint="Use copied=8.")
    rows = []
    for i, run in enumerate(longest_runs(responses, exemplars)):
        own_texts = [] if shown is None else [exemplars[j] for j in shown[i]]
        own = longest_runs([responses[i]], own_texts)[0].size if own_texts else np.nan
        pool = (run.size, run.size >= copied, run.index, run.words)
        rows.append((responses[i], own, own >= copied, *pool))
    columns = ["response", "run", "is_copy", "pool_run", "is_pool_copy", "exemplar", "words"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"run": float, "is_copy": bool, "exemplar": "Int64"})


def texts_in_prompts(simulation: Simulation) -> tuple[list[str], list[list[int]]]:
    """Return the real texts that prompts can show, and those of each response's own prompt.

    These are the exemplars of the pool, followed by the texts that personas quote.

    Returns
    -------
    texts : list of str
    shown : list of list of int
        Positions in `texts`, one list per response.
    """
    texts = [exemplar.response for exemplar in simulation.exemplars]
    n_exemplars, quoted = len(texts), {}
    for name, description in simulation.descriptions.items():
        own = quoted_texts(description)
        quoted[name] = list(range(len(texts), len(texts) + len(own)))
        texts += own
    shown = []
    for draw in range(len(simulation)):
        exemplars = [j for j in simulation.exemplar_indices(draw) if j < n_exemplars]
        names = simulation.personas_in_prompt(draw)
        shown.append(exemplars + [j for name in names for j in quoted.get(name, [])])
    return texts, shown
