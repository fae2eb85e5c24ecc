"""How close simulated responses are to real ones: figures, their intervals and the human floor."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import cast

import numpy as np
import pandas as pd

from jupyter_mop.engine.bootstrap import (
    LOGIT,
    ROOT,
    Draw,
    Indices,
    Scale,
    centred_interval,
    quantile_band,
    random_draws,
)
from jupyter_mop.engine.histograms import cosine_histogram, kl_cosine, kl_divergence
from jupyter_mop.engine.mauve import (
    cluster_histograms,
    cluster_labels,
    default_clusters,
    mauve_from_histograms,
    mauve_score,
)
from jupyter_mop.engine.vectors import Vectors, checked, checked_pair, project
from jupyter_mop.errors import DataError

__all__ = [
    "Figure",
    "align",
    "cluster_histograms",
    "cluster_labels",
    "cosine_histogram",
    "frechet_distance",
    "kl_cosine",
    "kl_divergence",
    "mauve_from_histograms",
    "mauve_score",
    "project",
]

OnFigure = Callable[[int, int], None]

MIN_PER_SIDE = 20
FEW_PER_SIDE = 100
MIN_PER_GROUP = 20


def frechet_distance(target: Vectors, simulated: Vectors) -> float:
    """Return the Frechet distance between Gaussian fits of two sets of vectors (FID).

    Parameters
    ----------
    target : ndarray, shape (n, d)
        Vectors of real responses.
    simulated : ndarray, shape (m, d)
        Vectors of simulated responses.

    Returns
    -------
    float
        ``|mean difference|^2 + tr(S1 + S2 - 2 sqrt(S1 S2))`` with unbiased covariances, in squared
        units of the vectors; 0 is best. With few vectors in many dimensions even two samples of
        one distribution are far from 0: compare with the human floor.

    Raises
    ------
    DataError
        If a set has fewer than two vectors, the widths differ, or a value is not finite.

    Notes
    -----
    Dowson and Landau (1982); Heusel et al. (2017) for neural features. With centred data matrices
    ``S1 = A'A`` and ``S2 = B'B``, the trace of the root is the nuclear norm of ``A B'``, which is
    exact for covariances without full rank and needs no matrix root.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> round(frechet_distance(x, x + [1.0, 0.0, 0.0, 0.0]), 6)
    1.0
    """
    from scipy.linalg import svdvals

    target, simulated = checked_pair(target, simulated)
    a, b = _root_factor(target), _root_factor(simulated)
    cross = svdvals(a @ b.T, check_finite=False).sum()
    shift = target.mean(axis=0) - simulated.mean(axis=0)
    return float(max(0.0, shift @ shift + np.sum(a * a) + np.sum(b * b) - 2 * cross))


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


def align(
    target_vectors: Vectors,
    simulated: Mapping[str, Vectors],
    *,
    n_boot: int = 200,
    n_splits: int = 20,
    level: float = 0.95,
    random_state: int = 0,
    on_result: OnFigure | None = None,
) -> pd.DataFrame:
    """Compare simulated responses with real ones: FID, MAUVE and KL cosine of each method.

    Value and human floor are both means over the same `n_splits` random halves of the real
    responses, with n responses on either side, so they can be compared: the value sets a half
    against n simulated responses, the floor against the other half.

    Parameters
    ----------
    target_vectors : ndarray, shape (N, d)
        Vectors of real responses, held out from the fit.
    simulated : mapping of str to ndarray, shape (m, d)
        Vectors of the responses of each method.
    n_boot : int
        Random halves behind each interval.
    n_splits : int
        Random splits behind each value and floor.
    level : float
        Probability that an interval is to hold.
    random_state : int
        Seed: the same seed gives the same frame.
    on_result : callable, optional
        Called with (done, total) after the floors and after each figure.

    Returns
    -------
    DataFrame
        One row per method and figure, in the order given: `method`, `figure`, `value`, `low`,
        `high`, `floor`, `floor_low`, `floor_high`, `n`, `better`. n is the smaller of N / 2 and
        the smallest simulation; 2 n random real responses and at most 2 n simulated ones of each
        method are used.

    Raises
    ------
    DataError
        If there is nothing to compare, fewer than 20 responses per side, or unusable vectors.

    Warns
    -----
    UserWarning
        Below 100 responses per side.

    Notes
    -----
    The interval is for the figure that is expected at n responses per side; it takes in the choice
    of the real and of the simulated responses, not that of the model or of the encoder. It comes
    from random halves without replacement, see `jupyter_mop.engine.bootstrap`; MAUVE's halves are
    counted in five clusterings. The band of the floor holds the share `level` of single splits.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> real = rng.normal(size=(400, 5))
    >>> methods = {"close": rng.normal(size=(200, 5)), "far": rng.normal(2, 1, (200, 5))}
    >>> frame = align(real, methods, n_boot=20, n_splits=3)
    >>> frame.pivot(index="figure", columns="method", values="value").loc["FID"].round(0).tolist()
    [0.0, 21.0]
    """
    target, pools, n = _pools(target_vectors, simulated, random_state)
    _check_settings(n_boot, n_splits, level)
    _check_size(n)
    trial = _Trial(target, n, n_boot, n_splits, level, random_state)
    with _one_thread():
        return pd.DataFrame(_rows(trial, pools, on_result))


Statistic = Callable[[Indices, Indices], float]


@dataclass(frozen=True, slots=True)
class _Measure:
    """A figure: its value on two sets, and how to get it fast on rows of two pools."""

    name: str
    better: str
    scale: Scale
    value: Callable[[Vectors, Vectors, int], float]
    prepare: Callable[[Vectors, Vectors, int, int], Statistic]
    n_groups: int = 1


@dataclass(frozen=True, slots=True)
class _Trial:
    """The real responses and the settings that every method shares."""

    target: Vectors
    n: int
    n_boot: int
    n_splits: int
    level: float
    random_state: int

    def floor(self, measure: _Measure) -> list[float]:
        """Return the figure between the two halves of each split."""
        halves = self._draws(self.n_splits, self.n, self.n)
        return [
            measure.value(self.target[d.first], self.target[d.second], self._seed(i))
            for i, d in enumerate(halves)
        ]

    def figure(self, measure: _Measure, pool: Vectors, floor: Sequence[float]) -> Figure:
        """Return one figure of one method with its interval and floor."""
        splits = self._draws(self.n_splits, len(pool), self.n)
        values = [
            measure.value(self.target[d.first], pool[d.simulated], self._seed(i))
            for i, d in enumerate(splits)
        ]
        value = float(np.mean(values))
        low, high = centred_interval(
            value,
            self._replicates(measure, pool),
            level=self.level,
            inflate=float(np.sqrt(1 + 1 / self.n_splits)),
            scale=measure.scale,
        )
        band = quantile_band(floor, level=self.level)
        middle = float(np.mean(floor))
        return Figure(measure.name, value, low, high, middle, *band, self.n, measure.better)

    def _replicates(self, measure: _Measure, pool: Vectors) -> list[list[float]]:
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


def _rows(
    trial: _Trial, pools: Mapping[str, Vectors], on_result: OnFigure | None
) -> list[dict[str, object]]:
    floors = {measure.name: trial.floor(measure) for measure in _MEASURES}
    tasks = [(method, measure) for method in pools for measure in _MEASURES]
    rows: list[dict[str, object]] = []
    if on_result:
        on_result(1, 1 + len(tasks))
    for method, measure in tasks:
        figure = asdict(trial.figure(measure, pools[method], floors[measure.name]))
        rows.append({"method": method, "figure": figure.pop("name"), **figure})
        if on_result:
            on_result(1 + len(rows), 1 + len(tasks))
    return rows


def _one_thread() -> AbstractContextManager[object]:
    """Keep linear algebra to one thread: the matrices are small, and threads wait on each other."""
    import scipy.linalg  # noqa: F401  (only libraries that are loaded can be limited)
    import sklearn.cluster  # noqa: F401
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    return cast("AbstractContextManager[object]", threadpool_limits(limits=1))


def _direct(value: Callable[[Vectors, Vectors, int], float]) -> Callable[..., Statistic]:
    """Compute a figure anew on the drawn rows."""

    def prepare(target: Vectors, pool: Vectors, n: int, seed: int) -> Statistic:  # noqa: ARG001
        return lambda rows, drawn: value(target[rows], pool[drawn], seed)

    return prepare


def _clustered(target: Vectors, pool: Vectors, n: int, seed: int) -> Statistic:
    """Cluster once, count the drawn rows."""
    size = default_clusters(n)
    real, made = cluster_labels(target, pool, n_clusters=size, random_state=seed)
    return lambda rows, drawn: mauve_from_histograms(
        np.bincount(real[rows], minlength=size), np.bincount(made[drawn], minlength=size)
    )


def _fid(target: Vectors, simulated: Vectors, _seed: int) -> float:
    return frechet_distance(target, simulated)


def _mauve(target: Vectors, simulated: Vectors, seed: int) -> float:
    return mauve_score(target, simulated, random_state=seed)


def _kl_cosine(target: Vectors, simulated: Vectors, seed: int) -> float:
    return kl_cosine(target, simulated, random_state=seed)


_MEASURES = (
    _Measure("FID", "lower", ROOT, _fid, _direct(_fid)),
    _Measure("MAUVE", "higher", LOGIT, _mauve, _clustered, n_groups=5),
    _Measure("KL cosine", "lower", ROOT, _kl_cosine, _direct(_kl_cosine)),
)


def _pools(
    target_vectors: Vectors, simulated: Mapping[str, Vectors], random_state: int
) -> tuple[Vectors, dict[str, Vectors], int]:
    """Return 2 n real rows, at most 2 n simulated rows of each method, and n."""
    if not simulated:
        raise DataError(
            "Simulated responses of at least one method were expected, and none came.",
            hint="Simulate first, then align.",
        )
    pairs = {
        name: checked_pair(target_vectors, made, at_least=1) for name, made in simulated.items()
    }
    target = checked(target_vectors, at_least=1)
    n = min(len(target) // 2, *(len(made) for _, made in pairs.values()))
    return (
        _some(target, 2 * n, random_state),
        {name: _some(made, 2 * n, random_state) for name, (_, made) in pairs.items()},
        n,
    )


def _some(vectors: Vectors, size: int, random_state: int) -> Vectors:
    order = np.random.default_rng([random_state, 2]).permutation(len(vectors))
    return vectors[order[:size]]


def _check_settings(n_boot: int, n_splits: int, level: float) -> None:
    if n_boot < 2 or n_splits < 2 or not 0 < level < 1:  # noqa: PLR2004
        raise DataError(
            f"n_boot={n_boot}, n_splits={n_splits}, level={level} give no interval.",
            hint="Pass n_boot and n_splits of at least 2 and a level between 0 and 1.",
        )


def _check_size(n: int) -> None:
    if n < MIN_PER_SIDE:
        raise DataError(
            f"At least {MIN_PER_SIDE} responses per side were expected, and {n} came.",
            hint=f"Hold out {2 * MIN_PER_SIDE} real responses and simulate {MIN_PER_SIDE}.",
        )
    if n < FEW_PER_SIDE:
        warnings.warn(
            f"Only {n} responses per side: at this size the figures move much by chance and two "
            f"halves of the real responses look far apart too. {FEW_PER_SIDE} per side need "
            f"{2 * FEW_PER_SIDE} real responses and {FEW_PER_SIDE} simulated ones.",
            UserWarning,
            stacklevel=3,
        )


def _root_factor(vectors: Vectors) -> Vectors:
    """Return F with F'F = covariance, at most d rows."""
    from scipy.linalg import qr

    centred = (vectors - vectors.mean(axis=0)) / np.sqrt(len(vectors) - 1)
    if len(centred) <= centred.shape[1]:
        return np.asarray(centred)
    return np.asarray(qr(centred, mode="r", check_finite=False)[0][: centred.shape[1]])
