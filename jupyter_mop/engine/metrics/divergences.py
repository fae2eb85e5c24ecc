"""Histograms of pairwise cosines and of anything else: checks and divergences in nats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.mixture_gradients import TINY, Value
from jupyter_mop.engine.metrics.vectors import (
    Vectors,
)
from jupyter_mop.errors import DataError

NO_GAP = 1e-9

Histogram = NDArray[np.float64] | NDArray[np.intp]


def checked_histograms(p: Histogram, q: Histogram) -> tuple[Vectors, Vectors]:
    """Return both histograms as probabilities over the same bins, or raise DataError.

    Examples
    --------
    >>> import numpy as np
    >>> [h.tolist() for h in checked_histograms(np.array([1, 3]), np.array([5, 5]))]
    [[0.25, 0.75], [0.5, 0.5]]
    """
    first, second = (np.asarray(h, dtype=np.float64) for h in (p, q))
    if first.ndim != 1 or first.shape != second.shape:
        raise DataError(
            f"Histograms over the same bins were expected, and {first.shape} and "
            f"{second.shape} came.",
            hint="Count both sets in the same bins or clusters.",
        )
    for name, histogram in (("first", first), ("second", second)):
        if not np.isfinite(histogram).all() or (histogram < 0).any() or not histogram.sum() > 0:
            raise DataError(
                f"The {name} histogram holds negative or missing counts, or only zeros.",
                hint="Pass counts or weights of at least one response.",
            )
    return first / first.sum(), second / second.sum()


def relative_entropy(p: Vectors, q: Vectors) -> Vectors:
    """Return sum p log(p / q) along the last axis, with 0 log 0 = 0.

    Examples
    --------
    >>> import numpy as np
    >>> relative_entropy(np.array([1.0, 0.0]), np.array([[0.5, 0.5]])).round(4).tolist()
    [0.6931]
    """
    from scipy.special import rel_entr

    return np.asarray(rel_entr(p, q).sum(axis=-1))


def kl_divergence(p: Histogram, q: Histogram, *, smoothing: float = 0.5) -> float:
    """Return KL(p || q) in nats between two histograms of counts.

    Parameters
    ----------
    p, q : ndarray, shape (n_bins,)
        Counts.
    smoothing : float
        Count that is added to every bin of both, so that the result is finite.

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
    """Return the Jensen-Shannon divergence in nats, between 0 and log 2 (Lin 1991).

    Parameters
    ----------
    p, q : ndarray, shape (n_bins,)
        Counts or shares of the answers.

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
    """Return half the sum of the absolute differences of the shares, between 0 and 1.

    Parameters
    ----------
    p, q : ndarray, shape (n_bins,)
        Counts or shares of the answers.

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
    """Return the Wasserstein-1 distance of ordered answers, in steps of the scale.

    Parameters
    ----------
    p, q : ndarray, shape (n_bins,)
        Counts or shares of the answers, in order.

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


def mixture_wasserstein(weights: Vectors, target: Vectors, personas: Vectors) -> Value:
    """Return the Wasserstein-1 distance of shares over ordered bins, in bins.

    Examples
    --------
    >>> mixture_wasserstein(np.ones(1), np.array([1.0, 0.0]), np.array([[0.0, 1.0]])).value
    1.0
    """
    gap = np.cumsum(target - weights @ personas)
    gradient = -np.cumsum(personas, axis=1) @ _direction(gap)
    return Value(float(np.abs(gap).sum()), gradient)


def mixture_js_divergence(weights: Vectors, target: Vectors, personas: Vectors) -> Value:
    """Return the Jensen-Shannon divergence of shares in nats.

    Examples
    --------
    >>> mixture_js_divergence(np.ones(1), np.array([1.0, 0.0]), np.array([[1.0, 0.0]])).value
    0.0
    """
    q = weights @ personas
    middle = (target + q) / 2
    value = (relative_entropy(target, middle) + relative_entropy(q, middle)) / 2
    slope = np.log(q.clip(min=TINY) / middle.clip(min=TINY)) / 2
    return Value(float(value), personas @ slope)


def mixture_total_variation(weights: Vectors, target: Vectors, personas: Vectors) -> Value:
    """Return half the sum of the absolute differences of the shares.

    Examples
    --------
    >>> mixture_total_variation(np.ones(1), np.array([1.0, 0.0]), np.array([[0.0, 1.0]])).value
    1.0
    """
    gap = weights @ personas - target
    return Value(float(np.abs(gap).sum() / 2), personas @ _direction(gap) / 2)


def _direction(gap: Vectors) -> Vectors:
    """Return the signs of gaps; one that is nothing but rounding has none."""
    return np.sign(np.where(np.abs(gap) > NO_GAP, gap, 0.0))
