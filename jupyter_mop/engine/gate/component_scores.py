"""The data that a gate is fitted to: log-likelihoods of components, in blocks of records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
BLOCK_ROWS = 64  # records per block; its arrays fit into the processor's cache
MAX_DENSE_CELLS = (
    2**20
)  # (record, exemplar) pairs up to which one block in double precision is used


@dataclass(frozen=True)
class Components:
    """The (record, persona, exemplar) triples that are scored: three arrays of shape (P,)."""

    record: Indices
    persona: Indices
    exemplar: Indices

    def __len__(self) -> int:
        return len(self.record)

    @property
    def arrays(self) -> tuple[Indices, Indices, Indices]:
        """The three arrays."""
        return self.record, self.persona, self.exemplar


@dataclass(frozen=True)
class RecordBlock:
    """Consecutive records, with the indices that the exemplar softmax needs.

    Attributes
    ----------
    records, components : slice
        The block's records and components among all.
    personas : numpy.ndarray, shape (k,)
        The personas of the block's components.
    row, persona, column : numpy.ndarray, shape (p,)
        Position of each component: record in the block, index in `personas`, index in `pool`.
    pool : numpy.ndarray, shape (c,)
        The exemplars that may be shown to a record of the block, among those of all records.
    excluded : tuple of two numpy.ndarray
        Rows and columns of exemplars of `pool` that must not be shown to a record.
    """

    records: slice
    components: slice
    personas: Indices
    row: Indices
    persona: Indices
    column: Indices
    pool: Indices
    excluded: tuple[Indices, ...]


@dataclass(frozen=True)
class ComponentScores:
    """The data that a gate is fitted to: log-likelihoods of some components of each record.

    Attributes
    ----------
    contexts : numpy.ndarray, shape (n, d)
        Unit vectors h(x_i).
    components : Components
        P triples, sorted by record, at least one per record.
    log_lik : numpy.ndarray, shape (P,)
        log p_LM(y_i | g_k, e_j, x_i) in nats. If only a sample of the components was scored, plus
        the log of the number of components that each one represents.
    excluded : numpy.ndarray of bool, shape (n, J)
        Exemplars that must not be shown to a record, such as the record itself.
    weight : numpy.ndarray, shape (n,)
        Survey weights.
    n_sources : int
        How many sources of evidence there are; each has every record once.
    """

    contexts: Array
    components: Components
    log_lik: Array
    excluded: NDArray[np.bool_]
    weight: Array
    n_sources: int = 1

    @classmethod
    def joined(cls, parts: Sequence[ComponentScores]) -> ComponentScores:
        """Return the scores of the same records by several sources as one, in this order."""
        ends = np.cumsum([0, *(len(part.weight) for part in parts)])
        arrays = [
            (c.record + end, c.persona, c.exemplar)
            for c, end in zip((part.components for part in parts), ends[:-1], strict=True)
        ]
        return cls(
            np.concatenate([part.contexts for part in parts]),
            Components(*(np.concatenate(some) for some in zip(*arrays, strict=True))),
            np.concatenate([part.log_lik for part in parts]),
            np.concatenate([part.excluded for part in parts]),
            np.concatenate([part.weight for part in parts]),
            len(parts),
        )

    @cached_property
    def starts(self) -> Indices:
        """The position of each record's first component, shape (n,)."""
        return np.searchsorted(self.components.record, np.arange(len(self.contexts)))

    @cached_property
    def pool(self) -> Indices:
        """The exemplars that may be shown to at least one record."""
        return np.flatnonzero(~self.excluded.all(0))

    @property
    def is_small(self) -> bool:
        """Whether one block in double precision is used."""
        return len(self.contexts) * len(self.pool) <= MAX_DENSE_CELLS

    @cached_property
    def blocks(self) -> list[RecordBlock]:
        """The records in order, in blocks."""
        n = len(self.contexts)
        step = n if self.is_small else BLOCK_ROWS
        ends = np.append(self.starts, len(self.components))
        return [self._block(i, min(i + step, n), ends) for i in range(0, n, step)]

    def take(self, records: Indices) -> ComponentScores:
        """Return the scores of these records; `records` must be in ascending order."""
        taken = np.isin(self.components.record, records)
        record, persona, exemplar = (array[taken] for array in self.components.arrays)
        return ComponentScores(
            self.contexts[records],
            Components(np.searchsorted(records, record), persona, exemplar),
            self.log_lik[taken],
            self.excluded[records],
            self.weight[records],
            self.n_sources,
        )

    def weighted(self, weight: Array) -> ComponentScores:
        """Return the same scores with other survey weights, shape (n,); the blocks are shared."""
        other = replace(self, weight=weight)
        other.__dict__.update(starts=self.starts, pool=self.pool, blocks=self.blocks)
        return other

    def _block(self, first: int, last: int, ends: Indices) -> RecordBlock:
        components = slice(int(ends[first]), int(ends[last]))
        record, persona, exemplar = (array[components] for array in self.components.arrays)
        personas, position = np.unique(persona, return_inverse=True)
        allowed = ~self.excluded[first:last][:, self.pool]
        pool = np.flatnonzero(allowed.any(0))
        return RecordBlock(
            slice(first, last),
            components,
            personas,
            record - first,
            position,
            np.searchsorted(self.pool[pool], exemplar),
            pool,
            np.nonzero(~allowed[:, pool]),
        )
