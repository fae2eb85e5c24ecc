"""Figures of a mixture from what is known of each persona's draws, with their derivatives.

Each function takes the persona weights v, shape (K,), summing to 1, and returns the figure and its
partial derivatives by each weight, shape (K,). None looks at a response: the cost is that of
the statistics, however many responses they came from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jupyter_mop.engine.histograms import relative_entropy
from jupyter_mop.engine.mauve import N_MIXTURES
from jupyter_mop.engine.vectors import Vectors

SCALING = 5.0
TINY = 1e-12
RANK_TOLERANCE = 1e-10
ROUNDING = 1e-14
NO_GAP = 1e-9
SMOOTHING = 0.5


@dataclass(frozen=True, slots=True)
class Value:
    """A figure and its partial derivatives by the persona weights, shape (K,)."""

    value: float
    gradient: Vectors


def fid(
    weights: Vectors, inverse_sizes: Vectors, variances: Vectors, means: Vectors, moments: Vectors
) -> Value:
    """Return the Frechet distance to a target with mean 0 and covariance diag(`variances`).

    Parameters
    ----------
    weights : ndarray, shape (K,)
        Persona weights v.
    inverse_sizes : ndarray, shape (K,)
        Sum of the squared shares of each persona's draws; 1 / n_k where they count alike.
    variances : ndarray, shape (r,)
        The target's, on its principal axes.
    means, moments : ndarray, shapes (K, r) and (K, r, r)
        E[x] and E[x x'] of each persona's draws on the same axes.

    Examples
    --------
    >>> ones = np.ones((1, 1))
    >>> round(fid(np.ones(1), np.zeros(1), np.ones(1), 2 * ones, 5 * ones[None]).value, 6)
    4.0
    """
    unbiased = 1 - weights**2 @ inverse_sizes
    if unbiased <= TINY:
        return Value(np.nan, np.zeros(len(weights)))
    mean = weights @ means
    covariance = (np.tensordot(weights, moments, 1) - np.outer(mean, mean)) / unbiased
    scale = np.sqrt(variances)
    eigenvalues, axes = np.linalg.eigh(scale[:, None] * covariance * scale)
    roots = np.sqrt(np.where(eigenvalues > ROUNDING * eigenvalues[-1], eigenvalues, 0).clip(min=0))
    value = mean @ mean + variances.sum() + np.trace(covariance) - 2 * roots.sum()
    kept = eigenvalues > RANK_TOLERANCE * eigenvalues[-1]
    half = scale[:, None] * axes[:, kept] / np.sqrt(roots[kept])
    slope = np.eye(len(scale)) - half @ half.T
    moved = np.einsum("kij,ij->k", moments, slope) - 2 * means @ slope @ mean
    spread = 2 * weights * inverse_sizes * float(np.sum(slope * covariance))
    return Value(max(0.0, float(value)), 2 * means @ mean + (moved + spread) / unbiased)


def mauve(weights: Vectors, target: Vectors, personas: Vectors) -> Value:
    """Return MAUVE of cluster shares, the target's (C,) and each persona's (K, C).

    Examples
    --------
    >>> round(mauve(np.ones(1), np.array([0.5, 0.5]), np.array([[0.9, 0.1]])).value, 3)
    0.671
    """
    q = weights @ personas
    level = np.linspace(1e-6, 1 - 1e-6, N_MIXTURES)[:, None]
    between = level * target + (1 - level) * q
    x = np.exp(-SCALING * relative_entropy(q, between))
    y = np.exp(-SCALING * relative_entropy(target, between))
    xs, ys = np.r_[1.0, x, 0.0], np.r_[0.0, y, 1.0]
    by_x = (ys[2:] - ys[:-2]) / 2
    by_y = (xs[:-2] - xs[2:]) / 2
    safe = np.where(between > 0, between, 1.0)
    dx = np.log(q.clip(min=TINY) / safe) + 1 - (1 - level) * q / safe
    dy = -(1 - level) * target / safe
    slope = -SCALING * ((by_x * x) @ dx + (by_y * y) @ dy)
    return Value(float(min(1.0, -np.trapezoid(ys, xs))), personas @ slope)


def kl_cosine(
    weights: Vectors, inverse_sizes: Vectors, target: Vectors, pairs: Vectors, cap: float
) -> Value:
    """Return the divergence of pairwise cosines, target against simulated.

    Parameters
    ----------
    weights, inverse_sizes : ndarray, shape (K,)
        As for `fid`.
    target : ndarray, shape (B,)
        Counts of the target's pairs.
    pairs : ndarray, shape (K, K, B)
        Shares of the cosines of a draw of one persona and another draw of another.
    cap : float
        The most pairs that are counted.

    Examples
    --------
    >>> value = kl_cosine(np.ones(1), np.full(1, 0.1), np.array([4, 4]), np.ones((1, 1, 2)) / 2, 9)
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


def wasserstein(weights: Vectors, target: Vectors, personas: Vectors) -> Value:
    """Return the Wasserstein-1 distance of shares over ordered bins, in bins.

    Examples
    --------
    >>> wasserstein(np.ones(1), np.array([1.0, 0.0]), np.array([[0.0, 1.0]])).value
    1.0
    """
    gap = np.cumsum(target - weights @ personas)
    gradient = -np.cumsum(personas, axis=1) @ _direction(gap)
    return Value(float(np.abs(gap).sum()), gradient)


def js_divergence(weights: Vectors, target: Vectors, personas: Vectors) -> Value:
    """Return the Jensen-Shannon divergence of shares in nats.

    Examples
    --------
    >>> js_divergence(np.ones(1), np.array([1.0, 0.0]), np.array([[1.0, 0.0]])).value
    0.0
    """
    q = weights @ personas
    middle = (target + q) / 2
    value = (relative_entropy(target, middle) + relative_entropy(q, middle)) / 2
    slope = np.log(q.clip(min=TINY) / middle.clip(min=TINY)) / 2
    return Value(float(value), personas @ slope)


def total_variation(weights: Vectors, target: Vectors, personas: Vectors) -> Value:
    """Return half the sum of the absolute differences of the shares.

    Examples
    --------
    >>> total_variation(np.ones(1), np.array([1.0, 0.0]), np.array([[0.0, 1.0]])).value
    1.0
    """
    gap = weights @ personas - target
    return Value(float(np.abs(gap).sum() / 2), personas @ _direction(gap) / 2)


def _direction(gap: Vectors) -> Vectors:
    """Return the signs of gaps; one that is nothing but rounding has none."""
    return np.sign(np.where(np.abs(gap) > NO_GAP, gap, 0.0))
