"""Exemplar weights Omega_k(x): the softmax over the pool, its normaliser and its derivatives.

The logit of exemplar j is (u_i + v_k)' q_j plus an offset of persona and exemplar. Its exponential
is the product of a (record, exemplar) and a (persona, exemplar) factor, so the sum over the pool
is a matrix product. It is computed per block of records, for the personas of the block's
components only; neither n x J nor n x K x J numbers are in memory at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.gate.component_scores import RecordBlock

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Real = NDArray[Any]  # single or double precision


@dataclass(frozen=True)
class ExemplarSoftmax:
    """The vectors u (n, s), v (K, r) and q (J, s), r <= s, and each persona's factor (K, J)."""

    u: Real
    v: Real
    q: Real
    logits: Real
    factor: Real

    @classmethod
    def from_vectors(
        cls, u: Array, v: Array, q: Array, offsets: Array, dtype: type[np.floating[Any]]
    ) -> ExemplarSoftmax:
        """Return the softmax of these vectors in the given precision.

        The vectors v have only the first r entries of q; `offsets` are added for each persona and
        exemplar, shape (K, J) or (1, 1).
        """
        u, v, q, offsets = (np.asarray(values, dtype=dtype) for values in (u, v, q, offsets))
        logits = v @ q[:, : v.shape[1]].T + offsets
        logits -= logits.max(1, keepdims=True)
        return cls(u, v, q, logits, np.exp(logits))

    def in_block(self, block: RecordBlock) -> BlockSoftmax:
        """Return the weights of the block's components."""
        logits = self.u[block.records] @ self.q[block.pool].T
        logits[block.excluded] = -np.inf
        logits -= logits.max(1, keepdims=True)
        personas = block.personas
        factor = self.factor[np.ix_(personas, block.pool)]
        log_omega = logits[block.row, block.column]
        by_context = np.exp(logits, out=logits)
        total = np.maximum(by_context @ factor.T, np.finfo(logits.dtype).tiny)
        log_omega += self.logits[personas[block.persona], block.pool[block.column]]
        log_omega = log_omega - np.log(total[block.row, block.persona])
        return BlockSoftmax(self, block, by_context, factor, total, log_omega.astype(np.float64))

    def log_weights(self, context: int, personas: Indices) -> Real:
        """Return log Omega_k(x) of k personas in one context, shape (k, J)."""
        logits = self.q @ self.u[context]
        logits -= logits.max()
        total = self.factor[personas] @ np.exp(logits)
        log_weights = self.logits[personas]
        log_weights += logits
        log_weights -= np.log(np.maximum(total, np.finfo(total.dtype).tiny))[:, None]
        return log_weights


@dataclass(frozen=True)
class BlockSoftmax:
    """The softmax in one block of b records and k personas.

    Attributes
    ----------
    by_context, by_persona : numpy.ndarray, shapes (b, c) and (k, c)
        The two factors of the exponentials.
    total : numpy.ndarray, shape (b, k)
        The normalisers.
    log_omega : numpy.ndarray, shape (p,)
        Log-weight of each component.
    """

    softmax: ExemplarSoftmax
    block: RecordBlock
    by_context: Real
    by_persona: Real
    total: Real
    log_omega: Array

    @cached_property
    def record(self) -> Indices:
        """The record of each component."""
        record: Indices = self.block.row + self.block.records.start
        return record

    @cached_property
    def persona(self) -> Indices:
        """The persona of each component."""
        return self.block.personas[self.block.persona]


@dataclass(frozen=True)
class GradientSums:
    """Derivatives by u (n, s) and q (J, s), and each persona's mass (K, J), summed over blocks."""

    softmax: ExemplarSoftmax
    d_u: Real
    d_q: Real
    mass: Real

    @classmethod
    def zeros(cls, softmax: ExemplarSoftmax) -> GradientSums:
        """Return the sums over no block."""
        d_u, d_q, mass = map(np.zeros_like, (softmax.u, softmax.q, softmax.factor))
        return cls(softmax, d_u, d_q, mass)

    @classmethod
    def total(cls, sums: Sequence[GradientSums]) -> GradientSums:
        """Return the sums over all blocks of several sums."""
        d_u, d_q, mass = (
            np.sum([getattr(part, name) for part in sums], axis=0)
            for name in ("d_u", "d_q", "mass")
        )
        return cls(sums[0].softmax, d_u, d_q, mass)

    def add(self, weights: BlockSoftmax, posterior: Array) -> None:
        """Add a block, given the posterior of each component times its record's share, (p,)."""
        block, dtype = weights.block, weights.total.dtype
        expected = np.zeros_like(weights.total)
        np.add.at(expected, (block.row, block.persona), posterior)
        scaled = (expected / weights.total).astype(dtype)
        expected_mass = (scaled.T @ weights.by_context) * weights.by_persona
        self.mass[np.ix_(block.personas, block.pool)] -= expected_mass
        np.add.at(self.mass, (weights.persona, block.pool[block.column]), posterior)
        by_cell = scaled @ weights.by_persona
        by_cell *= weights.by_context
        np.subtract.at(by_cell, (block.row, block.column), posterior)
        self.d_u[block.records] -= by_cell @ self.softmax.q[block.pool]
        self.d_q[block.pool] -= by_cell.T @ self.softmax.u[block.records]

    def derivatives(self) -> tuple[Array, Array, Array]:
        """Return the derivatives of the mean log-likelihood by u (n, s), v (K, r) and q (J, r)."""
        rank = self.softmax.v.shape[1]
        d_v = self.mass @ self.softmax.q[:, :rank]
        d_q = self.d_q[:, :rank] + self.mass.T @ self.softmax.v
        return self.d_u.astype(np.float64), d_v.astype(np.float64), d_q.astype(np.float64)
