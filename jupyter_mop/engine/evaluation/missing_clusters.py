"""Missing clusters: which kinds of real responses a simulation lacks or has too many of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jupyter_mop.engine.metrics.vectors import Indices, Vectors, WeightedVectors, as_weighted
from jupyter_mop.engine.weighting.persona_statistics import PersonaStatistics

N_EXAMPLES = 2
LEVEL = 0.95
ROUNDING = 12  # digits: equal distances stay in the order of the records


def missing_clusters(
    statistics: PersonaStatistics,
    texts: Sequence[str],
    vectors: Vectors | WeightedVectors,
    *,
    weights: Vectors | None = None,
) -> pd.DataFrame:
    """Compare the share of each cluster among real and simulated responses.

    Parameters
    ----------
    statistics : PersonaStatistics
        Statistics of the simulation against these real responses, with the clusters and the
        survey weights.
    texts : sequence of str
        The n real responses.
    vectors : ndarray, shape (n, d), or WeightedVectors
        Their vectors, with survey weights if there are any, to find those nearest the centre of a
        cluster.
    weights : ndarray, shape (K,), optional
        Persona weights; as drawn by default.

    Returns
    -------
    DataFrame
        One row per cluster, the most missing first: cluster, real, simulated, missing (real -
        simulated), error (its standard error if both had the same share), verdict ("missing", "too
        many" or "no clear difference") and examples (the real responses nearest the centre).

    Notes
    -----
    The verdict is a two-sample z-test of the shares at 95 % over all clusters together
    (Bonferroni), with the effective sample sizes of both sides.

    Examples
    --------
    >>> real, simulated = (np.repeat(np.eye(2), n, axis=0) for n in ([30, 10], [38, 2]))
    >>> words = ["sun"] * 30 + ["rain"] * 10
    >>> statistics = PersonaStatistics.measure(
    ...     real, simulated, np.zeros(40, int), ["a"], target_texts=words, texts=words)
    >>> missing_clusters(statistics, words, real)["examples"].tolist()
    [('rain',), ('sun',)]
    """
    from scipy.stats import norm

    v = statistics.checked(list(statistics.counts) if weights is None else weights)
    real, simulated = statistics.target_clusters, statistics.cells.shares(v) @ statistics.clusters
    n, m = statistics.target_size, statistics.effective_sample_size(v)
    pooled = (n * real + m * simulated) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    limit = float(norm.ppf(1 - (1 - LEVEL) / 2 / len(real)))
    gap = real - simulated
    signs = np.where(np.abs(gap) > limit * error, np.sign(gap), 0).astype(int)
    frame = pd.DataFrame(
        {
            "cluster": np.arange(len(real)),
            "real": real,
            "simulated": simulated,
            "missing": gap,
            "error": error,
            "verdict": [("no clear difference", "missing", "too many")[sign] for sign in signs],
            "examples": _examples(statistics.target_labels, texts, as_weighted(vectors), len(real)),
        }
    )
    frame = frame[pooled > 0]
    return frame.sort_values("missing", ascending=False, kind="stable", ignore_index=True)


def _examples(
    labels: Indices, texts: Sequence[str], side: WeightedVectors, n_clusters: int
) -> list[tuple[str, ...]]:
    """Return the distinct real responses nearest the centre of each cluster."""
    found = []
    for cluster in range(n_clusters):
        rows = np.flatnonzero(labels == cluster)
        inside = side.take(rows)
        centre = np.average(inside.vectors, axis=0, weights=inside.weights) if len(rows) else 0.0
        squares = ((inside.vectors - centre) ** 2).sum(axis=1)
        order = rows[np.argsort(squares.round(ROUNDING), kind="stable")]
        found.append(tuple(list(dict.fromkeys(texts[i] for i in order))[:N_EXAMPLES]))
    return found
