"""Odds of a context given a response: how well a response answers the question it was asked."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Encoder
from jupyter_mop.engine.data.encoding import encode_each
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.metrics.numerical_threads import one_thread

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

Array = NDArray[np.float64]

MAX_CONTEXTS, MIN_PER_CONTEXT = 30, 4  # contexts told apart, real responses of each
MIN_TOLD_APART = 0.5  # share of the real responses; below, contexts are compared as texts
_INVERSE_PENALTIES = (0.3, 3.0, 30.0, 300.0)
_N_FOLDS, _MAX_TO_FOLD = 5, 500  # with more real responses, one fold in five judges
_PRIOR_COUNT = 20.0  # draws' worth of evidence that shrink shares of few draws
_N_ITERATIONS = 30
_MAX_PAIRS = 1000  # real pairs of context and response that are compared as texts
_MIN_DISTINCT = 0.5  # share of distinct texts; below, repeated texts are what people write
_OTHERS = "other contexts"
NO_CONTEXT = "none"


class ContextModel(Protocol):
    """Log-ratios of a context's probability given a response to its share."""

    @property
    def form(self) -> str:
        """How contexts are told apart: `classes`, `texts` or `none`."""
        ...

    @property
    def loss(self) -> float:
        """Held-out log-loss of the context, in nats; infinite where nothing is told apart."""
        ...

    def log_ratios(self, responses: Sequence[Exemplar], vectors: Array) -> Array:
        """Return log p_real(x|y) / p(x) of each response y and its own context x, shape (n,)."""
        ...


@dataclass(frozen=True)
class NoContext:
    """A model for contexts that a response says nothing about: all ratios are 1."""

    form: str = NO_CONTEXT
    loss: float = np.inf

    def log_ratios(self, responses: Sequence[Exemplar], vectors: Array) -> Array:  # noqa: ARG002
        """Return zeros, shape (n,)."""
        return np.zeros(len(responses))


@dataclass(frozen=True)
class ContextClasses:
    """Multinomial regression of the context on the response vector; rare contexts are one class.

    Attributes
    ----------
    classes : list of str, length C
        Context labels; the last may stand for all rare contexts.
    estimator : LogisticRegression
        Fitted to real responses.
    shares : ndarray, shape (C,)
        Share of each class among the real responses.
    """

    classes: Sequence[str]
    estimator: LogisticRegression
    shares: Array
    loss: float
    form: str = "classes"

    def log_ratios(self, responses: Sequence[Exemplar], vectors: Array) -> Array:
        """Return log p_real(x|y) / p(x), both with the contexts' shares among `responses`.

        A context without real responses, and with no class of rare contexts, has ratio 1.
        """
        own = _class_numbers([response.label for response in responses], self.classes)
        known = own >= 0
        counts = np.bincount(own[known], minlength=len(self.classes))
        drawn = counts + _PRIOR_COUNT * self.shares
        log_p = self.estimator.predict_log_proba(vectors) - np.log(self.shares)
        total = np.logaddexp.reduce(log_p + np.log(drawn / drawn.sum()), axis=1)
        return np.where(known, log_p[np.arange(len(own)), own] - total, 0.0)


@dataclass(frozen=True)
class ContextTexts:
    """Regression of real pairs (context, response) against pairs put together at random.

    For contexts that are nearly all different. The features of a pair are the elementwise product
    of its two vectors and their cosine.
    """

    estimator: LogisticRegression
    encoder: Encoder
    loss: float
    form: str = "texts"

    def log_ratios(self, responses: Sequence[Exemplar], vectors: Array) -> Array:
        """Return the log-odds that each response belongs to its context, shape (n,)."""
        contexts = encode_each(self.encoder, [response.context for response in responses])
        return np.asarray(self.estimator.decision_function(_pair_features(contexts, vectors)))


