"""MAUVE: the area under the divergence frontier of two sets of clustered vectors.

For the shares p and q of the two sets in common k-means clusters, and mixtures
r = w p + (1 - w) q, MAUVE is the area under the curve

    (exp(-c KL(q || r)), exp(-c KL(p || r))), 0 < w < 1, closed at (1, 0) and (0, 1).

Pillutla et al. (2021), *MAUVE: Measuring the Gap Between Neural Text and Human Text using
Divergence Frontiers*, NeurIPS, section 2.

`mauve_score` takes vectors and optional weights, `mauve_from_histograms` takes counts, and
`mixture_mauve` takes the shares of each persona and returns the gradient by the persona weights
too. The first two call the last one with one persona.
"""

from __future__ import annotations

import warnings

import numpy as np

from jupyter_mop.engine.metrics.divergences import Histogram, checked_histograms, relative_entropy
from jupyter_mop.engine.metrics.mixture_gradients import TINY, ValueAndGradient
from jupyter_mop.engine.metrics.vectors import (
    Indices,
    Vectors,
    checked_pair,
    checked_weights,
    reduced,
    unit,
)
from jupyter_mop.errors import DataError

SCALING = 5.0

N_MIXTURES = 25
EXPLAINED_VARIANCE = 0.9
MAX_CLUSTERED = 20_000
N_STARTS = 5
MAX_ITERATIONS = 500
SORT_COLUMNS = 8


def mauve_score(
    target: Vectors,
    simulated: Vectors,
    *,
    weights: Vectors | None = None,
    target_weights: Vectors | None = None,
    n_clusters: int | None = None,
    scaling: float = SCALING,
    random_state: int = 0,
) -> float:
    """Return MAUVE, the area under the divergence frontier of clustered vectors.

    Parameters
    ----------
    target : ndarray, shape (n, d)
        Vectors of real responses.
    simulated : ndarray, shape (m, d)
        Vectors of simulated responses.
    weights, target_weights : ndarray, shapes (m,) and (n,), optional
        Importance weights of the simulated responses, and survey weights of the real ones; equal
        by default. They weight the shares of the clusters and do not move the clusters.
    n_clusters : int, optional
        Number of k-means clusters; by default a tenth of the smaller set, at least 2.
    scaling : float
        The constant c of the paper.
    random_state : int
        Seed of k-means.

    Returns
    -------
    float
        In (0, 1]; 1 is best. The score changes with the clustering: expect several hundredths
        between seeds at a few hundred vectors.

    Raises
    ------
    DataError
        If the vectors or the number of clusters cannot be used.

    Notes
    -----
    Pillutla et al. (2021), NeurIPS; see the module.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 4))
    >>> round(mauve_score(x, x), 6)
    1.0
    """
    p, q = cluster_histograms(
        target,
        simulated,
        weights=weights,
        target_weights=target_weights,
        n_clusters=n_clusters,
        random_state=random_state,
    )
    return mauve_from_histograms(p, q, scaling=scaling)


def cluster_histograms(
    target: Vectors,
    simulated: Vectors,
    *,
    weights: Vectors | None = None,
    target_weights: Vectors | None = None,
    n_clusters: int | None = None,
    random_state: int = 0,
) -> tuple[Vectors, Vectors]:
    """Return the share of each set in each common cluster, two arrays of shape (n_clusters,).

    Raises
    ------
    DataError
        If the vectors or the number of clusters cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> p, q = cluster_histograms(np.eye(2)[[0, 0, 1]], np.eye(2)[[0, 1, 1]], n_clusters=2)
    >>> sorted(p.round(2).tolist())
    [0.33, 0.67]
    """
    labels = cluster_labels(target, simulated, n_clusters=n_clusters, random_state=random_state)
    size = max(int(side.max()) for side in labels) + 1
    p, q = (
        np.bincount(of_side, checked_weights(weight, len(of_side)), size)
        for of_side, weight in zip(labels, (target_weights, weights), strict=True)
    )
    return np.asarray(p), np.asarray(q)


