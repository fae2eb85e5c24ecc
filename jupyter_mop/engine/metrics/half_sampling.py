"""Random halves and intervals: how much a figure moves by chance at a given sample size.

Drawing rows with replacement puts copies of a row into a sample. Frechet distances, cluster
histograms and pairwise cosines all read copies as structure, which biases the ordinary bootstrap
for them. Here rows are drawn without replacement, half of a sample at a time: to first order the
spread of a statistic over random halves equals the sampling spread of the same statistic on the
whole sample (the delete-half jackknife; Shao and Wu 1989, Annals of Statistics 17, 1176-1197).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]
Values = NDArray[np.float64]

SMALLEST = 1e-6


@dataclass(frozen=True, slots=True)
class Draw:
    """Row numbers of one random draw: two disjoint halves of the target, and simulated rows."""

    first: Indices
    second: Indices
    simulated: Indices


@dataclass(frozen=True, slots=True)
class Scale:
    """A transformation and the way back."""

    forward: Callable[[Values], Values]
    backward: Callable[[Values], Values]


def _root(values: Values) -> Values:
    return np.asarray(np.sqrt(np.maximum(values, 0.0)))


def _square(values: Values) -> Values:
    return np.asarray(np.maximum(values, 0.0) ** 2)


def _logit(values: Values) -> Values:
    inside = np.clip(values, SMALLEST, 1 - SMALLEST)
    return np.asarray(np.log(inside / (1 - inside)))


def _logistic(values: Values) -> Values:
    return np.asarray(1 / (1 + np.exp(-values)))


PLAIN = Scale(np.asarray, np.asarray)
ROOT = Scale(_root, _square)
LOGIT = Scale(_logit, _logistic)


def random_draws(
    n: int, n_simulated: int, *, n_draws: int, take: int, random_state: int
) -> list[Draw]:
    """Return random draws from a target of 2 n rows and a simulation of `n_simulated` rows.

    Parameters
    ----------
    n : int
        Size of each half of the target.
    n_simulated : int
        Number of simulated rows to draw from.
    n_draws : int
        Number of draws.
    take : int
        Number of simulated rows per draw.
    random_state : int
        Seed; the halves of the target depend on `n` and the seed alone.

    Returns
    -------
    list of Draw
        `first` and `second` have n row numbers below 2 n, `simulated` has `take`.

    Examples
    --------
    >>> draw = random_draws(3, 10, n_draws=1, take=4, random_state=0)[0]
    >>> sorted([*draw.first.tolist(), *draw.second.tolist()])
    [0, 1, 2, 3, 4, 5]
    >>> draw.simulated.shape
    (4,)
    """
    halves = np.random.default_rng([random_state, 0])
    rows = np.random.default_rng([random_state, 1])
    orders = [halves.permutation(2 * n) for _ in range(n_draws)]
    return [Draw(o[:n], o[n:], rows.permutation(n_simulated)[:take]) for o in orders]


def quantile_band(values: Sequence[float], *, level: float) -> tuple[float, float]:
    """Return the central band that holds the share `level` of `values`.

    Examples
    --------
    >>> quantile_band([0.0, 1.0, 2.0, 3.0, 4.0], level=0.5)
    (1.0, 3.0)
    """
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def centred_interval(
    value: float,
    groups: Sequence[Sequence[float]],
    *,
    level: float,
    scale: Scale,
    inflate: float = 1.0,
) -> tuple[float, float]:
    """Return an interval around `value` from the spread of replicates around their own mean.

    Replicates on half the rows are biased against the value, so only their deviations are used,
    on a scale where the spread hardly depends on the level.

    Parameters
    ----------
    value : float
        The estimate.
    groups : sequence of sequence of float
        The same statistic on random halves; deviations are taken within each group.
    level : float
        Probability that the interval is to hold, for example 0.95.
    scale : Scale
        `ROOT` for distances, `LOGIT` for shares.
    inflate : float
        Factor on the deviations.

    Returns
    -------
    tuple of float
        Lower and upper end; `value` lies between them.

    Examples
    --------
    >>> low, high = centred_interval(4.0, [[0.0, 1.0, 4.0]], level=1.0, scale=ROOT)
    >>> round(low, 6), round(high, 6)
    (1.0, 9.0)
    """
    scaled = [scale.forward(np.asarray(group)) for group in groups]
    deviations = inflate * np.concatenate([group - group.mean() for group in scaled])
    low, high = np.quantile(deviations, [(1 - level) / 2, (1 + level) / 2])
    centre = scale.forward(np.asarray(value))
    lower, upper = (float(scale.backward(centre + shift)) for shift in (low, high))
    return min(lower, value), max(upper, value)