def fit_context_model(
    real: Sequence[Exemplar], vectors: Array, weights: Array, encoder: Encoder
) -> ContextModel:
    """Learn how real responses tell the context that they were given in.

    Parameters
    ----------
    real : sequence of Exemplar
        The n real responses, none of them an exemplar.
    vectors : ndarray, shape (n, d)
        Their vectors.
    weights : ndarray, shape (n,)
        Their weights.
    encoder : Encoder
        Encodes contexts where these are nearly all different.

    Returns
    -------
    ContextModel
        Of the form `none` if there is one context, or if no penalty predicts the contexts of
        held-out records better than their shares do.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> encoder = ToyEncoder(["sun", "rain"])
    >>> real = [Exemplar({"topic": "noon"}, "sun"), Exemplar({"topic": "dusk"}, "rain")] * 20
    >>> vectors = encoder.encode([record.response for record in real])
    >>> model = fit_context_model(real, vectors, np.ones(40), encoder)
    >>> odd = [Exemplar({"topic": "noon"}, "rain")]
    >>> bool(model.log_ratios(odd, encoder.encode(["rain"]))[0] < -1)
    True
    """
    labels = [record.label for record in real]
    if len(set(labels)) < 2:  # noqa: PLR2004
        return NoContext()
    common = [c for c, n in Counter(labels).most_common(MAX_CONTEXTS) if n >= MIN_PER_CONTEXT]
    told_apart = np.isin(labels, common)
    if weights[told_apart].sum() < MIN_TOLD_APART * weights.sum():
        return _fit_texts(real, vectors, weights, encoder)
    classes = common if told_apart.all() else [*common, _OTHERS]
    targets = _class_numbers(labels, classes)
    if len(classes) < 2:  # noqa: PLR2004
        return NoContext()
    groups = text_groups([record.response for record in real])
    shares = np.bincount(targets, weights) / weights.sum()
    found = _fit(vectors, targets, weights, groups)
    return ContextClasses(classes, found[0], shares, found[1]) if found else NoContext()


def text_groups(texts: Sequence[str]) -> NDArray[np.intp]:
    """Return what must not be divided between folds, (n,): equal texts, unless most are repeated.

    Examples
    --------
    >>> text_groups(["a", "b", "a"]).tolist(), text_groups(["a"] * 3).tolist()
    ([0, 1, 0], [0, 1, 2])
    """
    groups = pd.factorize(np.array(texts, dtype=object))[0]
    if groups.max(initial=0) + 1 < _MIN_DISTINCT * len(groups):
        return np.arange(len(groups))
    return np.asarray(groups, dtype=np.intp)


def _class_numbers(labels: Sequence[str], classes: Sequence[str]) -> NDArray[np.intp]:
    """Return the class of each label: that of rare contexts if there is one, or else -1."""
    places = {name: i for i, name in enumerate(classes) if name != _OTHERS}
    others = len(places) if len(places) < len(classes) else -1
    return np.array([places.get(label, others) for label in labels], dtype=np.intp)


def _fit_texts(
    real: Sequence[Exemplar], vectors: Array, weights: Array, encoder: Encoder
) -> ContextModel:
    """Learn to tell a record's context and response from a pair put together at random."""
    real, vectors, weights = real[:_MAX_PAIRS], vectors[:_MAX_PAIRS], weights[:_MAX_PAIRS]
    contexts = encode_each(encoder, [record.context for record in real])
    partner = np.roll(np.arange(len(real)), 1)  # records are in random order
    found = _fit(
        np.vstack([_pair_features(contexts, vectors), _pair_features(contexts, vectors[partner])]),
        np.repeat([1, 0], len(real)),
        np.tile(weights, 2),
        np.tile(np.arange(len(real)), 2),
    )
    return ContextTexts(found[0], encoder, found[1]) if found else NoContext()


def _pair_features(contexts: Array, vectors: Array) -> Array:
    product = contexts * vectors
    return np.column_stack([product * np.sqrt(product.shape[1]), product.sum(1)])


def _fit(
    features: Array, targets: NDArray[np.intp], weights: Array, groups: NDArray[Any]
) -> tuple[LogisticRegression, float] | None:
    """Fit a regression with the penalty of the least held-out log-loss, and return that too.

    Return None if no penalty helps.
    """
    with one_thread():
        losses = [_held_out_loss(features, targets, weights, groups, c) for c in _INVERSE_PENALTIES]
    shares = np.bincount(targets, weights) / weights.sum()
    if min(losses) >= -float(shares[shares > 0] @ np.log(shares[shares > 0])):
        return None
    best = _INVERSE_PENALTIES[int(np.argmin(losses))]
    return _regression(best).fit(features, targets, weights / weights.mean()), min(losses)


