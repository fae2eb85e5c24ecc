"""Fidelity: whether responses can be recognised as answers to their own context.

A classifier learns from real people which context a response belongs to, and is applied to other
responses. The score is the mean over contexts of the share recognised (balanced accuracy), so that
a rare context counts as much as a frequent one, and chance is 1 / C for C contexts. What it scores
on held-out people is the human floor.

The classifier is linear discriminant analysis with equal priors; the covariance within contexts is
shrunk towards a multiple of the identity. It has a closed form, so that it is trained anew on each
random half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jupyter_mop.engine.metrics.half_sampling import LOGIT
from jupyter_mop.engine.metrics.mixture_gradients import TINY, ValueAndGradient
from jupyter_mop.engine.metrics.split_half import Metric, Statistic
from jupyter_mop.engine.metrics.vectors import Indices, Vectors, WeightedVectors, checked_weights

SHRINKAGE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class ContextClassifier:
    """A linear classifier of the context of a response.

    Attributes
    ----------
    slopes : ndarray, shape (d, C)
        Weights of each dimension for each context.
    offsets : ndarray, shape (C,)
        Added to the scores; minus infinity for a context without training responses.

    Examples
    --------
    >>> vectors = np.array([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.1], [-1.0, -0.1]])
    >>> classifier = ContextClassifier.train(vectors, np.array([0, 0, 1, 1]))
    >>> classifier.predict(np.array([[0.9, 0.0], [-0.2, 0.0]])).tolist()
    [0, 1]
    """

    slopes: Vectors
    offsets: Vectors

    @classmethod
    def train(
        cls, vectors: Vectors, codes: Indices, *, weights: Vectors | None = None
    ) -> ContextClassifier:
        """Learn from n responses, (n, d), of contexts `codes`, (n,); code -1 is ignored."""
        shares = checked_weights(weights, len(vectors))
        members = _members(codes, int(codes.max(initial=0)) + 1) * shares[:, None]
        mass = members.sum(axis=0)
        means = (members.T @ vectors) / np.maximum(mass, TINY)[:, None]
        used = np.flatnonzero(codes >= 0)
        deviations = vectors[used] - means[codes[used]]
        within = deviations.T @ (shares[used, None] * deviations) / max(mass.sum(), TINY)
        size = len(within)
        level = SHRINKAGE * np.trace(within) / size + TINY
        shrunk = (1 - SHRINKAGE) * within + level * np.eye(size)
        slopes = np.linalg.solve(shrunk, means.T)
        offsets = np.where(mass > 0, -0.5 * np.sum(means.T * slopes, axis=0), -np.inf)
        return cls(slopes, offsets)

    def predict(self, vectors: Vectors) -> Indices:
        """Return the likeliest context of each response, shape (n,)."""
        return np.asarray((vectors @ self.slopes + self.offsets).argmax(axis=1), dtype=np.intp)

    def score(
        self,
        vectors: Vectors,
        codes: Indices,
        *,
        weights: Vectors | None = None,
        context_weights: Vectors | None = None,
    ) -> float:
        """Return the mean over the contexts that occur of the share recognised.

        Contexts count alike, or by `context_weights`, shape (C,).
        """
        members = _members(codes, max(int(codes.max(initial=0)) + 1, len(self.offsets)))
        members = members * checked_weights(weights, len(vectors))[:, None]
        mass = members.sum(axis=0)
        found = (self.predict(vectors) == codes) @ members
        counted = np.asarray(mass > 0, dtype=np.float64)
        if context_weights is not None:
            counted *= np.append(context_weights, np.zeros(len(mass) - len(context_weights)))
        if not counted.any():
            return float("nan")
        return float(np.average(found / np.maximum(mass, TINY), weights=counted))


def with_codes(vectors: Vectors, codes: Indices) -> Vectors:
    """Return vectors with the context of each response as the last column, as `FIDELITY` reads.

    Examples
    --------
    >>> with_codes(np.zeros((2, 1)), np.array([0, 1])).tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """
    return np.column_stack([vectors, codes.astype(np.float64)])


def fidelity(
    real: WeightedVectors, other: WeightedVectors, *, context_weights: Vectors | None = None
) -> float:
    """Train on real responses and return the score on others, both from `with_codes`.

    Examples
    --------
    >>> real = with_codes(np.array([[1.0], [0.9], [-1.0], [-0.9]]), np.array([0, 0, 1, 1]))
    >>> simulated = with_codes(np.array([[0.8], [0.7], [0.9], [-0.9]]), np.array([0, 0, 1, 1]))
    >>> fidelity(WeightedVectors(real), WeightedVectors(simulated))
    0.75
    """
    vectors, codes = coded_parts(real)
    classifier = ContextClassifier.train(vectors, codes, weights=real.weights)
    vectors, codes = coded_parts(other)
    return classifier.score(vectors, codes, weights=other.weights, context_weights=context_weights)


def mixture_fidelity(weights: Vectors, given: Vectors, recognised: Vectors) -> ValueAndGradient:
    """Return the fidelity of a mixture and its gradient by the persona weights.

    It is the mean over contexts of sum_k v_k r_kc / sum_k v_k q_kc.

    Parameters
    ----------
    weights : ndarray, shape (K,)
        Persona weights v.
    given : ndarray, shape (K, C)
        Share q of each persona's responses that answer each context.
    recognised : ndarray, shape (K, C)
        Share r of each persona's responses that answer it and are recognised as such.

    Returns
    -------
    ValueAndGradient
        NaN where the weights leave no response in any context.

    Examples
    --------
    >>> given = np.array([[0.5, 0.5], [1.0, 0.0]])
    >>> found = mixture_fidelity(np.array([0.5, 0.5]), given, np.array([[0.5, 0.25], [0.4, 0.0]]))
    >>> round(found.value, 6)
    0.55
    """
    mass, found = weights @ given, weights @ recognised
    present = mass > TINY
    if not present.any():
        return ValueAndGradient.undefined(len(weights))
    shares = found[present] / mass[present]
    slopes = (recognised[:, present] - shares * given[:, present]) / mass[present]
    return ValueAndGradient(float(shares.mean()), slopes.mean(axis=1))


def coded_parts(side: WeightedVectors) -> tuple[Vectors, Indices]:
    """Return the vectors and the codes that `with_codes` joined."""
    return side.vectors[:, :-1], side.vectors[:, -1].astype(np.intp)


def _members(codes: Indices, size: int) -> Vectors:
    return np.asarray(codes[:, None] == np.arange(size), dtype=np.float64)


def weighted_fidelity(name: str, context_weights: Vectors | None = None) -> Metric:
    """Return fidelity as a metric of `alignment_table.align`, under this name.

    Parameters
    ----------
    name : str
        The metric's name.
    context_weights : ndarray, shape (C,), optional
        Weight of each context in the mean; equal by default.

    Examples
    --------
    >>> weighted_fidelity("of the first of two", np.array([1.0, 0.0])).better
    'higher'
    """

    def value(real: WeightedVectors, other: WeightedVectors, _n: int, _seed: int) -> float:
        return fidelity(real, other, context_weights=context_weights)

    def prepare(real: WeightedVectors, other: WeightedVectors, n: int, seed: int) -> Statistic:
        return lambda rows, others: value(real.take(rows), other.take(others), n, seed)

    return Metric(name, "higher", LOGIT, value, prepare)


FIDELITY = weighted_fidelity("fidelity")
