"""Counting and averaging the draws of each persona."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jupyter_mop.engine.metrics.kl_cosine import MAX_ALL_PAIRS, N_BINS, SAMPLED_PAIRS
from jupyter_mop.engine.metrics.vectors import Vectors, principal_components, unit
from jupyter_mop.engine.simulation.importance_weights import Codes
from jupyter_mop.errors import DataError

MAX_AXES = 32
MAX_WORDS = 200


@dataclass(frozen=True)
class Answers:
    """Shares of the options of a closed question, the target's (A,) and each persona's (K, A).

    They are counted, or `exact`: the probabilities that the answers were drawn with.
    """

    options: tuple[str, ...]
    ordered: bool
    target: Vectors
    personas: Vectors
    exact: bool = False

    def shares(self, weights: Vectors) -> Vectors:
        """Return the share of each option at these persona weights, shape (A,)."""
        return np.asarray(weights @ self.personas)


def sums(codes: Codes, values: Vectors, n: int) -> Vectors:
    """Return the sum of the values of each persona, shape (n,)."""
    return np.asarray(np.bincount(codes, values, n), dtype=np.float64)


def within_shares(codes: Codes, weights: Vectors, n_personas: int) -> Vectors:
    """Return the share of each draw among those of its persona."""
    totals = sums(codes, weights, n_personas)[codes]
    return np.divide(weights, totals, out=np.zeros(len(weights)), where=totals > 0)


def proportions(labels: Codes, size: int) -> Vectors:
    """Return the share of each label, shape (size,)."""
    return np.asarray(np.bincount(labels, minlength=size) / len(labels))


def tabulated(codes: Codes, labels: Codes, shares: Vectors, shape: tuple[int, int]) -> Vectors:
    """Return the share of each label within each persona, shape (K, n_labels)."""
    return sums(codes * shape[1] + labels, shares, shape[0] * shape[1]).reshape(shape)


def n_words(texts: Sequence[str]) -> Codes:
    """Return the number of words of each text, 200 where there are more."""
    return np.array([min(len(text.split()), MAX_WORDS) for text in texts], dtype=np.intp)


def space(
    target: Vectors, simulated: Vectors, codes: Codes, shares: Vectors, n_personas: int
) -> dict[str, Any]:
    """Return the moments of both on the main axes of the target, which is at the origin."""
    variance_shares, axes = principal_components(target)
    size = min(MAX_AXES, len(target) - 1, target.shape[1])
    origin = target.mean(axis=0)
    real, made = (target - origin) @ axes[:, :size], (simulated - origin) @ axes[:, :size]
    chosen = [np.flatnonzero(codes == k) for k in range(n_personas)]
    weighted = [(made[rows], shares[rows, None]) for rows in chosen]
    return {
        "variances": real.var(axis=0, ddof=1),
        "means": np.stack([(w * x).sum(axis=0) for x, w in weighted]),
        "moments": np.stack([x.T @ (w * x) for x, w in weighted]),
        "explained": float(variance_shares[:size].sum()),
    }


def pairs(
    simulated: Vectors, codes: Codes, shares: Vectors, n_personas: int, random_state: int
) -> Vectors:
    """Return the shares of the cosines of draws of two personas, shape (K, K, B)."""
    rows = unit(simulated)
    chosen = [np.flatnonzero((codes == k) & (shares > 0)) for k in range(n_personas)]
    rng = np.random.default_rng(random_state)
    size = SAMPLED_PAIRS // (n_personas * (n_personas + 1) // 2)
    found = np.zeros((n_personas, n_personas, N_BINS))
    for k in range(n_personas):
        for other in range(k + 1):
            if len(simulated) > MAX_ALL_PAIRS:
                first, second = _drawn_pairs(chosen[k], chosen[other], size, rng)
            else:
                first, second = _all_pairs(chosen[k], chosen[other], same=k == other)
            found[k, other] = found[other, k] = _cosine_shares(rows, shares, first, second)
    return found


def _all_pairs(first: Codes, second: Codes, *, same: bool) -> tuple[Codes, Codes]:
    if same:
        i, j = np.triu_indices(len(first), 1)
        return first[i], first[j]
    return np.repeat(first, len(second)), np.tile(second, len(first))


def _cosine_shares(rows: Vectors, shares: Vectors, first: Codes, second: Codes) -> Vectors:
    counts = np.zeros(N_BINS)
    for start in range(0, len(first), 100_000):
        i, j = first[start : start + 100_000], second[start : start + 100_000]
        cosines = np.einsum("ij,ij->i", rows[i], rows[j]).clip(-1, 1)
        counts += np.histogram(cosines, N_BINS, (-1, 1), weights=shares[i] * shares[j])[0]
    return counts / (counts.sum() or 1.0)


def _drawn_pairs(
    first: Codes, second: Codes, size: int, rng: np.random.Generator
) -> tuple[Codes, Codes]:
    """Return pairs of different draws; each pair still counts by the product of its shares."""
    if not len(first) or not len(second):
        return first[:0], second[:0]
    i, j = rng.choice(first, size), rng.choice(second, size)
    return i[i != j], j[i != j]


def answers(
    real: Sequence[str],
    made: Sequence[str],
    codes: Codes,
    shares: Vectors,
    *,
    n_personas: int,
    options: Sequence[str],
    ordered: bool,
) -> Answers:
    """Count the answers to a closed question."""
    place = {option: a for a, option in enumerate(options)}
    strange = next((text for text in [*real, *made] if text not in place), None)
    if strange is not None:
        raise DataError(
            f"The answer {strange[:60]!r} is none of the options {list(options)}.",
            hint="Give every option, or leave the options out for free text.",
        )
    target, labels = (np.array([place[text] for text in group]) for group in (real, made))
    shape = (n_personas, len(options))
    return Answers(
        tuple(options),
        ordered,
        proportions(target, shape[1]),
        tabulated(codes, labels, shares, shape),
    )
