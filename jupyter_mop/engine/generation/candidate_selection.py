"""Selection of one of several candidate responses per draw by the odds that it is real."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Encoder
from jupyter_mop.engine.data.exemplars import Exemplar

MIN_RESPONSES = 20  # draws and real responses that are needed to estimate odds
_BATCH_SIZE = 1000  # draws; bounds the memory
_MAX_REAL = 4000
_MAX_CONTEXTS, _MIN_PER_CONTEXT = 8, 50  # contexts with odds of their own, real responses of each
_N_FOLDS = 5
_INVERSE_PENALTY = 2.0  # chosen by log-loss on training reviews


@dataclass(frozen=True)
class SelectedCandidates:
    """The selected candidate of each draw, shape (n,), and all log-odds, shape (n, R)."""

    selected: NDArray[np.intp]
    log_odds: NDArray[np.float64]

    @classmethod
    def joined(cls, batches: Sequence[SelectedCandidates]) -> SelectedCandidates:
        """Return the selections of several batches of draws as one."""
        return cls(
            np.concatenate([batch.selected for batch in batches]),
            np.concatenate([batch.log_odds for batch in batches]),
        )

    @property
    def facts(self) -> dict[str, Any]:
        """Entries for the provenance: R and the mean effective number of candidates (Kish)."""
        weights = np.exp(self.log_odds - self.log_odds.max(1, keepdims=True))
        effective = weights.sum(1) ** 2 / (weights**2).sum(1)
        return {
            "n_candidates": self.log_odds.shape[1],
            "effective_candidates": round(float(effective.mean()), 2),
        }


@dataclass(frozen=True)
class CandidateSelector:
    """Select one candidate per draw by sampling-importance-resampling (Rubin 1987).

    Candidate y of a draw is selected with probability proportional to
    r(y, x) = p_real(y, x) / p_model(y, x). This ratio is estimated by the odds of being real that
    a logistic regression on the vector of the response predicts (Sugiyama, Suzuki and Kanamori
    2012). Contexts with many real responses have coefficients of their own. The odds of a draw's
    candidates come from a fit without these candidates (cross-fitting). All candidates of a draw
    have the same persona and exemplar, so the selection does not change the weights of the
    mixture; it changes the responses of each component.

    Parameters
    ----------
    real : sequence of Exemplar
        Real responses.
    encoder : Encoder
        Text to unit vectors.
    random_state : int
        Seed of the selection.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> real = [Exemplar({"topic": "noon"}, text) for text in ["sun", "sun sun"] * 20]
    >>> selector = CandidateSelector(real, ToyEncoder(["sun", "rain"]))
    >>> found = selector.select([{"topic": "noon"}] * 40, [["rain", "sun"]] * 40)
    >>> found.selected.mean() > 0.9
    np.True_
    """

    real: Sequence[Exemplar]
    encoder: Encoder
    random_state: int = 0

    def select(
        self, records: Sequence[Mapping[str, str]], candidates: Sequence[Sequence[str]]
    ) -> SelectedCandidates:
        """Select one of the R candidates of each of the n draws.

        Parameters
        ----------
        records : sequence of mapping
            The context of each draw, length n.
        candidates : sequence of sequence of str
            R texts for each draw. An empty text is selected only if all texts of a draw are empty.
        """
        batches = [
            slice(start, start + _BATCH_SIZE) for start in range(0, len(candidates), _BATCH_SIZE)
        ]
        log_odds = np.concatenate([self._log_odds(records[b], candidates[b]) for b in batches])
        rng = np.random.default_rng([self.random_state, 4])
        return SelectedCandidates((log_odds + rng.gumbel(size=log_odds.shape)).argmax(1), log_odds)

    def _log_odds(
        self, records: Sequence[Mapping[str, str]], candidates: Sequence[Sequence[str]]
    ) -> NDArray[np.float64]:
        """Return the log-odds of each candidate, shape (n, R); all equal if there are few draws."""
        n, n_candidates = len(candidates), len(candidates[0])
        responses = [
            Exemplar(record, text)
            for record, texts in zip(records, candidates, strict=True)
            for text in texts
        ]
        has_text = np.array([bool(response.response.strip()) for response in responses])
        log_odds = np.where(has_text, 0.0, -np.inf)
        if n >= MIN_RESPONSES and len(self.real) >= MIN_RESPONSES:
            draw = np.repeat(np.arange(n), n_candidates)
            texts = [
                response for response, is_text in zip(responses, has_text, strict=True) if is_text
            ]
            log_odds[has_text] = self._crossfitted(texts, draw[has_text])
        table = log_odds.reshape(n, n_candidates)
        table[~has_text.reshape(table.shape).any(1)] = 0.0
        return table

    def _crossfitted(
        self, responses: Sequence[Exemplar], draw: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return the log-odds of each response by a fit without the responses of its draw."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GroupKFold, cross_val_predict

        real = self._real_features
        real_groups = -1 - np.arange(len(real))
        log_odds = cross_val_predict(
            LogisticRegression(C=_INVERSE_PENALTY, class_weight="balanced", max_iter=1000),
            np.vstack([real, self._features(responses)]),
            np.repeat([1, 0], [len(real), len(responses)]),
            groups=np.concatenate([real_groups, draw]),
            cv=GroupKFold(_N_FOLDS),
            method="decision_function",
        )
        return np.asarray(log_odds[len(real) :], dtype=np.float64)

    def _features(self, responses: Sequence[Exemplar]) -> NDArray[np.float64]:
        """Return each response's vector, repeated in the columns of its context."""
        vectors = self.encoder.encode([r.response for r in responses]).astype(np.float64)
        contexts = np.array([response.label for response in responses], dtype=object)
        own = [vectors * (contexts == context)[:, None] for context in self._contexts]
        return np.hstack([vectors, *own])

    @cached_property
    def _real_features(self) -> NDArray[np.float64]:
        return self._features(self.real[:_MAX_REAL])

    @cached_property
    def _contexts(self) -> list[str]:
        """The contexts with coefficients of their own."""
        counts = Counter(response.label for response in self.real)
        most = counts.most_common(_MAX_CONTEXTS)
        return [context for context, n in most if n >= _MIN_PER_CONTEXT]
