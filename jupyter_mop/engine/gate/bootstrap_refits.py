"""Bootstrap intervals of learned weights: the gate is refitted to resampled records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.gate.component_scores import ComponentScores
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.errors import DataError

Array = NDArray[np.float64]
MIN_REFITS = 20
LEVEL = (0.025, 0.975)
MAX_ITERATIONS = 30  # from the learned weights, which are near


@dataclass(frozen=True)
class BootstrapRefits:
    """A fit that can be repeated on resampled records without model calls.

    Attributes
    ----------
    gate : Gate
        The learned weights, at which each refit starts.
    scores : ComponentScores
        The records.
    l2 : float or None
        Penalty of the fit; None keeps the matrices at zero.
    n_sources : int
        How many times `scores` has each record, once for each source of evidence.
    """

    gate: Gate
    scores: ComponentScores
    l2: float | None
    n_sources: int = 1

    def draw(self, *, random_state: int) -> Gate:
        """Return the gate fitted to as many records, drawn with replacement.

        The draw depends on `random_state` only.
        """
        rng = np.random.default_rng([3, random_state])
        scores = _resampled(self.scores, rng, self.n_sources)
        return self.gate.fit(scores, l2=self.l2 or 0.0, max_iter=MAX_ITERATIONS)

    @property
    def weight(self) -> Array:
        """Survey weight of each record, shape (n,)."""
        return self.scores.weight[: self._n_records]

    @property
    def contexts(self) -> Array:
        """Context vector of each record, shape (n, d)."""
        return self.scores.contexts[: self._n_records]

    def responsibilities(self, gate: Gate) -> Array:
        """Return the posterior of each persona, the mean over the sources, shape (n, K)."""
        posterior = gate.responsibilities(self.scores)
        by_source = posterior.reshape(self.n_sources, self._n_records, -1)
        return np.asarray(by_source.mean(axis=0))

    @property
    def _n_records(self) -> int:
        return len(self.scores.weight) // self.n_sources

    def intervals(
        self,
        n: int,
        contexts: Array,
        weight: Array,
        *,
        random_state: int = 0,
        on_result: Callable[[int, object], object] | None = None,
    ) -> pd.DataFrame:
        """Return 95 % percentile intervals of the persona weights from `n` refits.

        Parameters
        ----------
        n : int
            Number of refits, at least 20.
        contexts, weight : ndarray, shapes (m, d) and (m,)
            Context vectors and their weights, over which the persona weights are averaged.
        random_state : int
            Seed of the first refit.
        on_result : callable, optional
            Called with (index, None) after each refit.

        Returns
        -------
        pandas.DataFrame
            low and high, K rows.

        Raises
        ------
        DataError
            If `n` is less than 20.
        """
        if n < MIN_REFITS:
            raise DataError(
                f"Need at least {MIN_REFITS} refits for an interval, got {n}.", hint="Use n=100."
            )
        weights = []
        for i in range(n):
            gate = self.draw(random_state=random_state + i)
            weights.append(gate.persona_weights(contexts, weight))
            if on_result:
                on_result(i, None)
        low, high = np.quantile(weights, LEVEL, axis=0)
        return pd.DataFrame({"low": low, "high": high})


def _resampled(
    scores: ComponentScores, rng: np.random.Generator, n_sources: int
) -> ComponentScores:
    """Multiply the weight of each record by the number of times it is drawn with replacement."""
    weighted = scores.weight[: len(scores.weight) // n_sources] > 0
    counts = rng.multinomial(weighted.sum(), weighted / weighted.sum())
    return scores.weighted(scores.weight * np.tile(counts, n_sources))
