"""Random halves and intervals: how much a metric varies by chance at a given sample size.

Sampling rows with replacement duplicates rows. Frechet distances, cluster histograms and pairwise
cosines all read duplicates as structure, which biases the ordinary bootstrap. Here rows are drawn
without replacement, half of a sample at a time: to first order, the spread of a statistic over
random halves equals its sampling spread on the whole sample (the delete-half jackknife; Shao and Wu
1989, Annals of Statistics 17, 1176-1197).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jupyter_mop.engine.metrics.vectors import Indices, Vectors

LOGIT_MARGIN = 1e-6


@dataclass(frozen=True, slots=True)
class HalfSample:
    """Row numbers of one random split: two disjoint halves of the target, and simulated rows."""

    first: Indices
    second: Indices
    simulated: Indices


@dataclass(frozen=True, slots=True)
class Scale:
    """A transformation on which the spread of a metric is nearly constant, and its inverse."""

    forward: Callable[[Vectors], Vectors]
    backward: Callable[[Vectors], Vectors]


def _root(values: Vectors) -> Vectors:
    return np.asarray(np.sqrt(np.maximum(values, 0.0)))


def _square(values: Vectors) -> Vectors:
    return np.asarray(np.maximum(values, 0.0) ** 2)


def _logit(values: Vectors) -> Vectors:
    inside = np.clip(values, LOGIT_MARGIN, 1 - LOGIT_MARGIN)
    return np.asarray(np.log(inside / (1 - inside)))


def _logistic(values: Vectors) -> Vectors:
    return np.asarray(1 / (1 + np.exp(-values)))


def _angle(values: Vectors) -> Vectors:
    return np.asarray(np.arcsin(np.sqrt(np.clip(values, 0.0, 1.0))))


def _share(values: Vectors) -> Vectors:
    return np.asarray(np.sin(np.clip(values, 0.0, np.pi / 2)) ** 2)


IDENTITY = Scale(np.asarray, np.asarray)
ROOT = Scale(_root, _square)
LOGIT = Scale(_logit, _logistic)
ANGLE = Scale(_angle, _share)  # for shares that can be 0


def half_samples(
    n: int, n_simulated: int, *, n_samples: int, size: int, random_state: int
) -> list[HalfSample]:
    """Return random splits of a target of 2 n rows, each with random simulated rows.

    Parameters
    ----------
    n : int
        Size of each half of the target.
    n_simulated : int
        Number of simulated rows to draw from.
    n_samples : int
        Number of splits.
    size : int
        Number of simulated rows per split.
    random_state : int
        Seed. The halves of the target depend on `n` and the seed alone.

    Returns
    -------
    list of HalfSample
        `first` and `second` have n row numbers below 2 n, `simulated` has `size`.

    Examples
    --------
    >>> split = half_samples(3, 10, n_samples=1, size=4, random_state=0)[0]
    >>> sorted([*split.first.tolist(), *split.second.tolist()])
    [0, 1, 2, 3, 4, 5]
    >>> split.simulated.shape
    (4,)
    """
    halves = np.random.default_rng([random_state, 0])
    rows = np.random.default_rng([random_state, 1])
    orders = [halves.permutation(2 * n) for _ in range(n_samples)]
    return [HalfSample(o[:n], o[n:], rows.permutation(n_simulated)[:size]) for o in orders]


def quantile_band(values: Sequence[float], *, level: float) -> tuple[float, float]:
    """Return the central interval that contains the share `level` of `values`.

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
    """Return a confidence interval around `value` from the spread of half-sample replicates.

    Replicates on half the rows are biased, so only their deviations from their own mean are used,
    on a scale where the spread hardly depends on the value.

    Parameters
    ----------
    value : float
        The estimate.
    groups : sequence of sequence of float
        The statistic on random halves; deviations are taken within each group.
    level : float
        Confidence level, for example 0.95.
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
