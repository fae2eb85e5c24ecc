"""Split-half evaluation: value, interval and human floor of a metric over random halves.

The real responses are split into random halves. The value compares one half with simulated
responses, the human floor compares it with the other half, at the same sample size. Where responses
have weights, halves are drawn uniformly and carry them, and every side has as many responses as
give the same effective sample size n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jupyter_mop.engine.metrics.divergences import Histogram
from jupyter_mop.engine.metrics.fid import frechet_distance
from jupyter_mop.engine.metrics.half_sampling import (
    IDENTITY,
    LOGIT,
    ROOT,
    HalfSample,
    Scale,
    centred_interval,
    half_samples,
    quantile_band,
)
from jupyter_mop.engine.metrics.kl_cosine import kl_cosine
from jupyter_mop.engine.metrics.mauve import (
    cluster_labels,
    default_clusters,
    mauve_from_histograms,
    mauve_score,
)
from jupyter_mop.engine.metrics.vectors import Indices, WeightedVectors

MIN_PER_GROUP = 20


@dataclass(frozen=True, slots=True)
class MetricResult:
    """A metric of one method, with its interval and human floor.

    Attributes
    ----------
    name : str
        Name of the metric, such as "FID".
    value, low, high : float
        The value and its confidence interval.
    floor, floor_low, floor_high : float
        The human floor, and the band that contains single splits of the real responses.
    n : int
        Effective responses per side, the same for the value and for the floor.
    better : str
        "lower", "higher" or "near 1".
    ess : float
        Effective sample size of the simulated responses; below n where their weights leave less.
    """

    name: str
    value: float
    low: float
    high: float
    floor: float
    floor_low: float
    floor_high: float
    n: int
    better: str
    ess: float


Statistic = Callable[[Indices, Indices], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is computed on two sets, and quickly on many subsets of them.

    Attributes
    ----------
    name, better : str
        Its name, and "lower", "higher" or "near 1".
    scale : Scale
        The transformation on which its interval is taken.
    value : callable
        (real, simulated, n, seed) -> the metric, for n effective responses per side.
    prepare : callable
        (real, simulated, n, seed) -> a function of real and simulated row numbers.
    n_groups : int
        Number of seeds among which the replicates are divided.
    """

    name: str
    better: str
    scale: Scale
    value: Callable[[WeightedVectors, WeightedVectors, int, int], float]
    prepare: Callable[[WeightedVectors, WeightedVectors, int, int], Statistic]
    n_groups: int = 1


