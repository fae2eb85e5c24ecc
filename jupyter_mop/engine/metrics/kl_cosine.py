"""KL cosine, a metric of diversity: the KL divergence of histograms of pairwise cosines.

For the shares p and q of the cosines of all pairs within the real and within the simulated
responses, counted as the pairs of the smaller set, with half a pair added to every bin:

    KL cosine = KL(p || q) = sum_b p_b log(p_b / q_b)

Half a pair weighs more in a small set than in a large one. Added to sets of different sizes, it
would make two samples of one distribution differ, the more so the larger the second set is.

The diversity metric of Bui et al. (2025), *Mixture-of-Personas Language Models for Population
Simulation*, Findings of ACL; the bins and the smoothing are this project's.

`kl_cosine` takes vectors and optional weights. `mixture_kl_cosine` takes the histograms of each
pair of personas and returns the gradient by the persona weights too.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jupyter_mop.engine.metrics.divergences import SMOOTHING, kl_divergence, relative_entropy
from jupyter_mop.engine.metrics.mixture_gradients import (
    TINY,
    ValueAndGradient,
    distinct_pair_probability,
)
from jupyter_mop.engine.metrics.vectors import (
    Indices,
    Vectors,
    checked,
    checked_pair,
    checked_weights,
    effective_sample_size,
    unit,
)

MAX_ALL_PAIRS = 5000
SAMPLED_PAIRS = 1_000_000
BATCH_SIZE = 10_000
PERSONA_BATCH_SIZE = 100_000
BLOCK = 500
N_BINS = 50


def kl_cosine(
    target: Vectors,
    simulated: Vectors,
    *,
    weights: Vectors | None = None,
    target_weights: Vectors | None = None,
    n_bins: int = N_BINS,
    random_state: int = 0,
) -> float:
    """Return the KL divergence of pairwise cosines, target against simulated.

    Parameters
    ----------
    target : ndarray, shape (n, d)
        Vectors of real responses.
    simulated : ndarray, shape (m, d)
        Vectors of simulated responses.
    weights, target_weights : ndarray, shapes (m,) and (n,), optional
        Importance weights of the simulated responses, and survey weights of the real ones; equal
        by default.
    n_bins : int
        Number of equal bins from -1 to 1.
    random_state : int
        Seed of the pairs that are sampled where a set has more than 5,000 vectors.

    Returns
    -------
    float
        KL(target || simulated) in nats; 0 is best.

    Raises
    ------
    DataError
        If there are fewer than two vectors, the dimensions differ, or a vector is zero or not
        finite.

    Notes
    -----
    Bui et al. (2025), Findings of ACL; see the module.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> kl_cosine(x, x)
    0.0
    """
    target, simulated = checked_pair(target, simulated)
    p = cosine_histogram(target, n_bins, weights=target_weights, random_state=random_state)
    q = cosine_histogram(simulated, n_bins, weights=weights, random_state=random_state)
    total = min(p.sum(), q.sum())
    return kl_divergence(p * (total / p.sum()), q * (total / q.sum()))


def cosine_histogram(
    vectors: Vectors,
    n_bins: int = N_BINS,
    *,
    weights: Vectors | None = None,
    random_state: int = 0,
) -> Vectors:
    """Count the cosines of all pairs of different rows, shape (n_bins,).

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        Vectors of responses. Above 5,000 rows, a million random pairs are counted.
    n_bins : int
        Number of equal bins from -1 to 1.
    weights : ndarray, shape (n,), optional
        Weights of the rows. A pair counts by the product of its weights, and the total is the
        number of pairs of the effective sample size.
    random_state : int
        Seed of the sampled pairs.

    Examples
    --------
    >>> import numpy as np
    >>> cosine_histogram(np.eye(3), 3).tolist()
    [0.0, 3.0, 0.0]
    """
    rows = unit(checked(vectors))
    counts = np.zeros(n_bins)
    shares = None if weights is None else checked_weights(weights, len(rows))
    for cosines, masses in _cosines(rows, shares, random_state):
        counts += _binned(cosines, n_bins, masses)
    if weights is None:
        return counts
    return np.asarray(counts * (n_pairs(effective_sample_size(weights)) / counts.sum()))


def n_pairs(size: float, limit: float = SAMPLED_PAIRS) -> float:
    """Return the number of pairs of `size` rows, at most `limit`.

    Examples
    --------
    >>> n_pairs(4.0)
    6.0
    """
    return min(size * (size - 1) / 2, float(limit))


def _binned(cosines: Vectors, n_bins: int, masses: Vectors | None) -> Vectors:
    counts = np.histogram(np.clip(cosines, -1.0, 1.0), n_bins, (-1.0, 1.0), weights=masses)[0]
    return np.asarray(counts, dtype=np.float64)


def _cosines(
    rows: Vectors, shares: Vectors | None, random_state: int
) -> Iterator[tuple[Vectors, Vectors | None]]:
    """Yield the cosines of all pairs, or of random ones, with the mass of each, block by block."""
    if len(rows) > MAX_ALL_PAIRS:
        for first, second in _sampled_pairs(len(rows), shares, random_state):
            yield np.einsum("ij,ij->i", rows[first], rows[second]), None
        return
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK] @ rows[start:].T
        upper = np.triu_indices(len(block), 1, block.shape[1])
        masses = None if shares is None else np.outer(shares[start : start + BLOCK], shares[start:])
        yield block[upper], None if masses is None else masses[upper]


def _sampled_pairs(
    n: int, shares: Vectors | None, random_state: int
) -> Iterator[tuple[Indices, Indices]]:
    """Yield a million pairs of different rows in batches, drawn by the shares if there are any."""
    rng = np.random.default_rng(random_state)
    for _ in range(SAMPLED_PAIRS // BATCH_SIZE):
        if shares is None:
            first = rng.integers(n, size=BATCH_SIZE)
            yield first, (first + rng.integers(1, n, size=BATCH_SIZE)) % n
            continue
        first, second = (rng.choice(n, BATCH_SIZE, p=shares) for _ in range(2))
        different = first != second
        yield first[different], second[different]


def persona_pair_shares(
    simulated: Vectors, codes: Indices, shares: Vectors, n_personas: int, random_state: int
) -> Vectors:
    """Return what `mixture_kl_cosine` needs: histograms of the cosines between two personas.

    Parameters
    ----------
    simulated : ndarray, shape (m, d)
        Vectors of simulated responses. Above 5,000, a million random pairs are counted.
    codes : ndarray of int, shape (m,)
        The persona of each response.
    shares : ndarray, shape (m,)
        The share of each response among those of its persona.
    n_personas : int
        The number of personas, K.
    random_state : int
        Seed of the sampled pairs.

    Returns
    -------
    ndarray, shape (K, K, 50)
        Shares of the cosines of different responses in the bins; zeros where there is no pair.

    Examples
    --------
    >>> found = persona_pair_shares(np.eye(2), np.array([0, 1]), np.ones(2), 2, 0)
    >>> found.shape, found.sum(axis=2).tolist()
    ((2, 2, 50), [[0.0, 1.0], [1.0, 0.0]])
    """
    rows = unit(simulated)
    members = [np.flatnonzero((codes == k) & (shares > 0)) for k in range(n_personas)]
    rng = np.random.default_rng(random_state)
    size = SAMPLED_PAIRS // (n_personas * (n_personas + 1) // 2)
    found = np.zeros((n_personas, n_personas, N_BINS))
    for k in range(n_personas):
        for other in range(k + 1):
            if len(simulated) > MAX_ALL_PAIRS:
                first, second = _drawn_pairs(members[k], members[other], size, rng)
            else:
                first, second = _all_pairs(members[k], members[other], same=k == other)
            found[k, other] = found[other, k] = _cosine_shares(rows, shares, first, second)
    return found


def _all_pairs(first: Indices, second: Indices, *, same: bool) -> tuple[Indices, Indices]:
    if same:
        i, j = np.triu_indices(len(first), 1)
        return first[i], first[j]
    return np.repeat(first, len(second)), np.tile(second, len(first))


def _drawn_pairs(
    first: Indices, second: Indices, size: int, rng: np.random.Generator
) -> tuple[Indices, Indices]:
    """Draw pairs of different responses; each still counts by the product of its shares."""
    if not len(first) or not len(second):
        return first[:0], second[:0]
    i, j = rng.choice(first, size), rng.choice(second, size)
    return i[i != j], j[i != j]


def _cosine_shares(rows: Vectors, shares: Vectors, first: Indices, second: Indices) -> Vectors:
    counts = np.zeros(N_BINS)
    for start in range(0, len(first), PERSONA_BATCH_SIZE):
        i, j = (side[start : start + PERSONA_BATCH_SIZE] for side in (first, second))
        cosines = np.einsum("ij,ij->i", rows[i], rows[j])
        counts += _binned(cosines, N_BINS, shares[i] * shares[j])
    return counts / (counts.sum() or 1.0)


def mixture_kl_cosine(
    weights: Vectors,
    inverse_sizes: Vectors,
    target: Vectors,
    pairs: Vectors,
    max_pairs: float = SAMPLED_PAIRS,
) -> ValueAndGradient:
    """Return KL cosine of a mixture and its gradient by the persona weights.

    The shares of the mixture's cosines are
    q = (sum_kl v_k v_l q_kl - sum_k v_k^2 c_k q_kk) / (1 - sum_k v_k^2 c_k), since a response is
    never paired with itself. Both sides count as the pairs of the effective sample size, or as the
    target's if these are fewer.

    Parameters
    ----------
    weights : ndarray, shape (K,)
        Persona weights v.
    inverse_sizes : ndarray, shape (K,)
        Sum c_k of the squared shares of each persona's responses; 1 / n_k with equal shares.
    target : ndarray, shape (B,)
        Counts of the target's pairs, from `cosine_histogram`.
    pairs : ndarray, shape (K, K, B)
        Shares q_kl of the cosines between personas, from `persona_pair_shares`.
    max_pairs : float
        Upper limit of the number of pairs.

    Returns
    -------
    ValueAndGradient
        NaN where the weights leave one effective response.

    Examples
    --------
    >>> pairs = np.ones((1, 1, 2)) / 2
    >>> mixture_kl_cosine(np.ones(1), np.full(1, 0.1), np.array([4, 4]), pairs).value
    0.0
    """
    unbiased = distinct_pair_probability(weights, inverse_sizes)
    if unbiased <= TINY:
        return ValueAndGradient.undefined(len(weights))
    own = np.einsum("kkb->kb", pairs)
    cross = np.einsum("klb,l->kb", pairs, weights)
    same_draw = weights * inverse_sizes
    q = (weights @ cross - (weights * same_draw) @ own) / unbiased
    size = 1 / (1 - unbiased) if unbiased < 1 else np.inf
    limit = min(max_pairs, float(target.sum()))
    total = n_pairs(size, limit)
    d_total = np.zeros(len(weights))
    if total < limit:
        d_total = (0.5 - size) * 2 * size**2 * same_draw
    d_q = 2 * (cross - same_draw[:, None] * own + np.outer(same_draw, q)) / unbiased
    p, whole = target / target.sum(), total + SMOOTHING * len(q)
    first, second = ((total * side + SMOOTHING) / whole for side in (p, q))
    d_first = np.outer(d_total, p - first) / whole
    d_second = (np.outer(d_total, q - second) + total * d_q) / whole
    value = max(0.0, float(relative_entropy(first, second)))
    return ValueAndGradient(value, d_first @ np.log(first / second) - d_second @ (first / second))
