"""Choice of the gate's penalty by cross-validation, and what its weights are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.gate.component_scores import ComponentScores
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.metrics.vectors import effective_sample_size

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
PENALTIES = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
N_FOLDS, N_FOLDS_OF_MANY, MANY_RECORDS = 4, 2, 1000
N_WORSE = 2  # penalties in a row with a lower likelihood, after which smaller ones are not tried
MIN_GAIN = 0.005  # nats a record that a gain must be, however clear
MIN_Z = 2.0  # standard errors above zero that a gain must be
MAX_ITERATIONS = 60


@dataclass(frozen=True)
class CrossValidation:
    """Log-likelihoods of each record by gates that were fitted without it.

    Attributes
    ----------
    log_prob : ndarray, shape (L, S, n)
        Of the start, of the structured terms alone, then of each penalty, in nats; by each of S
        sources of evidence.
    fold : ndarray of int, shape (n,)
        The fold of each record.
    weight : ndarray, shape (n,)
        Survey weights.
    """

    log_prob: Array
    fold: Indices
    weight: Array

    def chosen(self) -> int:
        """Return the level, 1 or more, with the highest likelihood of all records."""
        return 1 + int((self.log_prob[1:].mean(axis=1) @ self.weight).argmax())

    @property
    def learned(self) -> Array:
        """The log-likelihood of each record at the level that other folds chose, shape (S, n)."""
        level = 1 + self.best_of_other_folds(self.log_prob[1:].mean(axis=1))
        return self.log_prob[level, :, np.arange(len(level))].T

    def best_of_other_folds(self, log_prob: Array) -> Indices:
        """Return for each record the model that is likeliest in the other folds, shape (n,).

        Parameters
        ----------
        log_prob : ndarray, shape (M, n)
            Log-likelihood of each record under each of M models.
        """
        best = np.empty(len(self.fold), dtype=np.intp)
        for fold in np.unique(self.fold):
            here = self.fold == fold
            best[here] = (log_prob[:, ~here] @ self.weight[~here]).argmax()
        return best

    def gain(self, source: int | None = None) -> tuple[float, float]:
        """Return the mean gain of learned weights over the start, and its standard error.

        It is in nats per record, by one source or as the mean over the sources.
        """
        by_source = self.learned - self.log_prob[0]
        gains = by_source.mean(axis=0) if source is None else by_source[source]
        mean = float(np.average(gains, weights=self.weight))
        variance = float(np.average((gains - mean) ** 2, weights=self.weight))
        return mean, (variance / max(effective_sample_size(self.weight) - 1, 1)) ** 0.5

    @property
    def is_gain_clear(self) -> bool:
        """Whether the gain over the start is above two standard errors and .005 nats."""
        mean, error = self.gain()
        return mean > max(MIN_Z * error, MIN_GAIN)


def cross_validate(
    start: Gate, scores: ComponentScores, penalties: Sequence[float], fold: Indices
) -> CrossValidation:
    """Fit the gate at every penalty without each fold in turn, and score the records left out.

    Parameters
    ----------
    start : Gate
        The gate at which a fit starts.
    scores : ComponentScores
        The n records, once for each source of evidence.
    penalties : sequence of float
        Penalties on the gate's matrices, the largest first.
    fold : ndarray of int, shape (n,)
        The fold of each record; see `folds`.
    """
    n, n_entries = len(fold), len(scores.weight)
    fold_of = np.tile(fold, n_entries // n)
    divisions = [np.flatnonzero(fold_of == left_out) for left_out in np.unique(fold)]
    held_out = [scores.take(here) for here in divisions]
    train = [scores.take(np.setdiff1d(np.arange(n_entries), here)) for here in divisions]
    log_prob = [start.log_prob(scores)]
    terms = [fit_terms(start, rest) for rest in train]
    for gates in (terms, *(_refitted(start, terms, train, l2) for l2 in penalties)):
        level = np.empty(n_entries)
        for gate, here, part in zip(gates, divisions, held_out, strict=True):
            level[here] = gate.log_prob(part)
        log_prob.append(level)
        means = np.array(log_prob[1:]) @ scores.weight
        if len(means) - means.argmax() > N_WORSE:
            break
    by_source = np.array(log_prob).reshape(len(log_prob), -1, n)
    return CrossValidation(by_source, fold, scores.weight[:n])


def _refitted(
    start: Gate, terms: Sequence[Gate], train: Sequence[ComponentScores], l2: float
) -> list[Gate]:
    return [fit_matrices(start, gate, rest, l2) for gate, rest in zip(terms, train, strict=True)]


def fit_terms(start: Gate, scores: ComponentScores) -> Gate:
    """Return the gate with the structured terms and the offsets fitted, and matrices of zero."""
    zeros = {name: np.zeros_like(getattr(start, name)) for name in ("w_x", "w_g", "w_e")}
    return replace(start, **zeros).fit(scores, l2=0.0, max_iter=MAX_ITERATIONS)


def fit_matrices(start: Gate, terms: Gate, scores: ComponentScores, l2: float) -> Gate:
    """Return the gate with everything fitted, from `terms` with the matrices of `start`."""
    gate = replace(terms, w_x=start.w_x, w_g=start.w_g, w_e=start.w_e)
    return gate.fit(scores, l2=l2, max_iter=MAX_ITERATIONS)


def folds(
    groups: Sequence[object] | Indices, *, n: int | None = None, random_state: int = 0
) -> Indices:
    """Return a random fold for each record; records of a group share theirs.

    There are four folds by default, or two for more than 1,000 records.

    Examples
    --------
    >>> np.bincount(folds(range(10), n=2)).tolist()
    [5, 5]
    """
    import pandas as pd

    n = n or (N_FOLDS if len(groups) <= MANY_RECORDS else N_FOLDS_OF_MANY)
    codes, distinct = pd.factorize(np.array(groups, dtype=object))
    order = np.random.default_rng([random_state, 6]).permutation(len(distinct))
    return np.asarray(order[codes] % n, dtype=np.intp)
