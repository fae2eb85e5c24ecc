"""Importance weights: what was drawn with some weights stands for what others would draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.vectors import Vectors, checked_weights, kish
from jupyter_mop.errors import DataError

Codes = NDArray[np.intp]

ENOUGH = 100
SMALLEST_TAIL = 5


def importance_weights(log_new: Vectors, log_old: Vectors) -> Vectors:
    """Return the weight of each draw where its log-probability was `log_old`, shape (n,), mean 1.

    Parameters
    ----------
    log_new, log_old : ndarray, shape (n,)
        Log-probability of each draw's persona and exemplar, wanted and as drawn, in nats.

    Raises
    ------
    DataError
        If the shapes differ, a draw was impossible, or all draws are impossible under the new.

    Examples
    --------
    >>> importance_weights(np.log([0.6, 0.2]), np.log([0.2, 0.2])).round(6).tolist()
    [1.5, 0.5]
    """
    new, old = np.asarray(log_new, dtype=np.float64), np.asarray(log_old, dtype=np.float64)
    if new.shape != old.shape or new.ndim != 1 or not len(new):
        raise DataError(
            f"Log-probabilities of the same draws were expected; {new.shape}, {old.shape} came.",
            hint="Pass one value a draw, new and old.",
        )
    if not np.isfinite(old).all() or np.isnan(new).any() or not np.isfinite(new.max()):
        raise DataError(
            "Some draws have no log-probability, or none is possible under the new weights.",
            hint="Reweight a simulation that drew persona and exemplar; give some persona weight.",
        )
    ratios = np.exp(new - old - (new - old).max())
    return np.asarray(ratios / ratios.mean())


def share_weights(
    codes: Codes, shares: Vectors, names: Sequence[str], *, weights: Vectors | None = None
) -> Vectors:
    """Return the weight of each draw that gives the personas these shares, shape (n,), mean 1.

    Draws of one persona keep their proportions, so that the chance in how often each persona was
    drawn goes out of the figures.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        The persona of each draw.
    shares : ndarray, shape (K,)
        The persona weights wanted, summing to 1.
    names : sequence of str
        The personas, for errors.
    weights : ndarray, shape (n,), optional
        The draws' weights so far.

    Raises
    ------
    DataError
        If a persona with a share has no draws.

    Examples
    --------
    >>> share_weights(np.array([0, 0, 0, 1]), np.array([0.5, 0.5]), ["a", "b"]).round(4).tolist()
    [0.6667, 0.6667, 0.6667, 2.0]
    """
    before = checked_weights(weights, len(codes))
    drawn = np.bincount(codes, before, len(shares))
    absent = [
        name for name, share, mass in zip(names, shares, drawn, strict=True) if share > mass == 0
    ]
    if absent:
        raise DataError(
            f"The simulation has no draws of {absent[0]!r}, which no weight can make up for.",
            hint=f"Simulate again with some weight on {absent[0]!r}, or give it none here.",
        )
    factors = np.divide(shares, drawn, out=np.zeros(len(shares)), where=drawn > 0)
    return np.asarray(len(codes) * before * factors[codes])


def effective_sample_size(weights: Vectors) -> float:
    """Return how many draws that count alike are as good as these, 1 / sum of squared shares.

    Parameters
    ----------
    weights : ndarray, shape (n,)
        Importance weights; their scale makes no difference.

    Returns
    -------
    float
        Between 1 and n (Kish 1965, *Survey Sampling*).

    Examples
    --------
    >>> effective_sample_size(np.array([1.0, 1.0, 0.0]))
    2.0
    """
    return kish(checked_weights(weights, len(weights)))


def pareto_smoothed(weights: Vectors) -> tuple[Vectors, float]:
    """Return the weights with their largest ones smoothed, and the tail's shape k-hat.

    The largest min(n / 5, 3 sqrt(n)) weights are replaced by the quantiles of a generalised Pareto
    distribution fitted to them, none above the largest. Below 0.7 the weights can be relied on;
    above, a few draws decide everything.

    Parameters
    ----------
    weights : ndarray, shape (n,)
        Importance weights.

    Returns
    -------
    tuple of ndarray, shape (n,), mean 1, and float
        k-hat is NaN, and nothing smoothed, where fewer than five different weights make the tail.

    Notes
    -----
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), *Pareto smoothed importance sampling*, JMLR 25;
    the fit is that of Zhang and Stephens (2009), Technometrics 51.

    Examples
    --------
    >>> weights = np.random.default_rng(0).pareto(4, size=1000) + 1
    >>> bool(pareto_smoothed(weights)[1] < 0.5)
    True
    """
    shares = checked_weights(weights, len(weights))
    size = math.ceil(min(len(shares) / 5, 3 * math.sqrt(len(shares))))
    order = np.argsort(shares, kind="stable")
    tail = order[len(shares) - size :]
    if size >= len(shares) or len(np.unique(shares[tail])) < SMALLEST_TAIL:
        return shares * len(shares), math.nan
    cutoff = shares[order[len(shares) - size - 1]]
    excess = shares[tail] - cutoff
    if not (excess > 0).all():
        return shares * len(shares), math.nan
    shape, scale = _pareto_fit(excess)
    smoothed = shares.copy()
    smoothed[tail] = np.minimum(
        cutoff + _pareto_quantiles((np.arange(size) + 0.5) / size, shape, scale), shares[tail[-1]]
    )
    return np.asarray(len(shares) * smoothed / smoothed.sum()), shape


def _pareto_fit(excess: Vectors) -> tuple[float, float]:
    """Return shape and scale of a generalised Pareto distribution, `excess` ascending above 0."""
    n = len(excess)
    n_points = 30 + math.floor(math.sqrt(n))
    quarter = excess[math.floor(n / 4 + 0.5) - 1]
    grid = 1 - np.sqrt(n_points / (np.arange(1, n_points + 1) - 0.5))
    theta = 1 / excess[-1] + grid / (3 * quarter)
    shapes = np.log1p(-theta[:, None] * excess).mean(axis=1)
    profile = n * (np.log(-theta / shapes) - shapes - 1)
    posterior = np.exp(profile - profile.max())
    best = float(theta @ posterior / posterior.sum())
    shape = float(np.log1p(-best * excess).mean())
    return (n * shape + 5) / (n + 10), -shape / best


def _pareto_quantiles(levels: Vectors, shape: float, scale: float) -> Vectors:
    if abs(shape) < np.finfo(float).eps:
        return np.asarray(-scale * np.log1p(-levels))
    return np.asarray(scale * np.expm1(-shape * np.log1p(-levels)) / shape)


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far reweighted draws can be trusted.

    Attributes
    ----------
    n : int
        Number of draws.
    effective_sample_size : float
        As good as so many draws that count alike.
    largest_weight : float
        Share of the one draw that counts most.
    pareto_k : float
        Shape of the tail of the weights, see `pareto_smoothed`; NaN where there is no tail.
    verdict : str
        "trust", or what to do.
    """

    n: int
    effective_sample_size: float
    largest_weight: float
    pareto_k: float
    verdict: str

    def __str__(self) -> str:
        return (
            f"{self.verdict} ({self.effective_sample_size:.0f} of {self.n} draws effective, "
            f"largest weight {self.largest_weight:.1%})"
        )


