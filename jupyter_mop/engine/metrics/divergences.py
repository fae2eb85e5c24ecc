"""Divergences of two histograms over the same bins: KL, Jensen-Shannon, total variation, W1.

For shares p and q over the bins, in nats where there is a logarithm::

    KL(p || q) = sum_b p_b log(p_b / q_b)
    JS(p, q) = (KL(p || r) + KL(q || r)) / 2 with r = (p + q) / 2
    TV(p, q) = sum_b |p_b - q_b| / 2
    W1(p, q) = sum_b |P_b - Q_b| with cumulative shares P and Q, in bins

Kullback and Leibler (1951), Annals of Mathematical Statistics 22; Lin (1991), IEEE Transactions on
Information Theory 37; Levin and Peres (2017), *Markov Chains and Mixing Times*, chapter 4;
Vallender (1974), Theory of Probability and its Applications 18.

Each `mixture_*` function takes the shares of the target and of each persona, and returns the
gradient by the persona weights too. The plain functions call them with one persona.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.mixture_gradients import TINY, ValueAndGradient
from jupyter_mop.engine.metrics.vectors import Vectors
from jupyter_mop.errors import DataError

NO_GAP = 1e-9
SMOOTHING = 0.5

Histogram = NDArray[np.float64] | NDArray[np.intp]


def checked_histograms(p: Histogram, q: Histogram) -> tuple[Vectors, Vectors]:
    """Return two histograms over the same bins as shares that sum to 1.

    Raises
    ------
    DataError
        If the histograms differ in length, are negative, not finite or empty.

    Examples
    --------
    >>> import numpy as np
    >>> [h.tolist() for h in checked_histograms(np.array([1, 3]), np.array([5, 5]))]
    [[0.25, 0.75], [0.5, 0.5]]
    """
    first, second = (np.asarray(h, dtype=np.float64) for h in (p, q))
    if first.ndim != 1 or first.shape != second.shape:
        raise DataError(
            f"Histograms must have the same bins, got shapes {first.shape} and {second.shape}.",
            hint="Count both sets in the same bins or clusters.",
        )
    for name, histogram in (("first", first), ("second", second)):
        if not np.isfinite(histogram).all() or (histogram < 0).any() or not histogram.sum() > 0:
            raise DataError(
                f"The {name} histogram has negative or missing counts, or only zeros.",
                hint="Pass counts or weights of at least one response.",
            )
    return first / first.sum(), second / second.sum()


def relative_entropy(p: Vectors, q: Vectors) -> Vectors:
    """Return sum p log(p / q) along the last axis, in nats, with 0 log 0 = 0.

    Examples
    --------
    >>> import numpy as np
    >>> relative_entropy(np.array([1.0, 0.0]), np.array([[0.5, 0.5]])).round(4).tolist()
    [0.6931]
    """
    from scipy.special import rel_entr

    return np.asarray(rel_entr(p, q).sum(axis=-1))


def kl_divergence(p: Histogram, q: Histogram, *, smoothing: float = SMOOTHING) -> float:
    """Return the Kullback-Leibler divergence KL(p || q) of two histograms of counts, in nats.

    Parameters
    ----------
    p, q : ndarray, shape (n_bins,)
        Counts.
    smoothing : float
        Count added to every bin of both, so that the result is finite.

    Returns
    -------
    float
        At least 0.

    Raises
    ------
    DataError
        If the histograms differ in length, are negative, not finite or empty.

    Examples
    --------
    >>> import numpy as np
    >>> round(kl_divergence(np.array([90, 10]), np.array([50, 50]), smoothing=0.0), 4)
    0.3681
    """
    first, second = (np.asarray(h, dtype=np.float64) + smoothing for h in (p, q))
    first, second = checked_histograms(first, second)
    return max(0.0, float(relative_entropy(first, second)))


def js_divergence(p: Histogram, q: Histogram) -> float:
    """Return the Jensen-Shannon divergence of two histograms in nats, between 0 and log 2.

    Parameters
    ----------
    p, q : ndarray, shape (n_bins,)
        Counts or shares.

    Raises
    ------
    DataError
        If the histograms differ in length, are negative, not finite or empty.

    Examples
    --------
    >>> import numpy as np
    >>> round(js_divergence(np.array([1, 0]), np.array([0, 1])), 4)
    0.6931
    """
    first, second = checked_histograms(p, q)
    return mixture_js_divergence(np.ones(1), first, second[None]).value


def total_variation(p: Histogram, q: Histogram) -> float:
    """Return the total variation distance of two histograms, between 0 and 1.

    Parameters
    ----------
    p, q : ndarray, shape (n_bins,)
        Counts or shares.

    Raises
    ------
    DataError
        If the histograms differ in length, are negative, not finite or empty.

    Examples
    --------
    >>> import numpy as np
    >>> total_variation(np.array([3, 1]), np.array([1, 3]))
    0.5
    """
    first, second = checked_histograms(p, q)
    return mixture_total_variation(np.ones(1), first, second[None]).value


def wasserstein_distance(p: Histogram, q: Histogram) -> float:
    """Return the Wasserstein-1 distance of two histograms over ordered bins, in bins.

    Parameters
    ----------
    p, q : ndarray, shape (n_bins,)
        Counts or shares, in the order of the bins.

    Raises
    ------
    DataError
        If the histograms differ in length, are negative, not finite or empty.

    Examples
    --------
    >>> import numpy as np
    >>> wasserstein_distance(np.array([1, 0, 0]), np.array([0, 0, 1]))
    2.0
    """
    first, second = checked_histograms(p, q)
    return mixture_wasserstein(np.ones(1), first, second[None]).value


def mixture_js_divergence(weights: Vectors, target: Vectors, personas: Vectors) -> ValueAndGradient:
    """Return the Jensen-Shannon divergence of a mixture and its gradient by the persona weights.

    Parameters
    ----------
    weights : ndarray, shape (K,)
        Persona weights v.
    target, personas : ndarray, shapes (B,) and (K, B)
        Shares of the target and of each persona over the bins.

    Examples
    --------
    >>> mixture_js_divergence(np.ones(1), np.array([1.0, 0.0]), np.array([[1.0, 0.0]])).value
    0.0
    """
    q = weights @ personas
    middle = (target + q) / 2
    value = (relative_entropy(target, middle) + relative_entropy(q, middle)) / 2
    slope = np.log(q.clip(min=TINY) / middle.clip(min=TINY)) / 2
    return ValueAndGradient(float(value), personas @ slope)


def mixture_total_variation(
    weights: Vectors, target: Vectors, personas: Vectors
) -> ValueAndGradient:
    """Return the total variation distance of a mixture and its gradient by the persona weights.

    Parameters
    ----------
    weights, target, personas
        As for `mixture_js_divergence`.

    Examples
    --------
    >>> mixture_total_variation(np.ones(1), np.array([1.0, 0.0]), np.array([[0.0, 1.0]])).value
    1.0
    """
    gap = weights @ personas - target
    return ValueAndGradient(float(np.abs(gap).sum() / 2), personas @ _sign(gap) / 2)


def mixture_wasserstein(weights: Vectors, target: Vectors, personas: Vectors) -> ValueAndGradient:
    """Return the Wasserstein-1 distance of a mixture and its gradient by the persona weights.

    Parameters
    ----------
    weights, target, personas
        As for `mixture_js_divergence`, with ordered bins.

    Examples
    --------
    >>> mixture_wasserstein(np.ones(1), np.array([1.0, 0.0]), np.array([[0.0, 1.0]])).value
    1.0
    """
    gap = np.cumsum(target - weights @ personas)
    gradient = -np.cumsum(personas, axis=1) @ _sign(gap)
    return ValueAndGradient(float(np.abs(gap).sum()), gradient)


def _sign(gap: Vectors) -> Vectors:
    """Return the signs of gaps, 0 for a gap that is rounding error."""
    return np.sign(np.where(np.abs(gap) > NO_GAP, gap, 0.0))
