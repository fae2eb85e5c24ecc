"""Clusters of similar responses: k-means over sentence vectors, and each cluster's keywords."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Encoder, OnStep
from jupyter_mop.engine.data.encoding import encode_with_progress
from jupyter_mop.engine.data.population import Population
from jupyter_mop.errors import DataError

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

MAX_RECORDS = 1000
N_INITIALISATIONS = 5
_WORD = r"[^\W\d_]{3,}"
_FEW_RESPONSES = 100  # below, a keyword may occur in one response only


@dataclass(frozen=True)
class Clusters:
    """Distinct responses in K clusters, the largest cluster first.

    Attributes
    ----------
    records : Population
        One record for each of the n distinct responses.
    weights : ndarray, shape (n,)
        Total weight of the records with that response; the weights sum to 1.
    vectors : ndarray, shape (n, d)
        Unit vectors of the responses.
    labels : ndarray, shape (n,)
        Cluster of each response, 0 to K - 1.
    centres : ndarray, shape (K, d)
        Unit vectors in the direction of each cluster's mean.
    """

    records: Population
    weights: Array
    vectors: Array
    labels: Indices
    centres: Array

    def __len__(self) -> int:
        return len(self.centres)

    @property
    def shares(self) -> Array:
        """The share of the records in each cluster, shape (K,)."""
        return np.asarray(np.bincount(self.labels, self.weights, len(self)), dtype=np.float64)

    def nearest(self, cluster: int, n: int) -> Indices:
        """Return the `n` members of a cluster nearest its centre, nearest first."""
        members = np.flatnonzero(self.labels == cluster)
        cosines = self.vectors[members] @ self.centres[cluster]
        return members[np.argsort(-cosines, kind="stable")[:n]]


def cluster_records(
    population: Population,
    k: int,
    encoder: Encoder,
    *,
    n_records: int = MAX_RECORDS,
    random_state: int = 0,
    on_step: OnStep | None = None,
) -> Clusters:
    """Cluster the responses into `k` groups by k-means over their sentence vectors.

    Parameters
    ----------
    population : Population
        The records. Each counts by its weight; each distinct response is encoded once.
    k : int
        Number of clusters.
    encoder : Encoder
        Text to unit vectors.
    n_records : int
        Maximum number of distinct responses; a random sample is taken from more.
    random_state : int
        Seed of the sample and of k-means.
    on_step : callable, optional
        Called with (step, total); returns a callback for each vector.

    Raises
    ------
    DataError
        If `k` is not a positive integer, or there are fewer distinct responses than clusters.

    Examples
    --------
    >>> import pandas as pd
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> df = pd.DataFrame({"topic": "weather", "text": ["sun", "rain", "sun sun rain", "rain"]})
    >>> population = Population.from_frame(df, context="topic", response="text")
    >>> clusters = cluster_records(population, 2, ToyEncoder(["sun", "rain"]))
    >>> clusters.shares.tolist(), clusters.records.responses
    ([0.5, 0.5], ['sun', 'rain', 'sun sun rain'])
    """
    rows, weights = _distinct_rows(population, n_records, random_state)
    _check_k(k, len(rows))
    records = population.take(rows)
    encoded = encode_with_progress(encoder, records.responses, on_step, step="record embeddings")
    vectors = encoded.astype(np.float64)
    labels = _largest_first(_k_means(vectors, weights, k, random_state), weights)
    return Clusters(records, weights, vectors, labels, _centres(vectors, weights, labels))


def keywords(clusters: Clusters, n: int = 6) -> list[list[str]]:
    """Return `n` keywords of each cluster: the words with the largest difference in TF-IDF.

    The difference is between the mean TF-IDF inside the cluster and outside it. English stop words
    and words of fewer than three letters are used only if there are no others. A cluster may have
    fewer than `n` keywords, or none.

    Examples
    --------
    >>> import pandas as pd
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> df = pd.DataFrame({"topic": "weather", "text": ["sun", "the rain", "sunny sun"]})
    >>> population = Population.from_frame(df, context="topic", response="text")
    >>> keywords(cluster_records(population, 2, ToyEncoder(["sun", "rain"])))
    [['sun', 'sunny'], ['rain']]
    """
    words, tf_idf = _tf_idf(clusters.records.responses)
    overall = clusters.weights @ tf_idf
    found = []
    for cluster, share in enumerate(clusters.shares):
        inside = np.where(clusters.labels == cluster, clusters.weights, 0.0) @ tf_idf
        difference = inside / share - (overall - inside) / max(1 - share, 1e-9)
        best = np.argsort(-difference, kind="stable")[:n]
        found.append([str(words[i]) for i in best if inside[i] > 0 and difference[i] > 0])
    return found


def cluster_strata(
    population: Population, k: int, encoder: Encoder, *, random_state: int = 0
) -> list[int]:
    """Return the cluster of each of the n records, from at most `k` clusters.

    Examples
    --------
    >>> import pandas as pd
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> df = pd.DataFrame({"topic": "weather", "text": ["sun", "rain", "sun"]})
    >>> population = Population.from_frame(df, context="topic", response="text")
    >>> cluster_strata(population, 5, ToyEncoder(["sun", "rain"]))
    [0, 1, 0]
    """
    weighted = population.take(np.flatnonzero(population.weights))
    k = min(k, len(set(weighted.responses)))
    clusters = cluster_records(
        weighted, k, encoder, n_records=len(weighted), random_state=random_state
    )
    labels = dict(zip(clusters.records.responses, clusters.labels.tolist(), strict=True))
    return [labels.get(response, 0) for response in population.responses]


def _distinct_rows(
    population: Population, max_rows: int, random_state: int
) -> tuple[Indices, Array]:
    """Return the first row of up to `max_rows` distinct responses, and their total weights."""
    first: dict[str, int] = {}
    owner = [first.setdefault(response, i) for i, response in enumerate(population.responses)]
    total = np.bincount(owner, population.weights)
    rows = np.array([i for i in first.values() if total[i] > 0], dtype=np.intp)
    if len(rows) > max_rows:
        rows = np.sort(np.random.default_rng(random_state).choice(rows, max_rows, replace=False))
    return rows, total[rows] / total[rows].sum()


def _check_k(k: int, n_distinct: int) -> None:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise DataError(
            f"`k` must be a whole number of at least 1, got {k!r}.",
            hint='Use k=8, or k="auto" to choose the number of personas.',
        )
    if k > n_distinct:
        raise DataError(
            f"`k` is {k}, but there are only {n_distinct} distinct responses.",
            hint=f"Use at most {n_distinct}, preferably a tenth of that, or add records.",
        )


def _k_means(vectors: Array, weights: Array, k: int, random_state: int) -> Indices:
    """Return the cluster of each vector; fewer than `k` clusters if many vectors are equal."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    model = KMeans(k, n_init=N_INITIALISATIONS, random_state=random_state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = model.fit_predict(vectors, sample_weight=weights)
    return np.asarray(np.unique(labels, return_inverse=True)[1], dtype=np.intp)