def reliability(weights: Vectors, codes: Codes, names: Sequence[str]) -> Reliability:
    """Say in plain words whether weighted draws can be trusted.

    Parameters
    ----------
    weights : ndarray, shape (n,)
        Importance weights.
    codes : ndarray of int, shape (n,)
        The persona of each draw.
    names : sequence of str
        The personas.

    Returns
    -------
    Reliability
        The verdict is "trust" from an effective sample size of 100 on (of half the draws where
        there are fewer than 200) and a k-hat below min(1 - 1 / log10(n), 0.7).

    Examples
    --------
    >>> weights = np.r_[np.full(297, 0.5), np.full(3, 50.5)]
    >>> reliability(weights, np.r_[np.zeros(297, int), np.ones(3, int)], ["critic", "fan"]).verdict
    'more draws of fan needed: about 48'
    """
    shares = checked_weights(weights, len(weights))
    size, largest = kish(shares), float(shares.max())
    k_hat = pareto_smoothed(shares)[1]
    wanted = np.asarray(np.bincount(codes, shares, len(names)), dtype=np.float64)
    verdict = advice(np.bincount(codes, minlength=len(names)), wanted, size, names)
    if verdict == "trust" and k_hat > min(1 - 1 / math.log10(max(len(shares), 11)), 0.7):
        verdict = f"a few draws decide (Pareto k {k_hat:.2f}): simulate with these weights"
    return Reliability(len(shares), size, largest, k_hat, verdict)


def advice(counts: NDArray[np.intp], shares: Vectors, size: float, names: Sequence[str]) -> str:
    """Return "trust", or which persona needs how many more draws for these shares.

    Examples
    --------
    >>> advice(np.array([297, 3]), np.array([0.5, 0.5]), 12.0, ["critic", "fan"])
    'more draws of fan needed: about 47'
    """
    target = min(ENOUGH, float(counts.sum()) / 2)
    if size >= target * (1 - 1e-9):
        return "trust"
    per_draw = np.divide(shares, counts, out=np.zeros(len(shares)), where=counts > 0)
    worst = int(per_draw.argmax())
    missing = math.ceil(target * shares[worst]) - int(counts[worst])
    if missing < 1:
        return "too few draws count: simulate with these weights"
    return f"more draws of {names[worst]} needed: about {missing}"
