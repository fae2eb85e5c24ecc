"""Whether responses copy what the model was shown: the longest run of words in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jupyter_mop.engine.diversity import runs, words
from jupyter_mop.errors import DataError

COPIED = 8


class Runs:
    """All runs of words of some texts, by length; made when a length is first asked for."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.words = [words(text) for text in texts]
        self._by_length: dict[int, dict[tuple[str, ...], int]] = {}

    def where(self, run: tuple[str, ...]) -> int | None:
        """Return the first text that has this run of words, or None."""
        if len(run) not in self._by_length:
            found: dict[tuple[str, ...], int] = {}
            for i, text in enumerate(self.words):
                for other in runs(text, len(run)):
                    found.setdefault(other, i)
            self._by_length[len(run)] = found
        return self._by_length[len(run)].get(run)

    def longest(self, text: str) -> tuple[int, int | None, str]:
        """Return the longest run that `text` shares with one of the texts, which one, and the run.

        Examples
        --------
        >>> Runs(["so it goes", "a good film it was"]).longest("It was a good film, I say.")
        (3, 1, 'a good film')
        """
        said, size, where, best = words(text), 0, None, ""
        for start in range(len(said)):
            while start + size < len(said):
                run = tuple(said[start : start + size + 1])
                found = self.where(run)
                if found is None:
                    break
                size, where, best = size + 1, found, " ".join(run)
        return size, where, best


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
    pool = Runs(exemplars)
    single: dict[int, Runs] = {}
    rows = []
    for i, text in enumerate(responses):
        j = None if shown is None else shown[i]
        if j is not None and j not in single:
            single[j] = Runs([exemplars[j]])
        own = np.nan if j is None else single[j].longest(text)[0]
        size, where, best = pool.longest(text)
        rows.append((text, own, own >= copied, size, size >= copied, where, best))
    columns = ["response", "run", "is_copy", "pool_run", "is_pool_copy", "exemplar", "words"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"run": float, "is_copy": bool, "exemplar": "Int64"})
