"""ProGen: rounds; the most useful responses so far are the exemplars of the next round.

Ye et al. (Findings of EMNLP 2022) rate a synthetic record by its influence on the loss of the
task's classifier on a validation set. A population need not have labels, so here it is the
influence on the log-density of real records, by a kernel density over sentence vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.generation.baselines.method import Scene, Shown

Array = NDArray[np.float64]

N_ROUNDS = 4
MOST_VALIDATION = 200
BEST_SHARE = 0.2
MOST_BEST = 50
BANDWIDTH = 0.1


@dataclass(frozen=True)
class ProGen:
    """Shows `n_shown` of the most influential responses of the rounds before."""

    scene: Scene
    contexts: Sequence[str]
    vectors: Array
    n_rounds: int = N_ROUNDS
    log_prob: float = np.nan
    facts: Mapping[str, Any] = field(default_factory=dict)

    def draw(self, rows: Sequence[int], said: Sequence[str]) -> list[Shown]:
        """Return nothing in the first round, then some of the best for each of `rows`."""
        if not said:
            return [Shown() for _ in rows]
        best = self._best(said)
        return [Shown(exemplars=self._some(row, best)) for row in rows]

    def _best(self, said: Sequence[str]) -> dict[str, list[int]]:
        """Return the most influential responses of each context, as positions in `said`."""
        rated = self._influence(said)
        first = {text: i for i, text in reversed(list(enumerate(said))) if text.strip()}
        of_context: dict[str, list[int]] = {}
        for i in sorted(first.values(), key=lambda i: -rated[i]):
            of_context.setdefault(self.scene.contexts.contexts[i], []).append(i)
        return {
            context: places[: _n_best(len(places), self.scene.n_shown)]
            for context, places in of_context.items()
        }

    def _influence(self, said: Sequence[str]) -> Array:
        """Rate each response within its context; where that has no real records, by all."""
        vectors = self.scene.encoder.encode(list(said)).astype(np.float64)
        asked = np.array(self.scene.contexts.contexts[: len(said)], dtype=object)
        known = np.array(self.contexts, dtype=object)
        rated = np.zeros(len(said))
        for context in dict.fromkeys(asked):
            mine, real = asked == context, known == context
            rated[mine] = influence(
                vectors[mine], self.vectors[real if real.any() else slice(None)]
            )
        return rated

    def _some(self, row: int, best: Mapping[str, list[int]]) -> tuple[int, ...]:
        """Draw some of the best of the row's context; where that has none, of all."""
        everyone = [i for places in best.values() for i in places]
        places = best.get(self.scene.contexts.contexts[row], everyone)
        rng = np.random.default_rng([self.scene.random_state, 4, row])
        some = rng.permutation(places)[: self.scene.n_shown]
        return tuple(len(self.scene.exemplars) + int(i) for i in some)


def begin(scene: Scene) -> ProGen:
    """Draw the real records that responses are rated by."""
    records = scene.records()
    size = min(MOST_VALIDATION, len(records))
    real = records.take(records.draw(size, random_state=scene.random_state))
    vectors = scene.encoder.encode(real.responses).astype(np.float64)
    return ProGen(scene, real.contexts, vectors)


def influence(said: Array, real: Array, *, bandwidth: float = BANDWIDTH) -> Array:
    """Return how much more weight of each response raises the log-density of real records.

    The density of a record is the mean of exp(cosine / bandwidth) over the responses; this is the
    gradient of the sum of its logarithms by the weights of the responses, at equal weights.

    Parameters
    ----------
    said, real : ndarray, shapes (n, d) and (m, d)
        Unit vectors of the responses and of real records.
    bandwidth : float
        Of the kernel.

    Returns
    -------
    ndarray, shape (n,)
        They sum to m: a response near records that few others are near has most.

    Examples
    --------
    >>> influence(np.eye(2), np.array([[1.0, 0.0]])).round(3)
    array([1., 0.])
    """
    kernel = np.exp((said @ real.T - 1) / bandwidth)
    return np.asarray((kernel / kernel.sum(axis=0)).sum(axis=1))


def _n_best(n_rated: int, n_shown: int) -> int:
    return max(min(round(BEST_SHARE * n_rated), MOST_BEST), n_shown)
