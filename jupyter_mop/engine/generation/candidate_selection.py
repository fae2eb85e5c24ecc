"""Several candidates for each draw, of which one is kept: the likelier a real person said it."""

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

FEWEST = 20  # draws, and real responses, below which nothing can be learned of their odds
_AT_ONCE = 1000  # draws, so that memory does not grow with their number
_MOST_REAL = 4000
_MOST_CONTEXTS, _FEWEST_OF_ONE = 8, 50  # contexts with odds of their own; real responses each
_FOLDS = 5
_INVERSE_PENALTY = 2.0  # chosen by log-loss on reviews to learn from


@dataclass(frozen=True)
class Resampler:
    """Keeps one of the candidates of each draw by its odds of being a real response.

    Sampling-importance-resampling (Rubin 1987): candidate y of a draw is kept with a probability
    in proportion to r(y, x) = p_real(y, x) / p_model(y, x), estimated as the odds that a logistic
    regression gives it of being real (Sugiyama, Suzuki and Kanamori 2012) from the vector of the
    response; contexts with many real responses have coefficients of their own. The odds of a
    draw's candidates come from a fit that has not seen them. The candidates of a draw share persona
    and exemplar, so the mixture's weights stay what they are: what changes is what a component
    says.

    Parameters
    ----------
    real : sequence of Exemplar
        Real responses.
    encoder : Encoder
        Text to unit vectors.
    random_state : int
        Seed of the choice.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> real = [Exemplar({"topic": "noon"}, said) for said in ["sun", "sun sun"] * 20]
    >>> kept = Resampler(real, ToyEncoder(["sun", "rain"])).choose(
    ...     [{"topic": "noon"}] * 40, [["rain", "sun"]] * 40
    ... )
    >>> kept.chosen.mean() > 0.9
    np.True_
    """

    real: Sequence[Exemplar]
    encoder: Encoder
    random_state: int = 0

    def choose(
        self, records: Sequence[Mapping[str, str]], candidates: Sequence[Sequence[str]]
    ) -> Kept:
        """Return which of the R candidates of each of the n draws is kept.

        Parameters
        ----------
        records : sequence of mapping
            The context of each draw, length n.
        candidates : sequence of sequence of str
            What was drawn, n times R texts; empty ones are kept only where all are empty.
        """
        odds = [
            self._log_odds(records[start : start + _AT_ONCE], candidates[start : start + _AT_ONCE])
            for start in range(0, len(candidates), _AT_ONCE)
        ]
        log_odds = np.concatenate(odds)
        rng = np.random.default_rng([self.random_state, 4])
        return Kept((log_odds + rng.gumbel(size=log_odds.shape)).argmax(1), log_odds)

    def _log_odds(
        self, records: Sequence[Mapping[str, str]], candidates: Sequence[Sequence[str]]
    ) -> NDArray[np.float64]:
        """Return the log-odds of each candidate, shape (n, R); all alike where draws are few."""
        n, n_candidates = len(candidates), len(candidates[0])
        said = [
            Exemplar(record, text)
            for record, texts in zip(records, candidates, strict=True)
            for text in texts
        ]
        told = np.array([bool(e.response.strip()) for e in said])
        log_odds = np.where(told, 0.0, -np.inf)
        if n >= FEWEST and len(self.real) >= FEWEST:
            draw = np.repeat(np.arange(n), n_candidates)
            spoken = [e for e, is_told in zip(said, told, strict=True) if is_told]
            log_odds[told] = self._crossfitted(spoken, draw[told])
        shaped = log_odds.reshape(n, n_candidates)
        shaped[~told.reshape(shaped.shape).any(1)] = 0.0
        return shaped

    def _crossfitted(self, said: Sequence[Exemplar], draw: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the log-odds of each text by a fit without the texts of its own draw."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GroupKFold, cross_val_predict

        real = self._real_features
        apart = -1 - np.arange(len(real))
        log_odds = cross_val_predict(
            LogisticRegression(C=_INVERSE_PENALTY, class_weight="balanced", max_iter=1000),
            np.vstack([real, self._features(said)]),
            np.repeat([1, 0], [len(real), len(said)]),
            groups=np.concatenate([apart, draw]),
            cv=GroupKFold(_FOLDS),
            method="decision_function",
        )
        return np.asarray(log_odds[len(real) :], dtype=np.float64)

    def _features(self, said: Sequence[Exemplar]) -> NDArray[np.float64]:
        """Return each response's vector, and once more in the place of its context."""
        vectors = self.encoder.encode([e.response for e in said]).astype(np.float64)
        contexts = np.array([e.context for e in said], dtype=object)
        own = [vectors * (contexts == context)[:, None] for context in self._contexts]
        return np.hstack([vectors, *own])

    @cached_property
    def _real_features(self) -> NDArray[np.float64]:
        return self._features(self.real[:_MOST_REAL])

    @cached_property
    def _contexts(self) -> list[str]:
        """The contexts that most real responses are of."""
        counts = Counter(e.context for e in self.real)
        most = counts.most_common(_MOST_CONTEXTS)
        return [context for context, n in most if n >= _FEWEST_OF_ONE]


@dataclass(frozen=True)
class Kept:
    """Which candidate of each draw was kept, shape (n,), and all log-odds, shape (n, R)."""

    chosen: NDArray[np.intp]
    log_odds: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence[Kept]) -> Kept:
        """Return what was kept of several lots of draws as one."""
        return cls(
            np.concatenate([part.chosen for part in parts]),
            np.concatenate([part.log_odds for part in parts]),
        )

    @property
    def facts(self) -> dict[str, Any]:
        """What the provenance tells: candidates, and how many of them count (Kish, mean)."""
        weights = np.exp(self.log_odds - self.log_odds.max(1, keepdims=True))
        effective = weights.sum(1) ** 2 / (weights**2).sum(1)
        return {
            "n_candidates": self.log_odds.shape[1],
            "effective_candidates": round(float(effective.mean()), 2),
        }
