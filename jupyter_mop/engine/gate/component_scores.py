"""What the gate learns from, cut into blocks that are small enough to stay in the cache."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
BLOCK_ROWS = 64
SMALL = 2**20  # cells of (record, exemplar) up to which one block in double precision will do


@dataclass(frozen=True)
class Block:
    """Some records in a row, with what the normaliser of their exemplar weights needs.

    Attributes
    ----------
    records, components : slice
        Which of the evidence's.
    personas : numpy.ndarray, shape (k,)
        The personas that these records have components of.
    row, persona, column : numpy.ndarray, shape (p,)
        Where each component is: record in the block, place in `personas`, place in the pool.
    hidden : tuple of two numpy.ndarray
        Rows and columns of the exemplars that a record must not be shown.
    """

    records: slice
    components: slice
    personas: Indices
    row: Indices
    persona: Indices
    column: Indices
    hidden: tuple[Indices, ...]


@dataclass(frozen=True)
class ComponentScores:
    """What the gate learns from: log-likelihoods of some components of each record.

    Attributes
    ----------
    contexts : numpy.ndarray, shape (n, d)
        Unit vectors h(x_i).
    components : Components
        P triples, sorted by record, at least one for each.
    log_lik : numpy.ndarray, shape (P,)
        log p_LM(y_i | g_k, e_j, x_i) in nats, plus the log of how many components each stands
        for where only a sample of them was asked.
    excluded : numpy.ndarray of bool, shape (n, J)
        Exemplars that a record must not be shown, such as itself.
    weight : numpy.ndarray, shape (n,)
        Survey weights.
    """

    contexts: Array
    components: Components
    log_lik: Array
    excluded: NDArray[np.bool_]
    weight: Array

    @cached_property
    def starts(self) -> Indices:
        """Where each record's components begin, shape (n,)."""
        return np.searchsorted(self.components.record, np.arange(len(self.contexts)))

    @cached_property
    def pool(self) -> Indices:
        """The exemplars that some record may be shown."""
        return np.flatnonzero(~self.excluded.all(0))

    @property
    def is_small(self) -> bool:
        """Whether double precision and one block will do."""
        return len(self.contexts) * len(self.pool) <= SMALL

    @cached_property
    def blocks(self) -> list[Block]:
        """The records in order, some at a time."""
        n = len(self.contexts)
        step = n if self.is_small else BLOCK_ROWS
        ends = np.append(self.starts, len(self.components))
        return [self._block(i, min(i + step, n), ends) for i in range(0, n, step)]

    def take(self, records: Indices) -> ComponentScores:
        """Return the evidence of these records, given in ascending order."""
        kept = np.isin(self.components.record, records)
        record, persona, exemplar = (array[kept] for array in self.components.arrays)
        return ComponentScores(
            self.contexts[records],
            Components(np.searchsorted(records, record), persona, exemplar),
            self.log_lik[kept],
            self.excluded[records],
            self.weight[records],
        )

    def weighted(self, weight: Array) -> ComponentScores:
        """Return the same evidence with other survey weights; its blocks are not cut again."""
        other = replace(self, weight=weight)
        other.__dict__.update(starts=self.starts, pool=self.pool, blocks=self.blocks)
        return other

    def _block(self, first: int, last: int, ends: Indices) -> Block:
        part = slice(int(ends[first]), int(ends[last]))
        record, persona, exemplar = (array[part] for array in self.components.arrays)
        personas, place = np.unique(persona, return_inverse=True)
        return Block(
            slice(first, last),
            part,
            personas,
            record - first,
            place,
            np.searchsorted(self.pool, exemplar),
            np.nonzero(self.excluded[first:last][:, self.pool]),
        )


@dataclass(frozen=True)
class Components:
    """Which (record, persona, exemplar) triples are asked, three arrays of shape (P,)."""

    record: NDArray[np.intp]
    persona: NDArray[np.intp]
    exemplar: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.record)

    @property
    def arrays(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """The three arrays."""
        return self.record, self.persona, self.exemplar
