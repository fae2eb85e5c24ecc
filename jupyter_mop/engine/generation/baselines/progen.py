"""ProGen: generate in rounds, each with the most useful earlier responses as exemplars.

Ye et al. (Findings of EMNLP 2022) rate a synthetic record by its influence on the loss of the
task's classifier on a validation set. A population need not have labels. The rating here is the
influence on the log-density of real records, by a kernel density estimate over sentence vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.generation.baselines.method import BaselineInputs, PromptContent

Array = NDArray[np.float64]

N_ROUNDS = 4
MAX_VALIDATION = 200
BEST_SHARE = 0.2
MAX_BEST = 50
BANDWIDTH = 0.1


@dataclass(frozen=True)
class ProGen:
    """Show `n_shown` of the most influential responses of earlier rounds.

    Attributes
    ----------
    inputs : BaselineInputs
    validation_contexts : sequence of str
        The context of each of m validation records.
    validation_vectors : ndarray, shape (m, d)
        Unit vectors of their responses.
    """

    inputs: BaselineInputs
    validation_contexts: Sequence[str]
    validation_vectors: Array
    n_rounds: int = N_ROUNDS
    log_prob: float = np.nan
    facts: Mapping[str, Any] = field(default_factory=dict)

    def draw(self, rows: Sequence[int], responses: Sequence[str]) -> list[PromptContent]:
        """Return no content in the first round, then some of the best responses for each row."""
        if not responses:
            return [PromptContent() for _ in rows]
        best = self._best(responses)
        return [PromptContent(exemplars=self._sample(row, best)) for row in rows]

    def _best(self, responses: Sequence[str]) -> dict[str, list[int]]:
        """Return the indices of the most influential responses in each context."""
        rating = self._rating(responses)
        first = {text: i for i, text in reversed(list(enumerate(responses))) if text.strip()}
        by_context: dict[str, list[int]] = {}
        for i in sorted(first.values(), key=lambda i: -rating[i]):
            by_context.setdefault(self.inputs.contexts.context_labels[i], []).append(i)
        return {
            context: indices[: _n_best(len(indices), self.inputs.n_shown)]
            for context, indices in by_context.items()
        }

    def _rating(self, responses: Sequence[str]) -> Array:
        """Return the influence of each response on the records of its context, or else on all."""
        vectors = self.inputs.encoder.encode(list(responses)).astype(np.float64)
        contexts = np.array(self.inputs.contexts.context_labels[: len(responses)], dtype=object)
        validation = np.array(self.validation_contexts, dtype=object)
        rating = np.zeros(len(responses))
        for context in dict.fromkeys(contexts):
            mine, real = contexts == context, validation == context
            rating[mine] = influence(
                vectors[mine], self.validation_vectors[real if real.any() else slice(None)]
            )
        return rating

    def _sample(self, row: int, best: Mapping[str, list[int]]) -> tuple[int, ...]:
        """Draw some of the best responses in the context of `row`, or else in any context."""
        anywhere = [i for indices in best.values() for i in indices]
        indices = best.get(self.inputs.contexts.context_labels[row], anywhere)
        rng = np.random.default_rng([self.inputs.random_state, 4, row])
        sample = rng.permutation(indices)[: self.inputs.n_shown]
        return tuple(len(self.inputs.exemplars) + int(i) for i in sample)


def prepare(inputs: BaselineInputs) -> ProGen:
    """Draw the validation records that rate the responses."""
    records = inputs.training_records()
    size = min(MAX_VALIDATION, len(records))
    real = records.take(records.draw(size, random_state=inputs.random_state))
    vectors = inputs.encoder.encode(real.responses).astype(np.float64)
    return ProGen(inputs, real.context_labels, vectors)


def influence(responses: Array, real: Array, *, bandwidth: float = BANDWIDTH) -> Array:
    """Return how much the weight of each response raises the log-density of real records.

    The density at a record is the mean of exp(cosine / bandwidth) over the responses. The
    influence is the gradient of the sum of log-densities with respect to the weights of the
    responses, at equal weights.

    Parameters
    ----------
    responses, real : ndarray, shapes (n, d) and (m, d)
        Unit vectors of the responses and of real records.
    bandwidth : float
        Bandwidth of the kernel.

    Returns
    -------
    ndarray, shape (n,)
        Influences that sum to m; largest for a response near records with few other responses.

    Examples
    --------
    >>> influence(np.eye(2), np.array([[1.0, 0.0]])).round(3)
    array([1., 0.])
    """
    kernel = np.exp((responses @ real.T - 1) / bandwidth)
    return np.asarray((kernel / kernel.sum(axis=0)).sum(axis=1))


def _n_best(n_rated: int, n_shown: int) -> int:
    return max(min(round(BEST_SHARE * n_rated), MAX_BEST), n_shown)
