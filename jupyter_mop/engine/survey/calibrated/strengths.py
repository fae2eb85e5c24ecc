"""Strengths chosen on held-out people: an average of calibrated mixtures by held-out likelihood.

Each set of strengths is fitted to all folds but one and judged by the people of that one. One
set is not chosen: with 60 people the likeliest set is mostly the luckiest, which costs a tenth in
total variation by subgroup. Mixtures are averaged instead, each by exp(held-out log-likelihood)
(pseudo Bayesian model averaging; Yao et al. 2018, *Using stacking to average Bayesian predictive
distributions*, Bayesian Analysis 13) times a prior that prefers little. The average is again a
mixture of the same personas. A fifth of the prior is on mixtures that use the language model: where
it knows something, 60 people say so by more nats than that costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.survey.calibrated.mixture import (
    Design,
    Strengths,
    fit,
    log_prob,
    tables,
)
from jupyter_mop.engine.survey.calibrated.records import Records

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
COLUMNS, CELLS = (0.0, 0.1, 0.2, 0.4, 0.8), (0.0, 0.15, 0.4)
WITH_MODEL = (
    Strengths(model=1.0, gate=0.3),
    Strengths(model=1.0, gate=1.0),
    Strengths(model=1.0, gate=1.0, persona=0.5),
)
PRIOR_RATE, PRIOR_RATE_OF_PERSONAS = 2.0, 1.0  # nats that a standard deviation of 1 costs
MODEL_PRIOR = 0.2
N_BEST = 3  # strengths of the offsets that are tried with the language model too
MIN_SHARE = 1e-3  # members with less weight are left out


@dataclass(frozen=True)
class Member:
    """A calibrated mixture with given strengths, fitted without each fold in turn.

    Attributes
    ----------
    design : Design
    strengths : Strengths
    thetas : tuple of ndarray
        The parameters without each fold.
    held_out : ndarray, shape (n,)
        The log-probability of each record by the mixture that was fitted without its fold.
    log_prior : float
    """

    design: Design
    strengths: Strengths
    thetas: tuple[Array, ...]
    held_out: Array
    log_prior: float

    @property
    def uses_model(self) -> bool:
        """Whether the language model's probabilities are used."""
        return self.strengths.model > 0


