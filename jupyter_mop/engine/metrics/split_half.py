"""Split-half evaluation: value, interval and human floor of a metric over random halves.

The real responses are split into random halves. The value compares one half with simulated
responses, the human floor compares it with the other half, at the same sample size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

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
from jupyter_mop.engine.metrics.vectors import Indices, Vectors, effective_sample_size

MIN_PER_GROUP = 20


@dataclass(frozen=True, slots=True)
class MetricResult:
    """A metric of one method, with its interval and human floor.

    Attributes
    ----------
    name : str
        "FID", "MAUVE" or "KL cosine".
    value, low, high : float
        The value and its confidence interval.
    floor, floor_low, floor_high : float
        The human floor, and the band that contains single splits of the real responses.
    n : int
        Responses per side, the same for the value and for the floor.
    better : str
        "lower" or "higher".
    ess : float
        Effective sample size of the simulated responses; n with equal weights.
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


@dataclass(frozen=True, slots=True)
class WeightedVectors:
    """Vectors of a method's simulated responses, with weights unless they are equal."""

    vectors: Vectors
    weights: Vectors | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def efficiency(self) -> float:
        """The effective sample size as a share of the responses, in (0, 1]."""
        return 1.0 if self.weights is None else effective_sample_size(self.weights) / len(self)

    def take(self, rows: Indices) -> WeightedVectors:
        """Return the responses at `rows`."""
        weights = None if self.weights is None else self.weights[rows]
        return WeightedVectors(self.vectors[rows], weights)


Statistic = Callable[[Indices, Indices], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is computed on two sets, and quickly on many subsets of them.

    Attributes
    ----------
    name, better : str
        Its name, and "lower" or "higher".
    scale : Scale
        The transformation on which its interval is taken.
    value : callable
        (real vectors, simulated, seed) -> the metric.
    prepare : callable
        (real vectors, simulated, n, seed) -> a function of real and simulated row numbers.
    n_groups : int
        Number of seeds among which the replicates are divided.
    """

    name: str
    better: str
    scale: Scale
    value: Callable[[Vectors, WeightedVectors, int], float]
    prepare: Callable[[Vectors, WeightedVectors, int, int], Statistic]
    n_groups: int = 1


@dataclass(frozen=True, slots=True)
class SplitHalf:
    """The real responses (2 n of them) and the settings that all methods share."""

    target: Vectors
    n: int
    n_boot: int
    n_splits: int
    level: float
    random_state: int

    def floor(self, metric: Metric) -> list[float]:
        """Return the metric between the two halves of each split."""
        splits = self._splits(self.n_splits, self.n, self.n)
        return [
            metric.value(self.target[s.first], WeightedVectors(self.target[s.second]), seed)
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
            self.n * simulated.efficiency,
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
        splits = self._splits(self.n_splits, len(simulated), self.n)
        return [
            metric.value(self.target[s.first], simulated.take(s.simulated), seed)
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
            self.n, n_simulated, n_samples=n_samples, size=size, random_state=self.random_state
        )


def _direct(value: Callable[[Vectors, WeightedVectors, int], float]) -> Callable[..., Statistic]:
    """Compute a metric anew on each subset."""

    def prepare(
        target: Vectors,
        simulated: WeightedVectors,
        n: int,  # noqa: ARG001
        seed: int,
    ) -> Statistic:
        return lambda real_rows, rows: value(target[real_rows], simulated.take(rows), seed)

    return prepare


def _clustered(target: Vectors, simulated: WeightedVectors, n: int, seed: int) -> Statistic:
    """Cluster once and count the rows of each subset in these clusters."""
    size = default_clusters(n)
    real, labels = cluster_labels(target, simulated.vectors, n_clusters=size, random_state=seed)
    weights = np.ones(len(simulated)) if simulated.weights is None else simulated.weights
    return lambda real_rows, rows: mauve_from_histograms(
        np.bincount(real[real_rows], minlength=size),
        np.bincount(labels[rows], weights=weights[rows], minlength=size),
    )


def _fid(target: Vectors, simulated: WeightedVectors, _seed: int) -> float:
    return frechet_distance(target, simulated.vectors, weights=simulated.weights)


def _mauve(target: Vectors, simulated: WeightedVectors, seed: int) -> float:
    return mauve_score(target, simulated.vectors, weights=simulated.weights, random_state=seed)


def _kl_cosine(target: Vectors, simulated: WeightedVectors, seed: int) -> float:
    return kl_cosine(target, simulated.vectors, weights=simulated.weights, random_state=seed)


METRICS = (
    Metric("FID", "lower", ROOT, _fid, _direct(_fid)),
    Metric("MAUVE", "higher", LOGIT, _mauve, _clustered, n_groups=5),
    Metric("KL cosine", "lower", ROOT, _kl_cosine, _direct(_kl_cosine)),
)