@dataclass(frozen=True, slots=True)
class SplitHalf:
    """The real responses, which are split into halves, and the settings that all methods share.

    `n` is the effective number of responses per side.
    """

    target: WeightedVectors
    n: int
    n_boot: int
    n_splits: int
    level: float
    random_state: int

    def floor(self, metric: Metric) -> list[float]:
        """Return the metric between the two halves of each split."""
        splits = self._splits(self.n_splits, 1, 1)
        return [
            metric.value(self.target.take(s.first), self.target.take(s.second), self.n, seed)
            for seed, s in enumerate(splits, self.random_state)
        ]

    def result(
        self, metric: Metric, simulated: WeightedVectors, floor: Sequence[float]
    ) -> MetricResult:
        """Return the metric of one method with its interval and human floor."""
        value = float(np.mean(self._values(metric, simulated)))
        low, high = self._interval(value, self._replicates(metric, simulated), metric.scale)
        floor_low, floor_high = quantile_band(floor, level=self.level)
        return MetricResult(
            metric.name,
            value,
            low,
            high,
            float(np.mean(floor)),
            floor_low,
            floor_high,
            self.n,
            metric.better,
            min(self.n, rows_for(self.n, simulated) * simulated.efficiency),
        )

    def difference(
        self, metric: Metric, first: WeightedVectors, second: WeightedVectors
    ) -> tuple[float, float, float]:
        """Return the metric of `first` minus that of `second` on the same splits, with interval."""
        values, others = self._values(metric, first), self._values(metric, second)
        value = float(np.mean(np.subtract(values, others)))
        groups = zip(self._replicates(metric, first), self._replicates(metric, second), strict=True)
        paired = [np.subtract(group, other).tolist() for group, other in groups]
        return value, *self._interval(value, paired, IDENTITY)

    def _interval(
        self, value: float, groups: Sequence[Sequence[float]], scale: Scale
    ) -> tuple[float, float]:
        inflate = float(np.sqrt(1 + 1 / self.n_splits))
        return centred_interval(value, groups, level=self.level, inflate=inflate, scale=scale)

    def _values(self, metric: Metric, simulated: WeightedVectors) -> list[float]:
        splits = self._splits(self.n_splits, len(simulated), rows_for(self.n, simulated))
        return [
            metric.value(self.target.take(s.first), simulated.take(s.simulated), self.n, seed)
            for seed, s in enumerate(splits, self.random_state)
        ]

    def _replicates(self, metric: Metric, simulated: WeightedVectors) -> list[list[float]]:
        splits = self._splits(self.n_boot, len(simulated), len(simulated) // 2)
        n_groups = max(1, min(metric.n_groups, self.n_boot // MIN_PER_GROUP))
        groups = []
        for i in range(n_groups):
            statistic = metric.prepare(self.target, simulated, self.n, self.random_state + i)
            groups.append([statistic(s.first, s.simulated) for s in splits[i::n_groups]])
        return groups

    def _splits(self, n_samples: int, n_simulated: int, size: int) -> list[HalfSample]:
        return half_samples(
            len(self.target) // 2,
            n_simulated,
            n_samples=n_samples,
            size=size,
            random_state=self.random_state,
        )


def rows_for(n: float, responses: WeightedVectors) -> int:
    """Return how many of the responses have an effective sample size of n, at most all.

    Examples
    --------
    >>> rows_for(3, WeightedVectors(np.ones((8, 2)), np.array([3.0, 1.0] * 4)))
    4
    """
    return min(len(responses), round(n / responses.efficiency))


def _direct(
    value: Callable[[WeightedVectors, WeightedVectors, int, int], float],
) -> Callable[..., Statistic]:
    """Compute a metric anew on each subset."""

    def prepare(
        target: WeightedVectors, simulated: WeightedVectors, n: int, seed: int
    ) -> Statistic:
        return lambda real_rows, rows: value(target.take(real_rows), simulated.take(rows), n, seed)

    return prepare


def _clustered(target: WeightedVectors, simulated: WeightedVectors, n: int, seed: int) -> Statistic:
    """Cluster once and count the rows of each subset in these clusters."""
    size = default_clusters(n)
    sides = target, simulated
    labels = cluster_labels(target.vectors, simulated.vectors, n_clusters=size, random_state=seed)
    weights = [np.ones(len(side)) if side.weights is None else side.weights for side in sides]

    def counted(side: int, rows: Indices) -> Histogram:
        return np.bincount(labels[side][rows], weights[side][rows], size)

    return lambda real_rows, rows: mauve_from_histograms(counted(0, real_rows), counted(1, rows))


def _fid(target: WeightedVectors, simulated: WeightedVectors, _n: int, _seed: int) -> float:
    return frechet_distance(
        target.vectors,
        simulated.vectors,
        weights=simulated.weights,
        target_weights=target.weights,
    )


def _mauve(target: WeightedVectors, simulated: WeightedVectors, n: int, seed: int) -> float:
    return mauve_score(
        target.vectors,
        simulated.vectors,
        weights=simulated.weights,
        target_weights=target.weights,
        n_clusters=default_clusters(n),
        random_state=seed,
    )


def _kl_cosine(target: WeightedVectors, simulated: WeightedVectors, _n: int, seed: int) -> float:
    return kl_cosine(
        target.vectors,
        simulated.vectors,
        weights=simulated.weights,
        target_weights=target.weights,
        random_state=seed,
    )


METRICS = (
    Metric("FID", "lower", ROOT, _fid, _direct(_fid)),
    Metric("MAUVE", "higher", LOGIT, _mauve, _clustered, n_groups=5),
    Metric("KL cosine", "lower", ROOT, _kl_cosine, _direct(_kl_cosine)),
)