def _largest_first(labels: Indices, weights: Array) -> Indices:
    """Renumber the clusters in descending order of weight."""
    shares = np.bincount(labels, weights)
    return np.asarray(np.argsort(np.argsort(-shares, kind="stable"))[labels])


def _centres(vectors: Array, weights: Array, labels: Indices) -> Array:
    sums = np.zeros((labels.max() + 1, vectors.shape[1]))
    np.add.at(sums, labels, weights[:, None] * vectors)
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.maximum(norms, np.finfo(float).tiny))


def _tf_idf(responses: list[str]) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """Return the words and the sparse matrix of their TF-IDF, shape (n, words)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    min_df = _min_responses(len(responses))
    vectorizer = TfidfVectorizer(stop_words="english", token_pattern=_WORD, min_df=min_df)
    try:
        tf_idf = vectorizer.fit_transform(responses)
    except ValueError:  # only stop words, short words and rare words
        vectorizer = TfidfVectorizer(token_pattern=r"\S+")  # noqa: S106  a pattern for words
        tf_idf = vectorizer.fit_transform(responses)
    return vectorizer.get_feature_names_out(), tf_idf


def _min_responses(n_responses: int) -> int:
    """Return how many responses must contain a keyword: 2 of 100, 3 of 1,000."""
    return 1 if n_responses < _FEW_RESPONSES else 2 + n_responses // 1000
