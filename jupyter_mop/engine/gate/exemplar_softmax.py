"""Level 2 of the gate: the weight of each exemplar, its normaliser and its derivatives, by blocks.

The logit of exemplar j is (u_i + v_k)' q_j, so exp(logit) is a product of a (record, exemplar) and
a (persona, exemplar) factor, and the sum over a pool of exemplars is a matrix product. It is taken
for some records at a time and the personas that they have components of, so that neither n x J
nor n x K x J numbers are ever held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.gate.component_scores import Block

Array = NDArray[np.float64]
Real = NDArray[Any]


@dataclass(frozen=True)
class Level2:
    """The vectors u (n, r), v (K, r) and q (J, r), and the personas' factor (K, J)."""

    u: Real
    v: Real
    q: Real
    logits: Real
    factor: Real

    @classmethod
    def of_vectors(cls, u: Array, v: Array, q: Array, kind: type[np.floating[Any]]) -> Level2:
        """Return them in this precision."""
        u, v, q = (np.asarray(vectors, dtype=kind) for vectors in (u, v, q))
        logits = v @ q.T
        logits -= logits.max(1, keepdims=True)
        return cls(u, v, q, logits, np.exp(logits))

    def of(self, block: Block) -> Part:
        """Return the weights of one block's components."""
        logits = self.u[block.records] @ self.q.T
        logits[block.hidden] = -np.inf
        logits -= logits.max(1, keepdims=True)
        personas = block.personas
        factor = self.factor if len(personas) == len(self.v) else self.factor[personas]
        shown = logits[block.row, block.column]
        by_context = np.exp(logits, out=logits)
        total = np.maximum(by_context @ factor.T, np.finfo(logits.dtype).tiny)
        shown += self.logits[personas[block.persona], block.column]
        log_omega = shown - np.log(total[block.row, block.persona])
        return Part(self, block, by_context, factor, total, log_omega.astype(np.float64))

    def log_weights(self, context: int, personas: NDArray[np.intp]) -> Real:
        """Return log Omega of some personas in one context, shape (k, J)."""
        shown = self.q @ self.u[context]
        shown -= shown.max()
        total = self.factor[personas] @ np.exp(shown)
        log_weights = self.logits[personas]
        log_weights += shown
        log_weights -= np.log(np.maximum(total, np.finfo(total.dtype).tiny))[:, None]
        return log_weights


@dataclass(frozen=True)
class Part:
    """Level 2 in one block: the factors (b, J) and (k, J), the totals (b, k), log Omega (p,)."""

    level_2: Level2
    block: Block
    by_context: Real
    by_persona: Real
    total: Real
    log_omega: Array

    @cached_property
    def record(self) -> NDArray[np.intp]:
        """The record of each component."""
        record: NDArray[np.intp] = self.block.row + self.block.records.start
        return record

    @cached_property
    def persona(self) -> NDArray[np.intp]:
        """The persona of each component."""
        return self.block.personas[self.block.persona]


@dataclass(frozen=True)
class Flow:
    """Sums of derivatives by u, v and q, block after block, and each persona's mass (K, J)."""

    level_2: Level2
    d_u: Real
    d_q: Real
    mass: Real

    @classmethod
    def zeros(cls, level_2: Level2) -> Flow:
        """Return the sums over no block."""
        d_u, d_q, mass = map(np.zeros_like, (level_2.u, level_2.q, level_2.factor))
        return cls(level_2, d_u, d_q, mass)

    @classmethod
    def sum(cls, flows: Sequence[Flow]) -> Flow:
        """Return the sums over all blocks of these."""
        d_u, d_q, mass = (
            np.sum([getattr(flow, name) for flow in flows], axis=0)
            for name in ("d_u", "d_q", "mass")
        )
        return cls(flows[0].level_2, d_u, d_q, mass)

    def add(self, part: Part, posterior: Array) -> None:
        """Add one block, given the posterior of each of its components times the record's share."""
        block, kind = part.block, part.total.dtype
        expected = np.zeros_like(part.total)
        np.add.at(expected, (block.row, block.persona), posterior)
        scaled = (expected / part.total).astype(kind)
        self.mass[block.personas] -= (scaled.T @ part.by_context) * part.by_persona
        np.add.at(self.mass, (part.persona, block.column), posterior)
        by_cell = scaled @ part.by_persona
        by_cell *= part.by_context
        np.subtract.at(by_cell, (block.row, block.column), posterior)
        self.d_u[block.records] -= by_cell @ self.level_2.q
        self.d_q[...] -= by_cell.T @ self.level_2.u[block.records]

    def derivatives(self) -> tuple[Array, Array, Array]:
        """Return the derivatives of the mean log-likelihood by u (n, r), v (K, r) and q (J, r)."""
        d_v = self.mass @ self.level_2.q
        d_q = self.d_q + self.mass.T @ self.level_2.v
        return self.d_u.astype(np.float64), d_v.astype(np.float64), d_q.astype(np.float64)
