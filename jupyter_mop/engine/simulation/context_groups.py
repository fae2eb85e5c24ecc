"""Persona weights by group of contexts: what reweighting a simulation has to keep.

A draw of persona k in context x stands for pi'_k(x) / pi_k(x) draws under other persona weights.
This ratio depends on the context: one factor for all draws of a persona would move the contexts
too. Contexts with alike persona weights form a group, so that sums over (group, persona) cells
are all that any weights need.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.intp]

MAX_GROUPS = 12
MAX_CELLS = 96
TOLERANCE = 1e-10
MAX_ITERATIONS = 2000
ALIKE = 1e-6


@dataclass(frozen=True)
class ContextGroups:
    """Sizes of groups of contexts, and the persona weights within each.

    Attributes
    ----------
    sizes : numpy.ndarray, shape (G,)
        Share of the contexts in each group; they sum to 1.
    weights : numpy.ndarray, shape (G, K)
        Persona weights in each group; each row sums to 1.

    Examples
    --------
    >>> groups = ContextGroups(np.array([0.5, 0.5]), np.array([[0.9, 0.1], [0.1, 0.9]]))
    >>> groups.marginal().tolist()
    [0.5, 0.5]
    >>> groups.with_marginal(np.array([0.8, 0.2])).weights[:, 0].round(3).tolist()
    [0.992, 0.608]
    """

    sizes: Array
    weights: Array

    def marginal(self) -> Array:
        """Return the persona weights over all contexts, shape (K,)."""
        return np.asarray(self.sizes @ self.weights)

    def with_marginal(self, target: Array) -> ContextGroups:
        """Return the groups whose overall persona weights are `target`, shape (K,).

        The odds between two personas change by the same factor in every group, as in
        `Gate.with_marginal`, and the sizes of the groups stay: iterative proportional fitting
        (Deming and Stephan 1940). Where no factors reach the target, the nearest is returned.
        """
        wanted = np.asarray(target, dtype=np.float64)
        weights = self.weights * (wanted > 0)
        for _ in range(MAX_ITERATIONS):
            weights = _rows_to_one(weights)
            now = self.sizes @ weights
            if np.abs(now - wanted).max() < TOLERANCE:
                break
            weights = weights * np.divide(wanted, now, out=np.zeros_like(now), where=now > 0)
        return ContextGroups(self.sizes, _rows_to_one(weights))

    def cells(self) -> Array:
        """Return the share of each (group, persona) cell, shape (G, K), summing to 1."""
        return np.asarray(self.sizes[:, None] * self.weights)

    def by_persona_weight(self, by_cell: Array) -> Array:
        """Return derivatives by the overall persona weights from those by the cells' shares.

        Parameters
        ----------
        by_cell : numpy.ndarray, shape (G, K)
            Partial derivatives of a quantity by each cell's share, at these groups.

        Returns
        -------
        numpy.ndarray, shape (K,)
            Up to a constant, which weights that sum to 1 do not feel.
        """
        n_personas = self.weights.shape[1]
        within = self.cells().T
        totals = within.sum(1, keepdims=True)
        of_group = np.divide(within, totals, out=self._fallback(), where=totals > 0)
        slope = (of_group * by_cell.T).sum(1) - of_group @ (self.weights * by_cell).sum(1)
        chain = np.eye(n_personas) - of_group @ self.weights + self.marginal()
        return np.asarray(np.linalg.solve(chain, slope))

    def _fallback(self) -> Array:
        """Return the groups' sizes for each persona: where one with no weight would speak."""
        return np.tile(self.sizes, (self.weights.shape[1], 1))


def group_contexts(weights: Array, *, max_groups: int = MAX_GROUPS) -> Codes:
    """Return the group of each row of persona weights, shape (n,): alike rows are in one group.

    Parameters
    ----------
    weights : numpy.ndarray, shape (n, K)
        Persona weights pi(x) in the context of each draw.
    max_groups : int
        Most groups; where more rows differ, k-means on the weights joins the nearest.

    Examples
    --------
    >>> group_contexts(np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]])).tolist()
    [1, 0, 1]
    """
    max_groups = max(1, min(max_groups, MAX_CELLS // weights.shape[1]))
    rounded = np.round(weights / ALIKE).astype(np.int64)
    rows, labels = np.unique(rounded, axis=0, return_inverse=True)
    if len(rows) <= max_groups:
        return np.asarray(labels.ravel(), dtype=np.intp)
    from sklearn.cluster import KMeans

    model = KMeans(max_groups, n_init=1, random_state=0).fit(
        rows * ALIKE, sample_weight=np.bincount(labels.ravel())
    )
    return np.asarray(model.labels_[labels.ravel()], dtype=np.intp)


def _rows_to_one(weights: Array) -> Array:
    totals = weights.sum(1, keepdims=True)
    return np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0)
