"""Choose the strengths of the penalties and the number of classes on held-out respondents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.numerical_threads import one_thread
from jupyter_mop.engine.questionnaire.latent_classes import (
    Data,
    Parameters,
    Strengths,
    first_parameters,
    fit_classes,
    penalised_loss,
)

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
DEVIATIONS = (1000.0, 30.0, 10.0, 3.0, 1.0, 0.3)
CONTEXTS = (1000.0, 10.0, 1.0)
N_FOLDS, MAX_FOLDED = 4, 1000  # with more respondents, one quarter held out is enough
NARROW, WIDE = 0.05, 1.0  # standard deviation of deviations at the first start and others


@dataclass(frozen=True)
class Fitted:
    """A fit with its strengths.

    Attributes
    ----------
    parameters : Parameters
    strengths : Strengths
        Those with the highest likelihood of held-out respondents.
    classes : ndarray of int
        The classes that are used, of those that there are.
    held_out : pandas.DataFrame
        classes, deviation, context (strengths), log_lik (of a held-out respondent's answers, in
        nats) and chosen.
    """

    parameters: Parameters
    strengths: Strengths
    classes: Indices
    held_out: pd.DataFrame


def choose_and_fit(
    data: Data,
    *,
    log_shares: Array | None = None,
    n_starts: int = 2,
    deviations: Sequence[float] = DEVIATIONS,
    drop_classes: bool = False,
    random_state: int = 0,
) -> Fitted:
    """Choose the strengths on held-out respondents, then fit to all of them.

    The strength of the deviations is chosen first, from strong to weak, each fit beginning at the
    one before; then that of the context.

    Parameters
    ----------
    data : Data
    log_shares : ndarray, shape (K,), optional
        Logarithms of stated class weights.
    n_starts : int
        Number of starts: the language model's tables, then random ones.
    deviations : sequence of float
        Strengths of the deviations to try, from strong to weak.
    drop_classes : bool
        Also try fewer classes, the smallest left out first, as long as held-out answers become
        likelier or equally likely.
    random_state : int
        Seed of the folds and starts.
    """
    with one_thread():
        search = _Search(data, log_shares, n_starts, tuple(deviations), random_state)
        best, rows = search.run()
        classes = np.arange(data.layout.n_classes)
        while drop_classes and len(classes) > 1:
            sizes = _sizes(search.data, best.parameters)
            fewer = np.delete(classes, int(sizes.argmin()))
            smaller = replace(
                search,
                data=data.keep(fewer),
                log_shares=None if log_shares is None else log_shares[fewer],
            )
            other, more = smaller.run()
            rows += more
            if other.log_lik < best.log_lik:
                break
            best, classes, search = other, fewer, smaller
    held_out = pd.DataFrame(rows)
    chosen = (held_out["classes"] == len(classes)) & (
        held_out["deviation"] == best.strengths.deviation
    )
    chosen &= held_out["context"] == best.strengths.context
    return Fitted(best.parameters, best.strengths, classes, held_out.assign(chosen=chosen))


def fit_at(
    data: Data,
    strengths: Strengths,
    *,
    log_shares: Array | None = None,
    n_starts: int = 2,
    random_state: int = 0,
) -> Parameters:
    """Fit at given strengths: the best of several starts; see `choose_and_fit`."""
    with one_thread():
        return _Path(data, data, log_shares, n_starts, random_state).fit(strengths)


@dataclass(frozen=True)
class _Choice:
    parameters: Parameters
    strengths: Strengths
    log_lik: float


@dataclass(frozen=True)
class _Search:
    """The search for strengths with a given number of classes."""

    data: Data
    log_shares: Array | None
    n_starts: int
    deviations: tuple[float, ...]
    random_state: int

    def run(self) -> tuple[_Choice, list[dict[str, object]]]:
        """Return the fit to all respondents at the best strengths, and the strengths tried."""
        folds = _folds(len(self.data.weights), self.random_state)
        paths = [self.path(self.data.take(train), self.data.take(test)) for train, test in folds]
        rows: list[dict[str, object]] = []
        tried: dict[Strengths, float] = {}
        for ladder in (self._deviations(), self._contexts):
            for strengths in ladder if isinstance(ladder, list) else ladder(tried):
                tried[strengths] = self._held_out(paths, strengths)
                rows.append(self._row(strengths, tried[strengths]))
        strengths = max(tried, key=lambda s: tried[s])
        whole = self.path(self.data, self.data)
        for step in [s for s in tried if s.deviation >= strengths.deviation]:
            whole.fit(step)
        parameters = whole.fit(strengths)
        return _Choice(parameters, strengths, tried[strengths]), rows

    def path(self, train: Data, test: Data) -> _Path:
        """Return fits to some respondents, judged by others."""
        return _Path(train, test, self.log_shares, self.n_starts, self.random_state)

    def _deviations(self) -> list[Strengths]:
        return [Strengths(deviation) for deviation in self.deviations]

    def _contexts(self, tried: dict[Strengths, float]) -> list[Strengths]:
        if not self.data.features.shape[1]:
            return []
        best = max(tried, key=lambda s: tried[s])
        strengths = [Strengths(best.deviation, context) for context in CONTEXTS]
        return [s for s in strengths if s not in tried]

    def _held_out(self, paths: Sequence[_Path], strengths: Strengths) -> float:
        pairs = [path.held_out(strengths) for path in paths]
        return float(sum(total for total, _ in pairs) / sum(size for _, size in pairs))

    def _row(self, strengths: Strengths, log_lik: float) -> dict[str, object]:
        return {
            "classes": self.data.layout.n_classes,
            "deviation": strengths.deviation,
            "context": strengths.context,
            "log_lik": log_lik,
        }


class _Path:
    """Fits to the same respondents at several strengths, each from the ones before."""

    def __init__(
        self,
        train: Data,
        test: Data,
        log_shares: Array | None,
        n_starts: int,
        random_state: int,
    ) -> None:
        self.train, self.test, self.log_shares = train, test, log_shares
        self.chains = [
            first_parameters(
                train.layout,
                train.features.shape[1],
                log_shares=log_shares,
                spread=WIDE if start else NARROW,
                random_state=random_state + start,
            )
            for start in range(n_starts)
        ]

    def fit(self, strengths: Strengths) -> Parameters:
        """Return the best of the fits from all starts."""
        self.chains = [
            fit_classes(self.train, chain, strengths, log_shares=self.log_shares)
            for chain in self.chains
        ]
        losses = [
            penalised_loss(self.train, chain, strengths, self.log_shares) for chain in self.chains
        ]
        return self.chains[int(np.argmin(losses))]

    def held_out(self, strengths: Strengths) -> tuple[float, float]:
        """Return the log-likelihood of the held-out respondents, and their total weight."""
        parameters = self.fit(strengths)
        weights = self.test.weights
        return float(weights @ self.test.log_likelihood(parameters)), float(weights.sum())


def _folds(n: int, random_state: int) -> list[tuple[Indices, Indices]]:
    """Return training and held-out respondents: four folds, or one of them if there are many."""
    order = np.random.default_rng(random_state).permutation(n)
    parts = np.array_split(order, N_FOLDS)
    used = parts if n <= MAX_FOLDED else parts[:1]
    return [(np.setdiff1d(order, part), np.sort(part)) for part in used]


def _sizes(data: Data, parameters: Parameters) -> Array:
    return np.asarray(data.weights @ data.responsibilities(parameters) / data.weights.sum())
