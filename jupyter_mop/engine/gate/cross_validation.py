"""Choice of the gate's penalty by cross-validation, and what its weights are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.gate.component_scores import ComponentScores
from jupyter_mop.engine.gate.gate import PARAMETERS, Gate
from jupyter_mop.engine.metrics.vectors import effective_sample_size

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
PENALTIES = (0.1, 0.01, 0.001)
N_FOLDS, N_FOLDS_OF_MANY, MANY_RECORDS = 4, 2, 1000
N_WORSE = 1  # penalties in a row with a lower likelihood, after which smaller ones are not tried
MIN_GAIN = 0.005  # nats a record that a gain must be, however clear
MIN_Z = 2.5  # standard errors above zero that a gain must be; one of several levels was chosen
MAX_ITERATIONS = 60


class Penalties(NamedTuple):
    """Penalties on the gate's matrices, per record; None leaves a stage of the fit out."""

    personas: float | None = None
    exemplars: float | None = None


@dataclass(frozen=True)
class CrossValidation:
    """Log-likelihoods of each record by gates that were fitted without it.

    Attributes
    ----------
    log_prob : ndarray, shape (1 + L, S, n)
        Of the start, then of each level, in nats; by each of S sources of evidence.
    levels : tuple of Penalties, length L
        The first has none: structured terms alone.
    fold : ndarray of int, shape (n,)
        The fold of each record.
    weight : ndarray, shape (n,)
        Survey weights.
    """

    log_prob: Array
    levels: tuple[Penalties, ...]
    fold: Indices
    weight: Array

    def chosen(self) -> Penalties:
        """Return the level with the highest likelihood of all records."""
        return self.levels[simplest(self.log_prob[1:].mean(axis=1), self.weight)]

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
            best[here] = simplest(log_prob[:, ~here], self.weight[~here])
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
        """Whether the gain over the start is above 2.5 standard errors and .005 nats."""
        mean, error = self.gain()
        return mean > max(MIN_Z * error, MIN_GAIN)


def simplest(log_prob: Array, weight: Array) -> int:
    """Return the first of M levels that is not clearly worse than the best.

    The standard error is that of the difference of the two, record by record.

    Parameters
    ----------
    log_prob : ndarray, shape (M, n)
        Held-out log-likelihood of each record, the simplest level first.
    weight : ndarray, shape (n,)
        Survey weights.

    Examples
    --------
    >>> log_prob = np.array([[0.0, 0.0, 0.0], [0.5, 0.4, -0.6], [1.0, 1.1, 0.9]])
    >>> simplest(log_prob, np.ones(3)), simplest(log_prob[:2], np.ones(3))
    (2, 0)
    """
    share = weight / weight.sum()
    best = int((log_prob @ share).argmax())
    behind = log_prob[best] - log_prob
    mean = behind @ share
    variance = (behind - mean[:, None]) ** 2 @ share
    error = np.sqrt(variance / max(effective_sample_size(weight) - 1, 1))
    return int(np.argmax(mean <= error))


def cross_validate(
    start: Gate, scores: ComponentScores, penalties: Sequence[float], fold: Indices
) -> CrossValidation:
    """Fit the gate at every level without each fold in turn, and score the records left out.

    The penalty of persona weights is chosen first, then that of exemplar weights.

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

    def held_out_log_prob(gates: Sequence[Gate], l2: float | None) -> Array:
        log_prob = np.empty(n_entries)
        for gate, rest, here, part in zip(gates, train, divisions, held_out, strict=True):
            log_prob[here] = fit_exemplars(gate, rest, l2).log_prob(part)
        return log_prob

    fitted = [[fit_terms(start, rest) for rest in train]]
    levels, log_prob = [Penalties()], [held_out_log_prob(fitted[0], None)]
    for stage in Penalties._fields:
        best = simplest(
            np.array(log_prob).reshape(len(log_prob), -1, n).mean(axis=1), scores.weight[:n]
        )
        of_stage: list[float] = []
        for l2 in penalties:
            gates = fitted[best]
            if stage == "personas":
                gates = [fit_personas(*pair, l2) for pair in zip(gates, train, strict=True)]
                fitted.append(gates)
            levels.append(levels[best]._replace(**{stage: l2}))
            log_prob.append(held_out_log_prob(gates, levels[-1].exemplars))
            of_stage.append(float(log_prob[-1] @ scores.weight))
            if len(of_stage) - int(np.argmax(of_stage)) > N_WORSE:
                break
    every = np.array([start.log_prob(scores), *log_prob])
    by_source = every.reshape(len(every), -1, n)
    return CrossValidation(by_source, tuple(levels), fold, scores.weight[:n])


def fit_stages(
    gate: Gate, scores: ComponentScores, penalties: Penalties, *, max_iter: int = MAX_ITERATIONS
) -> Gate:
    """Return the gate fitted in stages: structured terms, who answers, what they are shown.

    Persona weights are learned while each persona is shown exemplars of its own subgroup, as the
    structured terms choose them. Only then are exemplars weighted, and persona weights stay. If
    both were free at once, any persona could be shown any exemplar, and its weight would say
    nothing of its subgroup.

    Parameters
    ----------
    gate : Gate
        Where each stage starts.
    scores : ComponentScores
        The records.
    penalties : Penalties
        The stages, and their penalties.
    max_iter : int
        Maximum number of iterations of a stage.
    """
    fitted = fit_terms(gate, scores, max_iter=max_iter)
    if penalties.personas is not None:
        begun = replace(fitted, w_x=gate.w_x, w_g=gate.w_g)
        fitted = fit_personas(begun, scores, penalties.personas, max_iter=max_iter)
    if penalties.exemplars is not None:
        fitted = replace(fitted, w_e=gate.w_e)
    return fit_exemplars(fitted, scores, penalties.exemplars, max_iter=max_iter)


def fit_terms(gate: Gate, scores: ComponentScores, *, max_iter: int = MAX_ITERATIONS) -> Gate:
    """Return the gate with the structured terms and the offsets fitted, W_g and W_e zero."""
    plain = replace(gate, w_g=np.zeros_like(gate.w_g), w_e=np.zeros_like(gate.w_e))
    return _fit(plain, scores, 0.0, ("a", "b"), max_iter)


def fit_personas(
    gate: Gate, scores: ComponentScores, l2: float, *, max_iter: int = MAX_ITERATIONS
) -> Gate:
    """Return the gate with its persona weights by context fitted; W_e must be zero."""
    return _fit(gate, scores, l2, ("w_x", "w_g", "b"), max_iter)


def fit_exemplars(
    gate: Gate, scores: ComponentScores, l2: float | None, *, max_iter: int = MAX_ITERATIONS
) -> Gate:
    """Return the gate with what is shown fitted, a1 near its prior and W_e; persona weights stay.

    Without a penalty W_e stays zero.
    """
    begun, terms = gate, gate.terms
    if terms:
        a = np.r_[gate.a[:2], terms.prior_mean[2:]]
        begun = replace(gate, a=a, terms=terms.answering)
    free = ("a1",) if l2 is None else ("a1", "w_e")
    return replace(_fit(begun, scores, l2 or 0.0, free, max_iter), terms=terms)


def _fit(
    gate: Gate, scores: ComponentScores, l2: float, free: tuple[str, ...], max_iter: int
) -> Gate:
    fitted = replace(gate, free=free).fit(scores, l2=l2, max_iter=max_iter)
    return replace(fitted, free=PARAMETERS)


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
