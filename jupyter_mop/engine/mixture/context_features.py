"""Contexts as vectors: the sentence vector, then one block of numbers for each context column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jupyter_mop.backends.protocols import Encoder
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.metrics.vectors import Vectors

MAX_LEVELS = 64
MIN_MEAN_RECORDS = 2  # records per level, below which a column is free text
_SEPARATOR = ", "


@dataclass(frozen=True)
class ContextFeatures:
    """How a context becomes a vector: h(x), then a block for each context column.

    The block of a column with few levels is an indicator of its level; that of free text is the
    sentence vector of its value. The dot product of the blocks of two contexts is therefore 1 if
    the levels are equal and 0 if not, or the cosine of the texts. A level that no record of the
    fit has is a block of zeros.

    Attributes
    ----------
    columns : tuple of str
        The context columns.
    levels : tuple of tuple of str
        The levels of each column; none for free text.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> features = ContextFeatures(("age",), (("young", "old"),))
    >>> features.encode(ToyEncoder(["sea", "sun"]), ["old", "young", "unknown"])[:, -2:].tolist()
    [[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]
    """

    columns: tuple[str, ...] = ()
    levels: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, population: Population) -> ContextFeatures:
        """Return the features of a population's context columns."""
        values = zip(*population.context_keys, strict=True)
        return cls(tuple(population.context), tuple(map(_levels, values)))

    def encode(self, encoder: Encoder, contexts: Sequence[str]) -> Vectors:
        """Return the vectors of n contexts, shape (n, d + D)."""
        vectors, rows = self.encode_distinct(encoder, contexts)
        encoded: Vectors = vectors[rows]
        return encoded

    def encode_distinct(
        self, encoder: Encoder, contexts: Sequence[str]
    ) -> tuple[Vectors, np.ndarray]:
        """Return the vectors of the m distinct contexts, (m, d + D), and their row for each."""
        rows, distinct = pd.factorize(np.array(contexts, dtype=object))
        texts = [str(text) for text in distinct]
        vectors = encoder.encode(texts).astype(np.float64)
        values = [self._values(text) for text in texts]
        columns = zip(*values, strict=True) if values else ()
        blocks = [
            _indicators(column, levels) if levels else encoder.encode(column).astype(np.float64)
            for column, levels in zip(columns, self.levels, strict=False)
        ]
        return np.hstack([vectors, *blocks]), rows

    def unseen(self, population: Population) -> tuple[int, str]:
        """Return how many contexts have a level that no record of the fit has, and the first one.

        Examples
        --------
        >>> import pandas as pd
        >>> people = pd.DataFrame({"age": ["young", "very old"], "text": "sun"})
        >>> population = Population.from_frame(people, context="age", response="text")
        >>> ContextFeatures(("age",), (("young", "old"),)).unseen(population)
        (1, "age = 'very old'")
        """
        pairs = zip(self.columns, self.levels, strict=True)
        known = {name: set(levels) for name, levels in pairs if levels}
        first, n_unseen = "", 0
        for key in dict.fromkeys(population.context_keys):
            values = zip(population.context, key, strict=True)
            new = [f"{c} = {v[:60]!r}" for c, v in values if c in known and v not in known[c]]
            n_unseen += bool(new)
            first = first or (new[0] if new else "")
        return n_unseen, first

    def widths(self, d: int) -> list[int]:
        """Return the size of each column's block, for sentence vectors of size d."""
        return [len(levels) or d for levels in self.levels]

    def _values(self, text: str) -> Sequence[str]:
        """Return the value of each column in a context's text.

        A value may contain the separator, so every way to divide the text is tried; one whose
        values are all levels is the right one.
        """
        if len(self.columns) <= 1:
            return [text]
        ways = _divisions(text.split(_SEPARATOR), len(self.columns))
        known = (
            way
            for way in ways
            if all(not known or v in known for v, known in zip(way, self.levels, strict=True))
        )
        first = next(known, None)
        return first or (text.split(_SEPARATOR) + [""] * len(self.columns))[: len(self.columns)]


def _levels(values: Sequence[str]) -> tuple[str, ...]:
    levels = tuple(dict.fromkeys(values))
    is_free = len(levels) > MAX_LEVELS or len(values) < MIN_MEAN_RECORDS * len(levels)
    return () if is_free else levels


def _indicators(values: Sequence[str], levels: Sequence[str]) -> Vectors:
    """Return 1 at the level of each value and 0 elsewhere, shape (n, number of levels)."""
    return np.asarray(np.array(values)[:, None] == np.array(levels)[None], dtype=np.float64)


def _divisions(parts: Sequence[str], n: int) -> Iterator[list[str]]:
    """Yield every way to join neighbouring parts into n values."""
    if n == 1:
        yield [_SEPARATOR.join(parts)]
        return
    for first in range(1, len(parts) - n + 2):
        for rest in _divisions(parts[first:], n - 1):
            yield [_SEPARATOR.join(parts[:first]), *rest]
