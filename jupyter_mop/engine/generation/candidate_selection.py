"""Selection of one of several candidate responses per draw by the odds that it is real."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Encoder
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.generation.context_odds import (
    NO_CONTEXT,
    ContextModel,
    crossfitted_log_odds,
    fit_context_model,
    text_groups,
)
from jupyter_mop.engine.metrics.numerical_threads import one_thread

MIN_RESPONSES = 20  # draws, and real responses that are no exemplars, to estimate odds
_BATCH_SIZE = 1000  # draws; bounds the memory
_MAX_REAL = 4000
_N_FOLDS = 5
_MIN_LEFT = 5
_INVERSE_PENALTIES = (4.0, 0.4, 0.04)  # from the weakest, tried until log-loss is worse


@dataclass(frozen=True)
class SelectedCandidates:
    """The selected candidate of each draw, shape (n,), and all log-odds, shape (n, R).

    Attributes
    ----------
    context_odds : str
        How contexts were told apart in the odds: `classes`, `texts` or `none`; "" if unknown.
    answer_share : float
        Share of the candidates that answer their own question, or NaN.
    """

    selected: NDArray[np.intp]
    log_odds: NDArray[np.float64]
    context_odds: str = ""
    answer_share: float = np.nan

    @classmethod
    def joined(cls, batches: Sequence[SelectedCandidates]) -> SelectedCandidates:
        """Return the selections of several batches of draws as one."""
        return cls(
            np.concatenate([batch.selected for batch in batches]),
            np.concatenate([batch.log_odds for batch in batches]),
            max((batch.context_odds for batch in batches), key=lambda form: form != NO_CONTEXT),
            _mean_of_known([batch.answer_share for batch in batches]),
        )

    @property
    def facts(self) -> dict[str, Any]:
        """Entries for the provenance: R, the mean effective number of candidates (Kish), effect.

        And how contexts counted in the odds, with the share of candidates that answer their
        question where contexts counted.

        The effect is the mean total variation of the probabilities of selection from 1 / R: no
        share of the responses can have moved by more.
        """
        n_candidates = self.log_odds.shape[1]
        weights = np.exp(self.log_odds - self.log_odds.max(1, keepdims=True))
        shares = weights / weights.sum(1, keepdims=True)
        effect = np.abs(shares - 1 / n_candidates).sum(1) / 2
        facts: dict[str, Any] = {"context_odds": self.context_odds} if self.context_odds else {}
        if np.isfinite(self.answer_share):
            facts["answer_share"] = round(self.answer_share, 3)
        return {
            **facts,
            "n_candidates": n_candidates,
            "effective_candidates": round(float((1 / (shares**2).sum(1)).mean()), 2),
            "selection_effect": round(float(effect.mean()), 3),
        }


@dataclass(frozen=True)
class RealResponses:
    """Real responses that are no exemplars: the real side of the odds.

    A model copies its exemplar at times. If the exemplar were on the real side, the copies would
    look real.

    Attributes
    ----------
    responses : list of Exemplar
        At most 4,000 records outside of the pool, in random order.
    weights : ndarray, shape (n,)
        Their weights, which give the contexts the shares that they have among all records.
    used_up : frozenset of str
        Contexts with five records or more, fewer than five of them outside of the pool. No odds
        can be learned for them.
    """

    responses: Sequence[Exemplar]
    weights: NDArray[np.float64]
    used_up: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.responses)

    @classmethod
    def outside(
        cls, population: Population, exemplars: Sequence[Exemplar], *, random_state: int = 0
    ) -> RealResponses:
        """Return the records of a population that are no exemplars.

        Examples
        --------
        >>> import pandas as pd
        >>> df = pd.DataFrame({"topic": ["noon"] * 6, "text": ["sun"] * 3 + ["hot"] * 3})
        >>> population = Population.from_frame(df, context="topic", response="text")
        >>> found = RealResponses.outside(population, [Exemplar({"topic": "noon"}, "sun")])
        >>> sorted(response.response for response in found.responses)
        ['hot', 'hot', 'hot', 'sun', 'sun']
        """
        labels, texts, weights = population.context_labels, population.responses, population.weights
        counted = np.flatnonzero(weights).tolist()
        rows = _without(exemplars, [(labels[i], texts[i]) for i in counted], counted)
        n_before, n_left = (Counter(labels[i] for i in some) for some in (counted, rows))
        used_up = {c for c, n in n_before.items() if n_left[c] < _MIN_LEFT <= n}
        rows = [i for i in rows if labels[i] not in used_up]
        before = pd.Series(weights).groupby(labels).sum()
        left = pd.Series(weights[rows]).groupby([labels[i] for i in rows]).sum()
        order = np.random.default_rng([random_state, 5]).permutation(rows).astype(np.intp)
        order = order[:_MAX_REAL]
        return cls(
            [Exemplar(population.records[i], texts[i]) for i in order],
            np.array([weights[i] * before[labels[i]] / left[labels[i]] for i in order]),
            frozenset(used_up),
        )


def _without(
    exemplars: Sequence[Exemplar], records: Sequence[tuple[str, str]], rows: Sequence[int]
) -> list[int]:
    """Return the rows whose record is no exemplar; each exemplar is one of equal records."""
    shown = Counter((exemplar.label, exemplar.response) for exemplar in exemplars)
    left = []
    for row, record in zip(rows, records, strict=True):
        if shown[record] > 0:
            shown[record] -= 1
        else:
            left.append(row)
    return left


@dataclass(frozen=True)
class CandidateSelector:
    """Select one candidate per draw by sampling-importance-resampling (Rubin 1987).

    Candidate y of a draw with context x is selected with probability proportional to
    r(x, y) = r(y) p_real(x|y) / p_model(x|y). The first factor, p_real(y) / p_model(y), is the
    odds of being real that a logistic regression on the vector of the response predicts (Sugiyama,
    Suzuki and Kanamori 2012). The second is learned from all real responses and from the share of
    candidates that answer their own question; see `context_odds`. The odds of a draw's candidates
    come from a fit without these candidates (cross-fitting). All candidates of a draw
    have the same persona and exemplar, so the selection changes no weights, but the responses of
    each component. p_model is the mixture that was drawn: under other weights the odds would be
    others. Reweighting therefore uses the first candidate of each draw.

    Parameters
    ----------
    real : RealResponses or sequence of Exemplar
        Real responses that are no exemplars.
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

    real: RealResponses | Sequence[Exemplar]
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
        found = [self._log_odds(records[batch], candidates[batch]) for batch in batches]
        log_odds = np.concatenate([table for table, _ in found])
        rng = np.random.default_rng([self.random_state, 4])
        selected = (log_odds + rng.gumbel(size=log_odds.shape)).argmax(1)
        share = _mean_of_known([share for _, share in found])
        form = NO_CONTEXT if np.isnan(share) else self._context_model.form
        return SelectedCandidates(selected, log_odds, form, share)

    def _log_odds(
        self, records: Sequence[Mapping[str, str]], candidates: Sequence[Sequence[str]]
    ) -> tuple[NDArray[np.float64], float]:
        """Return the log-odds of each candidate, shape (n, R), and the share of answers.

        The log-odds are equal if there are few draws.
        """
        n, n_candidates = len(candidates), len(candidates[0])
        responses = [
            Exemplar(record, text)
            for record, texts in zip(records, candidates, strict=True)
            for text in texts
        ]
        has_text = np.array([bool(response.response.strip()) for response in responses])
        log_odds, share = np.where(has_text, 0.0, -np.inf), np.nan
        used_up = self._real.used_up
        judged = has_text & np.array([response.label not in used_up for response in responses])
        draw = np.repeat(np.arange(n), n_candidates)
        if min(len(np.unique(draw[judged])), len(self._real)) >= MIN_RESPONSES:
            texts = [responses[i] for i in np.flatnonzero(judged)]
            log_odds[judged], answer_share = self._crossfitted(texts, draw[judged])
            share = np.nan if self._context_model.form == NO_CONTEXT else answer_share
        table = log_odds.reshape(n, n_candidates)
        table[~has_text.reshape(table.shape).any(1)] = 0.0
        return table, share

    def _crossfitted(
        self, responses: Sequence[Exemplar], draw: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], float]:
        """Return the log-odds of each pair, learned without the responses of its draw.

        The second value is the share of responses that answer their question.
        """
        vectors = self._encoded(responses)
        ratios = self._context_model.log_ratios(responses, vectors)
        labels = [response.label for response in responses]
        by_context, answer_share = crossfitted_log_odds(ratios, labels, draw)
        return self._response_log_odds(vectors, draw) + by_context, answer_share

    def _response_log_odds(
        self, vectors: NDArray[np.float64], draw: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return the log-odds of each response whatever its context, by the best penalty."""
        real, weights = self._real_vectors, self._real.weights
        sides = np.repeat([1, -1], [len(real), len(vectors)])
        shares = np.r_[weights / weights.sum(), np.full(len(vectors), 1 / len(vectors))]
        texts = [response.response for response in self._real.responses]
        same_text = text_groups(texts)
        groups = np.concatenate([-1 - same_text, draw])
        best, best_loss = np.zeros(len(sides)), np.inf
        for inverse_penalty in _INVERSE_PENALTIES:
            log_odds = _held_out_log_odds(
                np.vstack([real, vectors]), sides, shares, groups, inverse_penalty
            )
            loss = float(shares @ np.logaddexp(0, -sides * log_odds)) / 2
            if loss >= best_loss:
                break
            best, best_loss = log_odds, loss
        return best[len(real) :] if best_loss < np.log(2) else np.zeros(len(vectors))

    def _encoded(self, responses: Sequence[Exemplar]) -> NDArray[np.float64]:
        return self.encoder.encode([r.response for r in responses]).astype(np.float64)

    @cached_property
    def _real(self) -> RealResponses:
        if isinstance(self.real, RealResponses):
            return self.real
        return RealResponses(self.real[:_MAX_REAL], np.ones(len(self.real[:_MAX_REAL])))

    @cached_property
    def _real_vectors(self) -> NDArray[np.float64]:
        return self._encoded(self._real.responses)

    @cached_property
    def _context_model(self) -> ContextModel:
        real = self._real
        return fit_context_model(real.responses, self._real_vectors, real.weights, self.encoder)


def _mean_of_known(values: Sequence[float]) -> float:
    """Return the mean of the values that are not NaN, or NaN if all are."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan


def _held_out_log_odds(
    vectors: NDArray[np.float64],
    sides: NDArray[np.intp],
    shares: NDArray[np.float64],
    groups: NDArray[np.intp],
    inverse_penalty: float,
) -> NDArray[np.float64]:
    """Return the log-odds of each row by a fit without the rows of its group."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict

    with one_thread():
        log_odds = cross_val_predict(
            LogisticRegression(C=inverse_penalty, class_weight="balanced", max_iter=1000),
            vectors,
            sides,
            groups=groups,
            cv=GroupKFold(_N_FOLDS),
            method="decision_function",
            params={"sample_weight": np.where(sides > 0, shares * (sides > 0).sum(), 1.0)},
        )
    return np.asarray(log_odds, dtype=np.float64)