def _held_out_loss(
    features: Array,
    targets: NDArray[np.intp],
    weights: Array,
    groups: NDArray[Any],
    inverse_penalty: float,
) -> float:
    """Return the log-loss of records that were not learned from; equal texts stay together."""
    from sklearn.model_selection import StratifiedGroupKFold

    n_folds = min(_N_FOLDS, len(np.unique(groups)), int(np.bincount(targets).max()))
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=0)
    loss, total = 0.0, 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a rare context is in fewer folds
        splits = list(folds.split(features, targets, groups))
    for train, held_out in splits[: 1 if len(targets) > _MAX_TO_FOLD else None]:
        if len(set(targets[train])) < 2:  # noqa: PLR2004
            continue
        model = _regression(inverse_penalty)
        model.fit(features[train], targets[train], weights[train] / weights.mean())
        judged = held_out[np.isin(targets[held_out], model.classes_)]
        columns = np.searchsorted(model.classes_, targets[judged])
        log_p = model.predict_log_proba(features[judged])[np.arange(len(judged)), columns]
        loss -= weights[judged] @ log_p
        total += weights[judged].sum()
    return loss / total if total else np.inf


def _regression(inverse_penalty: float) -> LogisticRegression:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=inverse_penalty, max_iter=300, tol=1e-3)


@dataclass(frozen=True)
class AnswerShares:
    """Share of the model's responses that answer their question, overall and by context.

    The model's responses in a context x are taken for a mixture: real ones of x with share `a(x)`,
    and responses to any context. Then `p_model(x|y) / p(x) = a(x) s + 1 - a(x)`, where `s` is
    `p_real(x|y) / p(x)`, and the pair's odds are `s / (a(x) s + 1 - a(x))`: bounded by `1 / a(x)`,
    and 1 for a model that answers as people do. One share per context, shrunk to the share overall,
    can be learned from few draws.
    """

    overall: float
    by_context: Array

    @classmethod
    def fitted(cls, log_ratios: Array, contexts: NDArray[np.intp]) -> AnswerShares:
        """Learn the shares by EM.

        Parameters
        ----------
        log_ratios : ndarray, shape (n,)
            log s of each response and its own context.
        contexts : ndarray, shape (n,)
            Number of its context.

        Examples
        --------
        >>> found = AnswerShares.fitted(np.log([3.99] * 70 + [0.01] * 90), np.zeros(160, int))
        >>> round(found.overall, 2)
        0.25
        """
        overall, n = 0.5, np.bincount(contexts, minlength=1)
        by_context = np.full(len(n), overall)
        for _ in range(_N_ITERATIONS):
            answers = _responsibilities(log_ratios, by_context[contexts])
            overall = float(answers.mean())
            counts = np.bincount(contexts, answers, minlength=1)
            by_context = (counts + _PRIOR_COUNT * overall) / (n + _PRIOR_COUNT)
        return cls(overall, by_context)

    def log_odds(self, log_ratios: Array, contexts: NDArray[np.intp]) -> Array:
        """Return log p_real(x|y) / p_model(x|y) of each response, shape (n,)."""
        return log_ratios - _log_mixture(log_ratios, self.by_context[contexts])


def crossfitted_log_odds(
    log_ratios: Array, contexts: Sequence[str], draws: NDArray[np.intp]
) -> tuple[Array, float]:
    """Return log p_real(x|y) / p_model(x|y) of each response, and the share of answers overall.

    The shares for a draw's candidates are learned from the other draws.

    Examples
    --------
    >>> ratios = np.log([3.9, 0.1] * 50)
    >>> odds, share = crossfitted_log_odds(ratios, ["noon"] * 100, np.repeat(np.arange(50), 2))
    >>> bool(odds[0] > odds[1])
    True
    """
    numbers = pd.factorize(np.array(contexts, dtype=object))[0]
    fold = pd.factorize(draws)[0] % _N_FOLDS
    size, log_odds = numbers.max() + 1, np.empty(len(log_ratios))
    for held_out in range(_N_FOLDS):
        others, mine = fold != held_out, fold == held_out
        shares = AnswerShares.fitted(
            np.r_[log_ratios[others], np.zeros(size)], np.r_[numbers[others], np.arange(size)]
        )
        log_odds[mine] = shares.log_odds(log_ratios[mine], numbers[mine])
    return log_odds, AnswerShares.fitted(log_ratios, numbers).overall


def _log_mixture(log_ratios: Array, shares: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.logaddexp(np.log(shares) + log_ratios, np.log1p(-np.minimum(shares, 1.0)))


def _responsibilities(log_ratios: Array, shares: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.exp(np.log(shares) + log_ratios - _log_mixture(log_ratios, shares))
