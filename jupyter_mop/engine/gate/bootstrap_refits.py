"""Bootstrap intervals of learned weights: the gate is refitted to resampled records.

An interval is the learned value and its bootstrap standard error times a quantile of Student's t,
on a scale where the error hardly depends on the value. That takes fewer refits than percentiles do.

Each refit also draws the prior means of the structured terms from their priors (randomised maximum
a posteriori; Chen and Oliver 2012, Mathematical Geosciences 44). A coefficient that the records
tell nothing of then has the wide interval of its prior, not the narrow one of a value at rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.gate.component_scores import ComponentScores
from jupyter_mop.engine.gate.cross_validation import Penalties, fit_stages
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.metrics.half_sampling import ANGLE, IDENTITY, Scale
from jupyter_mop.errors import DataError

Array = NDArray[np.float64]
MIN_REFITS, DEFAULT_REFITS = 20, 30
LEVEL = 0.95
MAX_ITERATIONS = 30  # from the learned weights, which are near


@dataclass(frozen=True, eq=False)
class RefittedWeights:
    """The weights of a fit, and those of its repetitions.

    Attributes
    ----------
    weights, coefficients : ndarray, shapes (K,) and (A,)
        Persona weights and coefficients of the structured terms, as learned.
    all_weights, all_coefficients : ndarray, shapes (n, K) and (n, A)
        The same of each of n refits.

    Examples
    --------
    >>> refits = np.array([[0.6, 0.4], [0.7, 0.3], [0.5, 0.5]])
    >>> found = RefittedWeights(np.array([0.6, 0.4]), np.zeros(1), refits, np.zeros((3, 1)))
    >>> found.weight_intervals.round(2).to_numpy().tolist()
    [[0.18, 0.94], [0.06, 0.82]]
    """

    weights: Array
    coefficients: Array
    all_weights: Array
    all_coefficients: Array

    @property
    def weight_intervals(self) -> pd.DataFrame:
        """The 95 % interval of each persona weight: low and high, K rows."""
        return _intervals(self.weights, self.all_weights, ANGLE)

    @property
    def coefficient_intervals(self) -> pd.DataFrame:
        """The 95 % interval of each coefficient: low and high, A rows."""
        return _intervals(self.coefficients, self.all_coefficients, IDENTITY)


@dataclass(frozen=True)
class BootstrapRefits:
    """A fit that can be repeated on resampled records without model calls.

    Attributes
    ----------
    gate : Gate
        The learned weights, at which each refit starts.
    scores : ComponentScores
        The records.
    penalties : Penalties
        Those of the fit.
    """

    gate: Gate
    scores: ComponentScores
    penalties: Penalties

    def draw(self, *, random_state: int) -> Gate:
        """Return the gate fitted to as many records, drawn with replacement.

        The draw depends on `random_state` only.
        """
        rng = np.random.default_rng([3, random_state])
        scores, gate = self._resampled(rng), self.gate
        if gate.terms:
            shift = rng.normal(size=len(gate.a))
            gate = replace(gate, terms=replace(gate.terms, prior_shift=shift))
        return fit_stages(gate, scores, self.penalties, max_iter=MAX_ITERATIONS)

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
        by_source = posterior.reshape(self.scores.n_sources, self._n_records, -1)
        return np.asarray(by_source.mean(axis=0))

    def _resampled(self, rng: np.random.Generator) -> ComponentScores:
        """Multiply the weight of each record by how often it is drawn with replacement."""
        weighted = self.weight > 0
        counts = rng.multinomial(weighted.sum(), weighted / weighted.sum())
        return self.scores.weighted(self.scores.weight * np.tile(counts, self.scores.n_sources))

    @property
    def _n_records(self) -> int:
        return len(self.scores.weight) // self.scores.n_sources

    def repeated(
        self,
        n: int,
        contexts: Array,
        weight: Array,
        *,
        random_state: int = 0,
        on_result: Callable[[int, object], object] | None = None,
    ) -> RefittedWeights:
        """Repeat the fit `n` times.

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

        Raises
        ------
        DataError
            If `n` is less than 20.
        """
        if n < MIN_REFITS:
            raise DataError(
                f"Need at least {MIN_REFITS} refits for an interval, got {n}.", hint="Use n=100."
            )
        weights, coefficients = [], []
        for i in range(n):
            gate = self.draw(random_state=random_state + i)
            weights.append(gate.persona_weights(contexts, weight))
            coefficients.append(gate.a)
            if on_result:
                on_result(i, None)
        return RefittedWeights(
            self.gate.persona_weights(contexts, weight),
            self.gate.a,
            np.array(weights),
            np.array(coefficients),
        )


def _intervals(values: Array, refits: Array, scale: Scale) -> pd.DataFrame:
    from scipy.stats import t

    error = scale.forward(refits).std(axis=0, ddof=1)
    reach = t.ppf((1 + LEVEL) / 2, len(refits) - 1) * error
    centre = scale.forward(values)
    low, high = (scale.backward(centre + side * reach) for side in (-1, 1))
    return pd.DataFrame({"low": low, "high": high})
