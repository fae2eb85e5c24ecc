"""KL cosine: the divergence of pairwise cosines, a measure of diversity."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.divergences import kl_divergence, relative_entropy
from jupyter_mop.engine.metrics.mixture_gradients import TINY, Value
from jupyter_mop.engine.metrics.vectors import (
    Vectors,
    checked,
    checked_pair,
    checked_weights,
    kish,
    unit,
)

SMOOTHING = 0.5

MAX_ALL_PAIRS = 5000
SAMPLED_PAIRS = 1_000_000
CHUNK = 10_000
BLOCK = 500
N_BINS = 50


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


def mixture_kl_cosine(
    weights: Vectors, inverse_sizes: Vectors, target: Vectors, pairs: Vectors, cap: float
) -> Value:
    """Return the divergence of pairwise cosines, target against simulated.

    Parameters
    ----------
    weights, inverse_sizes : ndarray, shape (K,)
        As for `mixture_fid`.
    target : ndarray, shape (B,)
        Counts of the target's pairs.
    pairs : ndarray, shape (K, K, B)
        Shares of the cosines of a draw of one persona and another draw of another.
    cap : float
        The most pairs that are counted.

    Examples
    --------
    >>> value = mixture_kl_cosine(np.ones(1), np.full(1, 0.1), np.array([4, 4]), np.ones((1, 1, 2)) / 2, 9)
    >>> value.value
    0.0
    """
    unbiased = 1 - weights**2 @ inverse_sizes
    if unbiased <= TINY:
        return Value(np.nan, np.zeros(len(weights)))
    own = np.einsum("kkb->kb", pairs)
    cross = np.einsum("klb,l->kb", pairs, weights)
    chance = weights * inverse_sizes
    q = (weights @ cross - (weights * chance) @ own) / unbiased
    size = 1 / (1 - unbiased) if unbiased < 1 else np.inf
    total = min(size * (size - 1) / 2, cap)
    d_total = (0.5 - size) * 2 * size**2 * chance if total < cap else np.zeros(len(weights))
    d_q = 2 * (cross - chance[:, None] * own + np.outer(chance, q)) / unbiased
    bins = SMOOTHING * len(q)
    first = (target + SMOOTHING) / (target.sum() + bins)
    second = (total * q + SMOOTHING) / (total + bins)
    d_second = (np.outer(d_total, q) + total * d_q - np.outer(d_total, second)) / (total + bins)
    value = max(0.0, float(relative_entropy(first, second)))
    return Value(value, -d_second @ (first / second))