@dataclass(frozen=True)
class Learned:
    """An average of calibrated mixtures.

    Attributes
    ----------
    design : Design
    records : Records
        The people that were learned from.
    fold : ndarray of int, shape (n,)
    members : tuple of Member
    """

    design: Design
    records: Records
    fold: Indices
    members: tuple[Member, ...]

    def without_model(self) -> Learned:
        """Return the average of the mixtures that do not use the language model."""
        kept = tuple(member for member in self.members if not member.uses_model)
        return replace(self, members=kept)

    def log_shares(self, rows: NDArray[np.bool_] | None = None) -> Array:
        """Return the log of each member's share in the average, shape (M,).

        Parameters
        ----------
        rows : ndarray of bool, shape (n,), optional
            The records that judge; default: all.
        """
        weight = self.records.weight if rows is None else self.records.weight * rows
        scores = np.array([member.held_out @ weight + member.log_prior for member in self.members])
        return np.asarray(scores - np.logaddexp.reduce(scores))

    @property
    def model_share(self) -> float:
        """The share of the mixtures that use the language model."""
        used = [member.uses_model for member in self.members]
        return float(np.exp(self.log_shares()) @ np.array(used, dtype=float))

    @cached_property
    def _thetas(self) -> dict[int, Array]:
        """The parameters of each member that counts, fitted to all records."""
        return {
            m: fit(member.design, self.records, member.strengths, member.thetas[0])
            for m, member in enumerate(self.members)
            if self.log_shares()[m] > np.log(MIN_SHARE)
        }

    @cached_property
    def slope(self) -> float:
        """The mean slope beta of the log-probabilities, in units of their standard deviation."""
        shares = np.exp(self.log_shares())
        used = {m: theta for m, theta in self._thetas.items() if self.members[m].uses_model}
        return float(sum(shares[m] * theta[0] for m, theta in used.items()))

    def tables(self) -> tuple[Array, Array]:
        """Return the persona weights (C, K) and the option probabilities (C, K, A)."""
        return self._averaged(self.log_shares(), self._thetas)

    def held_out_log_prob(self) -> Array:
        """Return the log-probability of each record, learned from the other folds, shape (n,)."""
        found = np.empty(len(self.records))
        held_out = np.array([member.held_out for member in self.members])
        for f in range(int(self.fold.max()) + 1):
            rows = self.fold == f
            logs = self.log_shares(~rows)[:, None] + held_out[:, rows]
            found[rows] = np.logaddexp.reduce(logs, axis=0)
        return found

    def held_out_shares(self) -> list[Array]:
        """Return the shares of the options, (C, A), as learned without each fold."""
        found = []
        for f in range(int(self.fold.max()) + 1):
            thetas = {m: member.thetas[f] for m, member in enumerate(self.members)}
            weights, options = self._averaged(self.log_shares(self.fold != f), thetas)
            found.append(np.einsum("ck,cka->ca", weights, options))
        return found

    def _averaged(self, log_shares: Array, thetas: dict[int, Array]) -> tuple[Array, Array]:
        """Return the average as one mixture of the personas: joint probabilities, then given k."""
        shares = {m: float(np.exp(log_shares[m])) for m in thetas}
        weights = np.zeros(self.design.shape[:2])
        joint = np.zeros(self.design.shape)
        for m, theta in thetas.items():
            by_persona, options = tables(self.members[m].design, theta)
            if not self.members[m].uses_model:
                by_persona = self._equal
            weights += shares[m] * by_persona
            joint += shares[m] * by_persona[..., None] * options
        answered = np.maximum(weights, np.finfo(np.float64).tiny)
        options = joint / answered[..., None]
        total = sum(shares.values())
        unknown = ~self.design.answered[..., None]
        return weights / total, np.where(unknown, 1 / self.design.shape[2], options)

    @property
    def _equal(self) -> Array:
        """Equal weights of the personas that answered, shape (C, K)."""
        answered = self.design.answered.astype(np.float64)
        n_answered = answered.sum(axis=1, keepdims=True)
        return np.asarray(np.divide(answered, n_answered, where=n_answered > 0,
                                    out=np.full_like(answered, 1 / answered.shape[1])))  # fmt: skip


def learn(design: Design, records: Records, fold: Indices) -> Learned:
    """Return the average of calibrated mixtures over their strengths, judged on held-out people.

    Parameters
    ----------
    design : Design
        The contexts, of these records and others.
    records : Records
    fold : ndarray of int, shape (n,)
        The fold of each record.
    """
    plain = design.without_model()
    cells = CELLS if design.cells.shape[1] else CELLS[:1]
    offsets = [Strengths(column, cell) for column, cell in product(COLUMNS, cells)]
    members = _members(plain, records, fold, offsets, 1 - MODEL_PRIOR)
    if not design.log_odds.any():
        return Learned(design, records, fold, tuple(members))
    best = Learned(design, records, fold, tuple(members)).log_shares().argsort()[::-1][:N_BEST]
    tried = {offsets[0], offsets[2 * len(cells)], *(offsets[m] for m in best)}
    chosen = [
        replace(strengths, column=offset.column, cell=offset.cell)
        for strengths in WITH_MODEL
        for offset in sorted(tried, key=offsets.index)
    ]
    members += _members(design, records, fold, chosen, MODEL_PRIOR)
    return Learned(design, records, fold, tuple(members))


def _members(
    design: Design, records: Records, fold: Indices, tried: Sequence[Strengths], prior: float
) -> list[Member]:
    """Fit a mixture with each of some strengths without each fold; together they have `prior`."""
    start: list[Array | None] = [None] * (int(fold.max()) + 1)
    costs = [
        PRIOR_RATE * (s.column + s.cell) + PRIOR_RATE_OF_PERSONAS * (s.gate + s.persona)
        for s in tried
    ]
    priors = np.log(prior) - np.array(costs)
    priors -= np.logaddexp.reduce(-np.array(costs))
    found = []
    for strengths, log_prior in zip(tried, priors, strict=True):
        held_out = np.empty(len(records))
        thetas: list[Array] = []
        for f, begin in enumerate(start):
            rows = fold == f
            thetas.append(fit(design, records.take(~rows), strengths, begin))
            held_out[rows] = log_prob(design, thetas[f], records.take(rows))
        start = list(thetas)
        found.append(Member(design, strengths, tuple(thetas), held_out, float(log_prior)))
    return found
