"""Importance weights: reweight responses drawn under one set of weights to another set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jupyter_mop.engine.metrics.vectors import (
    Indices,
    Vectors,
    checked_weights,
    effective_sample_size,
)
from jupyter_mop.engine.simulation.context_groups import ContextGroups, GroupedDraws
from jupyter_mop.errors import DataError

MIN_EFFECTIVE = 100
MIN_TAIL = 5
MAX_PARETO_K = 0.7

_MAX_GAP = 1e-4  # of a persona's share that reweighting may miss


def importance_weights(log_new: Vectors, log_old: Vectors) -> Vectors:
    """Return the importance weight of each draw, shape (n,), mean 1.

    It is proportional to exp(log_new - log_old).

    Parameters
    ----------
    log_new, log_old : ndarray, shape (n,)
        Log-probability of each draw's persona and exemplar under the new and the old weights, in
        nats.

    Raises
    ------
    DataError
        If the shapes differ, a draw has probability 0 under the old weights, or all have under the
        new ones.

    Examples
    --------
    >>> importance_weights(np.log([0.6, 0.2]), np.log([0.2, 0.2])).round(6).tolist()
    [1.5, 0.5]
    """
    new, old = np.asarray(log_new, dtype=np.float64), np.asarray(log_old, dtype=np.float64)
    if new.shape != old.shape or new.ndim != 1 or not len(new):
        raise DataError(
            "`log_new` and `log_old` must be of the same draws, got shapes "
            f"{new.shape} and {old.shape}.",
            hint="Pass one value per draw in each.",
        )
    if not np.isfinite(old).all() or np.isnan(new).any() or not np.isfinite(new.max()):
        raise DataError(
            "Some draws have no log-probability, or none is possible under the new weights.",
            hint="Reweight a simulation of the mixture, and give weight to a persona that it drew.",
        )
    ratios = np.exp(new - old - (new - old).max())
    return np.asarray(ratios / ratios.mean())


def share_weights(
    codes: Indices,
    shares: Vectors,
    names: Sequence[str],
    *,
    draws: GroupedDraws | None = None,
    weights: Vectors | None = None,
) -> Vectors:
    """Return the weight of each draw that gives the personas these shares, shape (n,), mean 1.

    The contexts keep their shares: the odds between two personas change by one factor in every
    group of contexts. Draws of one persona in one group keep their proportions
    (post-stratification), so that the random number of draws does not affect the metrics.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        The persona of each draw.
    shares : ndarray, shape (K,)
        The new persona weights, summing to 1.
    names : sequence of str
        The personas, for errors.
    draws : GroupedDraws, optional
        The groups of the draws' contexts; by default persona weights depend on no context.
    weights : ndarray, shape (n,), optional
        The current weights of the draws; equal by default.

    Raises
    ------
    DataError
        If a persona with a share has no draws, or too few contexts to reach it.

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
            f"The simulation has no draws of {absent[0]!r}, so reweighting cannot include it.",
            hint=f"Simulate again with some weight on {absent[0]!r}, or give it weight 0 here.",
        )
    if draws is None:
        draws = GroupedDraws(
            np.zeros_like(codes), ContextGroups(np.ones(1), np.ones((1, len(shares))))
        )
    cells = draws.cells(codes)
    wanted = cells.shares(np.asarray(shares, dtype=np.float64))
    reached = np.bincount(cells.persona, wanted, len(shares))
    worst = int(np.argmax(shares - reached))
    if np.abs(reached - shares).max() > _MAX_GAP:
        raise DataError(
            f"A share of {shares[worst]:.3f} cannot be reached for {names[worst]!r}: in the "
            f"contexts where it has draws, {reached[worst]:.3f} is the nearest.",
            hint="Simulate with these weights instead.",
        )
    cell = cells.codes(draws.labels, codes)
    mass = np.bincount(cell, before, len(cells))
    factors = np.divide(wanted, mass, out=np.zeros(len(cells)), where=mass > 0)
    return np.asarray(len(codes) * before * factors[cell])


