"""The exemplar pool: records of real behaviour that a persona may be shown, one per prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.population import Population
from jupyter_mop.errors import DataError


@dataclass(frozen=True)
class Exemplar:
    """One record shown in context: its context columns and its response."""

    record: Mapping[str, str]
    response: str

    @property
    def text(self) -> str:
        """Context and response as one text, for the encoder."""
        return f"{', '.join(self.record.values())}: {self.response}"


def draw_exemplars(population: Population, n: int, *, random_state: int = 0) -> list[Exemplar]:
    """Draw a pool of `n` exemplars, spread evenly over the contexts.

    Parameters
    ----------
    population : Population
        Where the exemplars come from; no response is taken twice.
    n : int
        Size of the pool, J.
    random_state : int
        Seed of the draw.

    Returns
    -------
    list of Exemplar
    """
    first: dict[str, int] = {}
    for i in _by_weight(population, random_state):
        first.setdefault(population.responses[i], i)
    distinct = list(first.values())
    if not 0 < n <= len(distinct):
        raise DataError(
            f"A pool of {n} exemplars cannot be drawn from {len(distinct)} different responses.",
            hint=f"Ask for 1 to {len(distinct)} with n_exemplars.",
        )
    chosen = _spread([population.contexts[i] for i in distinct])[:n]
    rows = [distinct[position] for position in chosen]
    return [Exemplar(population.records[i], population.responses[i]) for i in rows]


def own_exemplars(population: Population, exemplars: Sequence[Exemplar]) -> NDArray[np.bool_]:
    """Return which exemplar has a record's own response, shape (n, J): it must not be shown."""
    codes = {exemplar.response: j for j, exemplar in enumerate(exemplars)}
    own = np.zeros((len(population), len(exemplars)), dtype=bool)
    for i, response in enumerate(population.responses):
        if response in codes:
            own[i, codes[response]] = True
    return own


def _by_weight(population: Population, random_state: int) -> list[int]:
    """Shuffle the records; heavier ones tend to come first, those of weight zero stay out."""
    rng = np.random.default_rng(random_state)
    heavy = np.flatnonzero(population.weights)
    share = population.weights[heavy] / population.weights.sum()
    return [int(i) for i in rng.choice(heavy, len(heavy), replace=False, p=share)]


def _spread(contexts: Sequence[str]) -> list[int]:
    """Order positions in turns: the first of every context, then the second of every one."""
    turns: Counter[str] = Counter()
    ranked = []
    for position, context in enumerate(contexts):
        ranked.append((turns[context], position))
        turns[context] += 1
    return [position for _, position in sorted(ranked)]
