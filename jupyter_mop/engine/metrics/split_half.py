"""Figures over random halves: value, interval and human floor of one method at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jupyter_mop.engine.metrics.fid import frechet_distance
from jupyter_mop.engine.metrics.half_sampling import (
    LOGIT,
    PLAIN,
    ROOT,
    Draw,
    Indices,
    Scale,
    centred_interval,
    quantile_band,
    random_draws,
)
from jupyter_mop.engine.metrics.kl_cosine import kl_cosine
from jupyter_mop.engine.metrics.mauve import (
    cluster_labels,
    default_clusters,
    mauve_from_histograms,
    mauve_score,
)
from jupyter_mop.engine.metrics.vectors import Vectors, checked_weights, kish

MIN_PER_GROUP = 20


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one method, with its interval and the same figure between real halves.

    Attributes
    ----------
    name : str
        "FID", "MAUVE" or "KL cosine".
    value, low, high : float
        The figure and its interval.
    floor, floor_low, floor_high : float
        The human floor, and the band in which single splits of the real responses fall.
    n : int
        Responses per side: the same for the value and for the floor.
    better : str
        "lower" or "higher".
    ess : float
        Effective number of the simulated responses, n where they count alike.
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
class Pool:
    """The simulated responses of a method and, where they do not count alike, their weights."""

    vectors: Vectors
    weights: Vectors | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def efficiency(self) -> float:
        """The effective share of the responses, in (0, 1]."""
        if self.weights is None:
            return 1.0
        return kish(checked_weights(self.weights, len(self))) / len(self)

    def take(self, rows: Indices) -> Pool:
        """Return the responses at `rows`."""
        return Pool(self.vectors[rows], None if self.weights is None else self.weights[rows])


Statistic = Callable[[Indices, Indices], float]


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure: its value on two sets, and how to get it fast on rows of two pools."""

    name: str
    better: str
    scale: Scale
    value: Callable[[Vectors, Pool, int], float]
    prepare: Callable[[Vectors, Pool, int, int], Statistic]
    n_groups: int = 1


@dataclass(frozen=True, slots=True)
class Trial:
    """The real responses and the settings that every method shares."""

    target: Vectors
    n: int
    n_boot: int
    n_splits: int
    level: float
    random_state: int

    def floor(self, measure: Measure) -> list[float]:
        """Return the figure between the two halves of each split."""
        halves = self._draws(self.n_splits, self.n, self.n)
        return [
            measure.value(self.target[d.first], Pool(self.target[d.second]), self._seed(i))
            for i, d in enumerate(halves)
        ]

    def figure(self, measure: Measure, pool: Pool, floor: Sequence[float]) -> Figure:
        """Return one figure of one method with its interval and floor."""
        value = float(np.mean(self._values(measure, pool)))
        low, high = centred_interval(
            value,
            self._replicates(measure, pool),
            level=self.level,
            inflate=float(np.sqrt(1 + 1 / self.n_splits)),
            scale=measure.scale,
        )
        band = quantile_band(floor, level=self.level)
        middle = float(np.mean(floor))
        ess = self.n * pool.efficiency
        return Figure(measure.name, value, low, high, middle, *band, self.n, measure.better, ess)

    def difference(self, measure: Measure, pool: Pool, other: Pool) -> tuple[float, float, float]:
        """Return how much higher `pool` is than `other` on the same draws, with its interval."""
        ours, theirs = self._values(measure, pool), self._values(measure, other)
        value = float(np.mean(np.subtract(ours, theirs)))
        pairs = zip(self._replicates(measure, pool), self._replicates(measure, other), strict=True)
        low, high = centred_interval(
            value,
            [np.subtract(first, second).tolist() for first, second in pairs],
            level=self.level,
            inflate=float(np.sqrt(1 + 1 / self.n_splits)),
            scale=PLAIN,
        )
        return value, low, high

    def _values(self, measure: Measure, pool: Pool) -> list[float]:
        splits = self._draws(self.n_splits, len(pool), self.n)
        return [
            measure.value(self.target[d.first], pool.take(d.simulated), self._seed(i))
            for i, d in enumerate(splits)
        ]

    def _replicates(self, measure: Measure, pool: Pool) -> list[list[float]]:
        halves = self._draws(self.n_boot, len(pool), len(pool) // 2)
        n_groups = max(1, min(measure.n_groups, self.n_boot // MIN_PER_GROUP))
        groups = []
        for i in range(n_groups):
            statistic = measure.prepare(self.target, pool, self.n, self._seed(i))
            groups.append([statistic(d.first, d.simulated) for d in halves[i::n_groups]])
        return groups

    def _draws(self, n_draws: int, n_simulated: int, take: int) -> list[Draw]:
        return random_draws(
            self.n, n_simulated, n_draws=n_draws, take=take, random_state=self.random_state
        )

    def _seed(self, split: int) -> int:
        return self.random_state + split


def _direct(value: Callable[[Vectors, Pool, int], float]) -> Callable[..., Statistic]:
    """Compute a figure anew on the drawn rows."""

    def prepare(target: Vectors, pool: Pool, n: int, seed: int) -> Statistic:  # noqa: ARG001
        return lambda rows, drawn: value(target[rows], pool.take(drawn), seed)

    return prepare


def _clustered(target: Vectors, pool: Pool, n: int, seed: int) -> Statistic:
    """Cluster once, count the drawn rows."""
    size = default_clusters(n)
    real, made = cluster_labels(target, pool.vectors, n_clusters=size, random_state=seed)
    weights = np.ones(len(pool)) if pool.weights is None else pool.weights
    return lambda rows, drawn: mauve_from_histograms(
        np.bincount(real[rows], minlength=size),
        np.bincount(made[drawn], weights=weights[drawn], minlength=size),
    )


def _fid(target: Vectors, pool: Pool, _seed: int) -> float:
    return frechet_distance(target, pool.vectors, weights=pool.weights)


def _mauve(target: Vectors, pool: Pool, seed: int) -> float:
    return mauve_score(target, pool.vectors, weights=pool.weights, random_state=seed)


def _kl_cosine(target: Vectors, pool: Pool, seed: int) -> float:
    return kl_cosine(target, pool.vectors, weights=pool.weights, random_state=seed)


MEASURES = (
    Measure("FID", "lower", ROOT, _fid, _direct(_fid)),
    Measure("MAUVE", "higher", LOGIT, _mauve, _clustered, n_groups=5),
    Measure("KL cosine", "lower", ROOT, _kl_cosine, _direct(_kl_cosine)),
)
