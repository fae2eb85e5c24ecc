"""Groups of contexts with alike persona weights: what reweighting a simulation has to keep.

A draw of persona k in context x stands for pi'_k(x) / pi_k(x) draws under other persona weights.
This ratio depends on the context: one factor for all draws of a persona would also move the
contexts. Contexts with alike persona weights form a group, so that sums over the cells
(group, persona) are all that any other weights need.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

MAX_GROUPS = 12
MAX_CELLS = 96
MIN_DRAWS_PER_CELL = 10
TOLERANCE = 1e-10
MAX_ITERATIONS = 2000
MIN_FACTOR = 1e-200
RESOLUTION = 1e-6
RIDGE = 1e-8  # some weights cannot be reached where a persona answers some contexts alone


@dataclass(frozen=True, eq=False)
class ContextGroups:
    """Sizes of groups of contexts, and the persona weights within each.

    Attributes
    ----------
    sizes : numpy.ndarray, shape (G,)
        Share of the contexts in each group; they sum to 1.
    base : numpy.ndarray, shape (G, K)
        Persona weights as drawn in each group.
    factors : numpy.ndarray, shape (K,)
        How much the odds of each persona have changed, alike in every group.

    Examples
    --------
    >>> groups = ContextGroups(np.array([0.5, 0.5]), np.array([[0.9, 0.1], [0.1, 0.9]]))
    >>> groups.marginal.tolist()
    [0.5, 0.5]
    >>> groups.with_marginal(np.array([0.8, 0.2])).weights[:, 0].round(3).tolist()
    [0.992, 0.608]
    """

    sizes: Array
    base: Array
    factors: Array = field(default_factory=lambda: np.ones(1))

    @cached_property
    def weights(self) -> Array:
        """Persona weights in each group, shape (G, K); each row sums to 1.

        A group whose personas are all switched off keeps its weights, and with them its contexts.
        """
        raw = self.base * self.factors
        raw = np.where(raw.sum(1, keepdims=True) > 0, raw, self.base)
        return np.asarray(raw / raw.sum(1, keepdims=True))

    @property
    def marginal(self) -> Array:
        """Persona weights over all contexts, shape (K,)."""
        return np.asarray(self.sizes @ self.weights)

    @property
    def shares(self) -> Array:
        """Share of each (group, persona) cell, shape (G, K); they sum to 1."""
        return np.asarray(self.sizes[:, None] * self.weights)

    @property
    def limits(self) -> tuple[Array, Array]:
        """The lowest and the highest overall weight that each persona can have, (K,) each.

        A persona has the contexts that it answers alone whatever the weights, and never those that
        it does not answer.

        Examples
        --------
        >>> low, high = ContextGroups(np.array([0.9, 0.1]), np.array([[1, 0], [0.5, 0.5]])).limits
        >>> low.tolist(), high.tolist()
        ([0.9, 0.0], [1.0, 0.1])
        """
        answers = self.base > 0
        alone = answers & (answers.sum(1, keepdims=True) == 1)
        return np.asarray(self.sizes @ alone), np.asarray(self.sizes @ answers)

    def with_marginal(self, target: Array) -> ContextGroups:
        """Return the groups whose overall persona weights are `target`, shape (K,).

        The odds between two personas change by the same factor in every group, as in
        `Gate.with_marginal`, and the sizes of the groups stay: iterative proportional fitting
        (Deming and Stephan 1940). Where no factors reach the target, the result is the nearest.
        """
        wanted = np.asarray(target, dtype=np.float64)
        groups = ContextGroups(self.sizes, self.base, np.where(wanted > 0, 1.0, 0.0))
        for _ in range(MAX_ITERATIONS):
            now = groups.marginal
            if np.abs(now - wanted).max() < TOLERANCE:
                break
            ratio = np.divide(wanted, now, out=np.zeros_like(now), where=now > 0)
            factors = groups.factors * ratio / max(float((groups.factors * ratio).max()), 1e-300)
            used, ratios = factors[factors > 0], ratio[factors > 0]
            if not len(used) or used.min() < MIN_FACTOR or np.ptp(ratios) < TOLERANCE:
                break  # these weights cannot be reached
            groups = ContextGroups(self.sizes, self.base, factors)
        return groups

    def by_marginal(self, by_share: Array) -> Array:
        """Return derivatives by the overall persona weights from those by the cells' shares.

        Parameters
        ----------
        by_share : numpy.ndarray, shape (G, K)
            Partial derivatives of a quantity by the share of each cell.

        Returns
        -------
        numpy.ndarray, shape (K,)
            Up to a constant, which cancels for weights that sum to 1. Weights that cannot be
            reached change nothing: their derivative is 0.
        """
        totals = (self.base * self.factors).sum(1, keepdims=True)
        reach = self.sizes[:, None] * np.divide(
            self.base, totals, out=np.zeros_like(self.base), where=totals > 0
        )
        summed = reach.sum(0)
        of_group = np.divide(reach, summed, out=np.zeros_like(reach), where=summed > 0).T
        slope = (of_group * by_share.T).sum(1) - of_group @ (self.weights * by_share).sum(1)
        chain = (1 + RIDGE) * np.eye(len(slope)) - of_group @ self.weights + self.marginal
        return np.asarray(np.linalg.solve(chain, slope))


@dataclass(frozen=True, eq=False)
class GroupedDraws:
    """The group of each draw's context, and the groups.

    Attributes
    ----------
    labels : numpy.ndarray of int, shape (n,)
        The group of each draw.
    groups : ContextGroups
    """

    labels: Indices
    groups: ContextGroups

    def cells(self, codes: Indices) -> PersonaCells:
        """Return the cells that hold draws; `codes` (n,) is the persona of each draw."""
        shape = self.groups.base.shape
        if shape[0] == 1:
            return PersonaCells.without_contexts(shape[1])
        counts = np.bincount(self.labels * shape[1] + codes, minlength=shape[0] * shape[1])
        drawn = counts.reshape(shape) > 0
        group, persona = np.nonzero(drawn)
        base = ContextGroups(self.groups.sizes, np.where(drawn, self.groups.base, 0.0))
        return PersonaCells(base, group, persona)


@dataclass(frozen=True, eq=False)
class PersonaCells:
    """The (group, persona) cells of a simulation that hold draws.

    Attributes
    ----------
    groups : ContextGroups
        The G groups, with a base of 0 where a persona has no draws in a group.
    group, persona : numpy.ndarray of int, shape (N,)
        Which cell each row of a table by cell is.
    """

    groups: ContextGroups
    group: Indices
    persona: Indices

    @classmethod
    def without_contexts(cls, n_personas: int) -> PersonaCells:
        """Return one cell per persona: weights that do not depend on the context."""
        base = np.full((1, n_personas), 1 / n_personas)
        zeros = np.zeros(n_personas, dtype=np.intp)
        return cls(ContextGroups(np.ones(1), base), zeros, np.arange(n_personas))

    def __len__(self) -> int:
        return len(self.group)

    @property
    def is_contextual(self) -> bool:
        """Whether there is more than one group."""
        return len(self.groups.sizes) > 1

    def codes(self, labels: Indices, personas: Indices) -> Indices:
        """Return the cell of each draw, shape (n,), from its group and its persona."""
        if not self.is_contextual:
            return personas
        place = np.full(self.groups.base.shape, -1, dtype=np.intp)
        place[self.group, self.persona] = np.arange(len(self))
        return place[labels, personas]

    def shares(self, weights: Array) -> Array:
        """Return the share of each cell, shape (N,), under overall persona weights (K,)."""
        if not self.is_contextual:
            return weights
        return self.groups.with_marginal(weights).shares[self.group, self.persona]

    @property
    def limits(self) -> tuple[Array, Array]:
        """The lowest and the highest overall weight that each persona can have, (K,) each."""
        if not self.is_contextual:
            n = self.groups.base.shape[1]
            return np.zeros(n), np.ones(n)
        return self.groups.limits

    def reached(self, weights: Array) -> Array:
        """Return the overall weights that stand for these ones, (K,): the nearest within reach."""
        if not self.is_contextual:
            return weights
        return self.groups.with_marginal(weights).marginal

    def by_persona(self, weights: Array, by_cell: Array) -> Array:
        """Return derivatives by the persona weights, shape (M, K), from those by cell, (M, N)."""
        if not self.is_contextual:
            return by_cell
        full = np.zeros((len(by_cell), *self.groups.base.shape))
        full[:, self.group, self.persona] = by_cell
        return np.array([*map(self.groups.with_marginal(weights).by_marginal, full)])


def group_draws(weights: Array, mass: Array | None = None) -> GroupedDraws:
    """Return the groups of contexts of n draws.

    Parameters
    ----------
    weights : numpy.ndarray, shape (n, K)
        Persona weights pi(x) in the context of each draw. Where many contexts differ, the most
        alike share a group (k-means), so that a cell holds about ten draws or more.
    mass : numpy.ndarray, shape (n,), optional
        What each draw counts in the size of its group; equal by default.

    Examples
    --------
    >>> group_draws(np.repeat([[0.9, 0.1], [0.1, 0.9]], 30, axis=0)).groups.sizes.round(2).tolist()
    [0.5, 0.5]
    """
    n, n_personas = weights.shape
    most = min(MAX_GROUPS, MAX_CELLS // n_personas, n // (MIN_DRAWS_PER_CELL * n_personas))
    labels = _labels(weights, max(most, 1))
    share = np.full(n, 1 / n) if mass is None else mass / mass.sum()
    sizes = np.asarray(np.bincount(labels, share), dtype=np.float64)
    sums = [np.bincount(labels, share * column, len(sizes)) for column in weights.T]
    base = np.stack(sums, axis=1) / np.where(sizes > 0, sizes, 1.0)[:, None]
    return GroupedDraws(labels, ContextGroups(sizes, base))


def _labels(weights: Array, max_groups: int) -> Indices:
    rounded = np.round(weights / RESOLUTION).astype(np.int64)
    rows, labels = np.unique(rounded, axis=0, return_inverse=True)
    labels = labels.ravel()
    if len(rows) <= max_groups:
        return np.asarray(labels, dtype=np.intp)
    if max_groups == 1:
        return np.zeros(len(weights), dtype=np.intp)
    from sklearn.cluster import KMeans

    model = KMeans(max_groups, n_init=1, random_state=0)
    model.fit(rows * RESOLUTION, sample_weight=np.bincount(labels))
    return np.unique(model.labels_[labels], return_inverse=True)[1].astype(np.intp)
