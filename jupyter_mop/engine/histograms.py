"""Histograms of pairwise cosines and of anything else: checks and divergences in nats."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.vectors import (
    Vectors,
    checked,
    checked_pair,
    checked_weights,
    kish,
    unit,
)
from jupyter_mop.errors import DataError

Histogram = NDArray[np.float64] | NDArray[np.intp]

MAX_ALL_PAIRS = 5000
SAMPLED_PAIRS = 1_000_000
CHUNK = 10_000
BLOCK = 500
N_BINS = 50


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
    middle = (first + second) / 2
    return float(relative_entropy(first, middle) + relative_entropy(second, middle)) / 2


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
    return float(np.abs(first - second).sum() / 2)


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
    return float(np.abs(np.cumsum(first - second)).sum())


def kl_cosine(
    target: Vectors,
    simulated: Vectors,
    *,
    weights: Vectors | None = None,
    n_bins: int = N_BINS,
    random_state: int = 0,
) -> float:
    """Return the divergence of pairwise cosines, target against simulated: diversity.

    Parameters
    ----------
    target : ndarray, shape (n, d)
        Vectors of real responses.
    simulated : ndarray, shape (m, d)
        Vectors of simulated responses.
    weights : ndarray, shape (m,), optional
        Importance weights of the simulated responses; default: all alike.
    n_bins : int
        Number of equal bins from -1 to 1.
    random_state : int
        Seed of the pairs that are drawn where a set has more than 5,000 vectors.

    Returns
    -------
    float
        KL(target || simulated) in nats between the histograms of cosines within each set, with
        half a pair added to every bin; 0 is best.

    Raises
    ------
    DataError
        If the vectors cannot be used: fewer than two, different widths, not finite, or zero.

    Notes
    -----
    The diversity figure of Bui et al. (2025), *Mixture-of-Personas Language Models for Population
    Simulation*, Findings of ACL; bins and smoothing are ours.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> kl_cosine(x, x)
    0.0
    """
    target, simulated = checked_pair(target, simulated)
    bins = np.linspace(-1.0, 1.0, n_bins + 1)
    p = cosine_histogram(target, bins, random_state=random_state)
    q = cosine_histogram(simulated, bins, weights=weights, random_state=random_state)
    return kl_divergence(p, q)


def cosine_histogram(
    vectors: Vectors,
    bins: Vectors,
    *,
    weights: Vectors | None = None,
    random_state: int = 0,
) -> Vectors:
    """Count the cosines of all pairs of different rows in `bins`, shape (len(bins) - 1,).

    Above 5,000 rows a million random pairs are counted instead. Bins are equally wide. With
    weights a pair counts as much as the product of its weights, and all pairs together as many as
    those of the effective number of rows.

    Examples
    --------
    >>> import numpy as np
    >>> cosine_histogram(np.eye(3), np.array([-1.0, -0.5, 0.5, 1.0])).tolist()
    [0.0, 3.0, 0.0]
    """
    rows = unit(checked(vectors))
    edges = (float(bins[0]), float(bins[-1]))
    counts = np.zeros(len(bins) - 1)
    shares = None if weights is None else checked_weights(weights, len(rows))
    for cosines, masses in _cosines(rows, shares, random_state):
        counts += np.histogram(np.clip(cosines, *edges), len(counts), edges, weights=masses)[0]
    return counts if shares is None else counts * (effective_pairs(shares) / counts.sum())


def effective_pairs(shares: Vectors) -> float:
    """Return how many pairs the effective number of rows has, or how many are drawn if fewer.

    Examples
    --------
    >>> import numpy as np
    >>> round(effective_pairs(np.full(4, 0.25)), 9)
    6.0
    """
    size = kish(shares)
    return min(size * (size - 1) / 2, float(SAMPLED_PAIRS))


def _cosines(
    rows: Vectors, shares: Vectors | None, random_state: int
) -> Iterator[tuple[Vectors, Vectors | None]]:
    """Yield the cosines of all pairs, or of random ones, and what each counts, in pieces."""
    if len(rows) > MAX_ALL_PAIRS:
        for first, second in sampled_pairs(len(rows), shares, random_state):
            yield np.einsum("ij,ij->i", rows[first], rows[second]), None
        return
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK] @ rows[start:].T
        upper = np.triu_indices(len(block), 1, block.shape[1])
        masses = None if shares is None else np.outer(shares[start : start + BLOCK], shares[start:])
        yield block[upper], None if masses is None else masses[upper]


def sampled_pairs(
    n: int, shares: Vectors | None, random_state: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield a million pairs of different rows in pieces, drawn by their shares if there are any."""
    rng = np.random.default_rng(random_state)
    for _ in range(SAMPLED_PAIRS // CHUNK):
        first = (
            rng.choice(n, CHUNK, p=shares) if shares is not None else rng.integers(n, size=CHUNK)
        )
        if shares is None:
            yield first, (first + rng.integers(1, n, size=CHUNK)) % n
            continue
        second = rng.choice(n, CHUNK, p=shares)
        different = first != second
        yield first[different], second[different]