def cluster_labels(
    target: Vectors,
    simulated: Vectors,
    *,
    n_clusters: int | None = None,
    random_state: int = 0,
) -> tuple[Indices, Indices]:
    """Return the k-means cluster of each vector, shapes (n,) and (m,).

    Rows are scaled to unit length, both sets together are projected onto the fewest principal
    components that explain 90 % of the variance, and clustered with five starts. The order of the
    rows does not matter. Above 20,000 rows, k-means is fitted to a random 20,000.

    Raises
    ------
    DataError
        If the vectors or the number of clusters cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = cluster_labels(np.eye(2)[[0, 0, 1]], np.eye(2)[[1]], n_clusters=2)
    >>> bool(a[2] == b[0])
    True
    """
    target, simulated = checked_pair(target, simulated, at_least=1)
    joint = np.vstack([unit(target), unit(simulated)])
    if n_clusters is None:
        n_clusters = default_clusters(min(len(target), len(simulated)))
    if not 1 <= n_clusters <= len(joint):
        raise DataError(
            f"`n_clusters` must be between 1 and {len(joint)}, the number of vectors, "
            f"got {n_clusters}.",
            hint="Pass fewer clusters, or leave `n_clusters` out.",
        )
    order = np.lexsort(joint[:, :SORT_COLUMNS].T)
    labels = np.empty(len(joint), dtype=np.intp)
    labels[order] = _k_means(
        reduced(joint[order], explained=EXPLAINED_VARIANCE), n_clusters, random_state
    )
    return labels[: len(target)], labels[len(target) :]


def mauve_from_histograms(p: Histogram, q: Histogram, scaling: float = SCALING) -> float:
    """Return MAUVE of two histograms over the same clusters.

    Parameters
    ----------
    p, q : ndarray, shape (n_clusters,)
        Counts or weights of the target and of the simulated responses.
    scaling : float
        The constant c of the paper.

    Returns
    -------
    float
        Area under the curve ``(exp(-c KL(q|r)), exp(-c KL(p|r)))`` at 25 weights w, closed at
        (1, 0) and (0, 1). There is no smoothing: an empty cluster has probability 0.

    Raises
    ------
    DataError
        If the histograms differ in length, are negative, not finite or empty.

    Examples
    --------
    >>> import numpy as np
    >>> round(mauve_from_histograms(np.array([5, 5]), np.array([9, 1])), 3)
    0.671
    """
    p, q = checked_histograms(p, q)
    return mixture_mauve(np.ones(1), p, q[None], scaling=scaling).value


def default_clusters(n: int) -> int:
    """Return the paper's number of clusters for `n` vectors per side.

    Examples
    --------
    >>> default_clusters(300)
    30
    """
    return max(2, round(n / 10))


def _k_means(vectors: Vectors, n_clusters: int, random_state: int) -> Indices:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    model = KMeans(n_clusters, n_init=N_STARTS, max_iter=MAX_ITERATIONS, random_state=random_state)
    rng = np.random.default_rng(random_state)
    rows = rng.permutation(len(vectors))[:MAX_CLUSTERED] if len(vectors) > MAX_CLUSTERED else ...
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # duplicates: fewer clusters are right
        model.fit(vectors[rows])
    return np.asarray(model.predict(vectors) if rows is not ... else model.labels_, dtype=np.intp)


def mixture_mauve(
    weights: Vectors, target: Vectors, personas: Vectors, *, scaling: float = SCALING
) -> ValueAndGradient:
    """Return MAUVE of a mixture and its gradient by the persona weights.

    Parameters
    ----------
    weights : ndarray, shape (K,)
        Persona weights.
    target, personas : ndarray, shapes (C,) and (K, C)
        Shares of the target and of each persona in the clusters.
    scaling : float
        The constant c of the paper.

    Examples
    --------
    >>> round(mixture_mauve(np.ones(1), np.array([0.5, 0.5]), np.array([[0.9, 0.1]])).value, 3)
    0.671
    """
    q = weights @ personas
    level = np.linspace(1e-6, 1 - 1e-6, N_MIXTURES)[:, None]
    between = level * target + (1 - level) * q
    x = np.exp(-scaling * relative_entropy(q, between))
    y = np.exp(-scaling * relative_entropy(target, between))
    xs, ys = np.r_[1.0, x, 0.0], np.r_[0.0, y, 1.0]
    by_x = (ys[2:] - ys[:-2]) / 2
    by_y = (xs[:-2] - xs[2:]) / 2
    safe = np.where(between > 0, between, 1.0)
    dx = np.log(q.clip(min=TINY) / safe) + 1 - (1 - level) * q / safe
    dy = -(1 - level) * target / safe
    slope = -scaling * ((by_x * x) @ dx + (by_y * y) @ dy)
    return ValueAndGradient(float(min(1.0, -np.trapezoid(ys, xs))), personas @ slope)
