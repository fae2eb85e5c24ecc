"""Diversity of responses: Vendi score, distinct-n and dispersion ratios."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from jupyter_mop.engine.metrics.fidelity import coded_parts
from jupyter_mop.engine.metrics.half_sampling import ROOT
from jupyter_mop.engine.metrics.split_half import Metric, Statistic
from jupyter_mop.engine.metrics.vectors import (
    Vectors,
    WeightedVectors,
    checked,
    checked_weights,
    unit,
)
from jupyter_mop.errors import DataError

TINY = 1e-12
NO_VARIANCE, MAX_RATIO = 1e-9, 1000.0


def vendi_score(vectors: Vectors, *, weights: Vectors | None = None) -> float:
    """Return the Vendi score, the effective number of different responses.

    It is the exponential of the entropy of the eigenvalues of the cosine kernel divided by n: 1 for
    identical responses, n for orthogonal ones.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        One row per response; only directions matter.
    weights : ndarray, shape (n,), optional
        Weights of the responses; equal by default.

    Raises
    ------
    DataError
        If the vectors or the weights cannot be used.

    Notes
    -----
    Friedman and Dieng (2023), *The Vendi Score*, TMLR. It grows with n: compare equal numbers.

    Examples
    --------
    >>> round(vendi_score(np.eye(4)), 6), round(vendi_score(np.ones((4, 2))), 6)
    (4.0, 1.0)
    """
    rows = unit(checked(vectors, at_least=1))
    rows = rows * np.sqrt(checked_weights(weights, len(rows)))[:, None]
    kernel = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    shares = np.linalg.eigvalsh(kernel)
    shares = shares[shares > TINY]
    return float(np.exp(-np.sum(shares * np.log(shares))))


def distinct_n(texts: Sequence[str], n: int = 2) -> float:
    """Return distinct-n, the number of different n-grams divided by the number of n-grams.

    Parameters
    ----------
    texts : sequence of str
        Responses; an n-gram does not cross from one to the next.
    n : int
        Words in an n-gram.

    Returns
    -------
    float
        In (0, 1]; 0 where no text has `n` words.

    Raises
    ------
    DataError
        If `n` is below 1.

    Notes
    -----
    Li, Galley, Brockett, Gao and Dolan (2016), NAACL. It falls with the number of texts: compare
    equal numbers.

    Examples
    --------
    >>> distinct_n(["good film", "Good film!"], 1)
    0.5
    """
    if n < 1:
        raise DataError(f"`n` must be at least 1, got {n}.", hint="Use n=1 or n=2.")
    found = [ngram for text in texts for ngram in ngrams(words(text), n)]
    return len(set(found)) / len(found) if found else 0.0


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation around them.

    Examples
    --------
    >>> words("It's GOOD, really.")
    ["it's", 'good', 'really']
    """
    cleaned = (word.strip(".,;:!?\"'()[]{}*_-–—…“”‘’«»") for word in text.lower().split())  # noqa: RUF001
    return [word for word in cleaned if word]


def ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """Return all sequences of `n` consecutive words.

    Examples
    --------
    >>> ngrams(["a", "b", "c"], 2)
    [('a', 'b'), ('b', 'c')]
    """
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def dispersion_ratio(real: WeightedVectors, simulated: WeightedVectors) -> float:
    """Return the variance of simulated responses divided by that of real ones; best is 1.

    The variance is the mean squared distance from the mean, unbiased. Below 1, simulated responses
    are too much alike. It is at most 1,000, and 1 where all responses are the same on both sides.

    Examples
    --------
    >>> real, simulated = np.array([[0.0], [2.0]]), np.array([[0.0], [1.0]])
    >>> dispersion_ratio(WeightedVectors(real), WeightedVectors(simulated))
    0.25
    """
    return _ratio(_variance(simulated), _variance(real))


def dispersion_between(real: WeightedVectors, simulated: WeightedVectors) -> float:
    """Return the dispersion ratio of the means of contexts, each context counting the same.

    Below 1, simulated responses follow their contexts less than those of people do.

    Parameters
    ----------
    real, simulated : WeightedVectors
        Vectors with the code of the context as the last column, see `fidelity.with_codes`. Only
        contexts that both sides have count.

    Examples
    --------
    >>> real = np.array([[0.0, 0], [2.0, 0], [8.0, 1], [10.0, 1]])
    >>> simulated = np.array([[0.0, 0], [1.0, 0], [4.0, 1], [5.0, 1]])
    >>> dispersion_between(WeightedVectors(real), WeightedVectors(simulated))
    0.25
    """
    sides = [_context_means(side) for side in (real, simulated)]
    both = [code for code in sides[0] if code in sides[1]]
    of_real, of_simulated = (np.array([side[code] for code in both]) for side in sides)
    squares = [np.sum((means - means.mean(axis=0)) ** 2) for means in (of_real, of_simulated)]
    return _ratio(float(squares[1]), float(squares[0]))


def _context_means(side: WeightedVectors) -> dict[int, Vectors]:
    vectors, codes = coded_parts(side)
    weights = np.ones(len(side)) if side.weights is None else side.weights
    return {
        int(code): np.average(vectors[codes == code], axis=0, weights=weights[codes == code])
        for code in np.unique(codes[codes >= 0])
    }


def _ratio(simulated: float, real: float) -> float:
    """Return the ratio, at most 1,000; 1 where neither side varies."""
    if max(simulated, real) <= NO_VARIANCE:
        return 1.0
    return min(simulated / max(real, TINY), MAX_RATIO)


def _variance(side: WeightedVectors) -> float:
    shares = checked_weights(side.weights, len(side))
    squares = shares @ np.sum((side.vectors - shares @ side.vectors) ** 2, axis=1)
    return float(squares / max(1 - np.sum(shares**2), TINY))


def _metric(name: str, value: Callable[[WeightedVectors, WeightedVectors], float]) -> Metric:
    def prepare(real: WeightedVectors, other: WeightedVectors, _n: int, _seed: int) -> Statistic:
        return lambda rows, others: value(real.take(rows), other.take(others))

    return Metric(name, "near 1", ROOT, lambda real, other, _n, _seed: value(real, other), prepare)


DISPERSION = _metric("dispersion", dispersion_ratio)
BETWEEN = _metric("dispersion between", dispersion_between)
