"""MAUVE: the area under the divergence frontier of two sets of clustered vectors."""

from __future__ import annotations

import warnings

import numpy as np

from jupyter_mop.engine.metrics.divergences import Histogram, checked_histograms, relative_entropy
from jupyter_mop.engine.metrics.half_sampling import Indices
from jupyter_mop.engine.metrics.mixture_gradients import TINY, Value
from jupyter_mop.engine.metrics.vectors import Vectors, checked_pair, checked_weights, reduced, unit
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
    weights : ndarray, shape (m,), optional
        Importance weights of the simulated responses, which count in the clusters, not in where
        those lie; default: all alike.
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
    Pillutla et al. (2021), *MAUVE: Measuring the Gap Between Neural Text and Human Text using
    Divergence Frontiers*, NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 4))
    >>> round(mauve_score(x, x), 6)
    1.0
    """
    p, q = cluster_histograms(
        target, simulated, weights=weights, n_clusters=n_clusters, random_state=random_state
    )
    return mauve_from_histograms(p, q, scaling=scaling)


def cluster_histograms(
    target: Vectors,
    simulated: Vectors,
    *,
    weights: Vectors | None = None,
    n_clusters: int | None = None,
    random_state: int = 0,
) -> tuple[Vectors, Vectors]:
    """Return the share of each set in each cluster of both together, each of shape (n_clusters,).

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
    size = max(int(part.max()) for part in labels) + 1
    shares = checked_weights(weights, len(simulated))
    p = np.bincount(labels[0], minlength=size) / len(target)
    return p, np.asarray(np.bincount(labels[1], shares, size), dtype=np.float64)


def cluster_labels(
    target: Vectors,
    simulated: Vectors,
    *,
    n_clusters: int | None = None,
    random_state: int = 0,
) -> tuple[Indices, Indices]:
    """Return the k-means cluster of each vector, shapes (n,) and (m,).

    The rows are scaled to unit length, both sets together are projected to the fewest principal
    components that hold 90 % of the variance, and clustered with five starts. The order of the
    rows makes no difference. Above 20,000 rows the centres come from as many random ones.

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
            f"{n_clusters} clusters were asked of {len(joint)} vectors.",
            hint="Pass n_clusters between 1 and the number of vectors.",
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
        Area under the curve ``(exp(-c KL(q|r)), exp(-c KL(p|r)))`` of the mixtures
        ``r = w p + (1 - w) q`` at 25 weights w, closed at (1, 0) and (0, 1). Unsmoothed: an empty
        cluster counts as probability 0.

    Raises
    ------
    DataError
        If the histograms differ in length, are negative, not finite or empty.

    Notes
    -----
    Pillutla et al. (2021), NeurIPS, section 2.

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
    some = rng.permutation(len(vectors))[:MAX_CLUSTERED] if len(vectors) > MAX_CLUSTERED else ...
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # copies: fewer clusters are right
        model.fit(vectors[some])
    return np.asarray(model.predict(vectors) if some is not ... else model.labels_, dtype=np.intp)


def mixture_mauve(
    weights: Vectors, target: Vectors, personas: Vectors, *, scaling: float = SCALING
) -> Value:
    """Return MAUVE of cluster shares, the target's (C,) and each persona's (K, C).

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
    return Value(float(min(1.0, -np.trapezoid(ys, xs))), personas @ slope)