def pareto_smoothed(weights: Vectors) -> tuple[Vectors, float]:
    """Return Pareto-smoothed weights and the shape k-hat of their tail (PSIS).

    The largest min(n / 5, 3 sqrt(n)) weights are replaced by the quantiles of a generalised Pareto
    distribution fitted to them, none above the largest. With k-hat below 0.7 the weights are
    reliable; above, a few draws dominate.

    Parameters
    ----------
    weights : ndarray, shape (n,)
        Importance weights.

    Returns
    -------
    weights : ndarray, shape (n,)
        Smoothed weights with mean 1.
    k_hat : float
        NaN, with nothing smoothed, where the tail has fewer than five distinct weights.

    Notes
    -----
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), *Pareto smoothed importance sampling*, JMLR 25,
    with the fit of Zhang and Stephens (2009), Technometrics 51.

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
    if size >= len(shares) or len(np.unique(shares[tail])) < MIN_TAIL:
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
    """Fit shape and scale of a generalised Pareto distribution to ascending positive `excess`."""
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
    """How reliable reweighted responses are.

    Attributes
    ----------
    n : int
        Number of responses.
    effective_sample_size : float
        Effective sample size (Kish) under the weights.
    largest_weight : float
        Share of the response with the largest weight.
    pareto_k : float
        Shape of the tail of the weights, see `pareto_smoothed`; NaN without a tail.
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


def reliability(weights: Vectors, codes: Indices, names: Sequence[str]) -> Reliability:
    """Diagnose importance weights: effective sample size, Pareto k-hat and a verdict.

    Parameters
    ----------
    weights : ndarray, shape (n,)
        Importance weights.
    codes : ndarray of int, shape (n,)
        The persona of each response.
    names : sequence of str
        The personas.

    Returns
    -------
    Reliability
        The verdict is "trust" for an effective sample size of at least 100 (half the responses
        where there are fewer than 200) and a k-hat of at most min(1 - 1 / log10(n), 0.7).

    Examples
    --------
    >>> weights = np.r_[np.full(297, 0.5), np.full(3, 50.5)]
    >>> reliability(weights, np.r_[np.zeros(297, int), np.ones(3, int)], ["critic", "fan"]).verdict
    'more draws of fan needed: about 48'
    """
    shares = checked_weights(weights, len(weights))
    n, size, k_hat = len(shares), effective_sample_size(weights), pareto_smoothed(shares)[1]
    by_persona = np.asarray(np.bincount(codes, shares, len(names)), dtype=np.float64)
    verdict = advice(np.bincount(codes, minlength=len(names)), by_persona, size, names)
    if verdict == "trust" and k_hat > min(1 - 1 / math.log10(max(n, 11)), MAX_PARETO_K):
        verdict = f"a few draws dominate (Pareto k {k_hat:.2f}): simulate with these weights"
    return Reliability(n, size, float(shares.max()), k_hat, verdict)


def advice(counts: Indices, shares: Vectors, size: float, names: Sequence[str]) -> str:
    """Return "trust", or which persona needs how many more draws for these shares.

    Parameters
    ----------
    counts, shares : ndarray, shape (K,)
        Number of draws and weighted share of each persona.
    size : float
        Effective sample size.
    names : sequence of str
        The personas.

    Examples
    --------
    >>> advice(np.array([297, 3]), np.array([0.5, 0.5]), 12.0, ["critic", "fan"])
    'more draws of fan needed: about 47'
    """
    target = min(MIN_EFFECTIVE, float(counts.sum()) / 2)
    if size >= target * (1 - 1e-9):
        return "trust"
    per_draw = np.divide(shares, counts, out=np.zeros(len(shares)), where=counts > 0)
    worst = int(per_draw.argmax())
    missing = math.ceil(target * shares[worst]) - int(counts[worst])
    if missing < 1:
        return "too few draws have weight: simulate with these weights"
    return f"more draws of {names[worst]} needed: about {missing}"
