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
N_FOLDS = 4
MIN_Z = 2.0  # standard errors above zero that a gain must be
MAX_ITERATIONS = 60


@dataclass(frozen=True)
class CrossValidation:
    """Log-likelihoods of each record by gates that were fitted without it.

    Attributes
    ----------
    log_prob : ndarray, shape (L, n)
        Of the start, of the structured terms alone, then of each penalty, in nats.
    fold : ndarray of int, shape (n,)
        The fold of each record.
    weight : ndarray, shape (n,)
        Survey weights.
    """

    log_prob: Array
    fold: Indices
    weight: Array

    def chosen(self, rows: NDArray[np.bool_] | slice = slice(None)) -> int:
        """Return the level, 1 or more, with the highest likelihood of the records `rows`."""
        return 1 + int((self.log_prob[1:, rows] @ self.weight[rows]).argmax())

    @property
    def learned(self) -> Array:
        """The log-likelihood of each record at the level that other folds chose, shape (n,)."""
        log_prob = np.empty_like(self.weight)
        for fold in np.unique(self.fold):
            here = self.fold == fold
            log_prob[here] = self.log_prob[self.chosen(~here), here]
        return log_prob

    @property
    def gain(self) -> tuple[float, float]:
        """The mean gain of learned weights over the start per record, and its standard error."""
        gains = self.learned - self.log_prob[0]
        mean = float(np.average(gains, weights=self.weight))
        variance = float(np.average((gains - mean) ** 2, weights=self.weight))
        return mean, (variance / max(effective_sample_size(self.weight) - 1, 1)) ** 0.5

    @property
    def is_gain_clear(self) -> bool:
        """Whether learned weights are better than the start by two standard errors."""
        mean, error = self.gain
        return mean > MIN_Z * error


def cross_validate(
    start: Gate, scores: ComponentScores, penalties: Sequence[float], fold: Indices
) -> CrossValidation:
    """Fit the gate at every penalty without each fold in turn, and score the records left out.

    Parameters
    ----------
    start : Gate
        The gate at which a fit starts.
    scores : ComponentScores
        The n records.
    penalties : sequence of float
        Penalties on the gate's matrices, the largest first.
    fold : ndarray of int, shape (n,)
        The fold of each record; see `folds`.
    """
    log_prob = np.empty((2 + len(penalties), len(fold)))
    for left_out in np.unique(fold):
        here, rest = np.flatnonzero(fold == left_out), np.flatnonzero(fold != left_out)
        held_out = scores.take(here)
        path = [start, *fit_path(start, scores.take(rest), penalties)]
        log_prob[:, here] = [gate.log_prob(held_out) for gate in path]
    return CrossValidation(log_prob, fold, scores.weight)


def fit_path(start: Gate, scores: ComponentScores, penalties: Sequence[float]) -> list[Gate]:
    """Return the fit of the structured terms and offsets alone, then one for each penalty.

    The matrices of each fit start at those of `start`: a fit that begins where a large penalty has
    made them zero would stay there.
    """
    zeros = {name: np.zeros_like(getattr(start, name)) for name in ("w_x", "w_g", "w_e")}
    terms = replace(start, **zeros).fit(scores, l2=0.0, max_iter=MAX_ITERATIONS)
    gate = replace(terms, w_x=start.w_x, w_g=start.w_g, w_e=start.w_e)
    return [terms, *(gate.fit(scores, l2=l2, max_iter=MAX_ITERATIONS) for l2 in penalties)]


def folds(groups: Sequence[object], *, n: int = N_FOLDS, random_state: int = 0) -> Indices:
    """Return a random fold for each record; records of a group share theirs.

    Examples
    --------
    >>> np.bincount(folds(range(10), n=2)).tolist()
    [5, 5]
    """
    import pandas as pd

    codes, distinct = pd.factorize(np.array(groups, dtype=object))
    order = np.random.default_rng([random_state, 6]).permutation(len(distinct))
    return np.asarray(order[codes] % n, dtype=np.intp)
