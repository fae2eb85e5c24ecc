"""Records in groups by what they say: k-means over sentence vectors, keywords of each group."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Encoder, OnStep
from jupyter_mop.engine.data.population import Population
from jupyter_mop.errors import DataError

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

MOST_RECORDS = 1000
N_STARTS = 5
_WORD = r"[^\W\d_]{3,}"


@dataclass(frozen=True)
class Clusters:
    """Different responses in K groups, the largest first.

    Attributes
    ----------
    records : Population
        One record of each response, n of them.
    weights : ndarray, shape (n,)
        Weight of all records with that response; they sum to 1.
    vectors : ndarray, shape (n, d)
        Unit vectors of the responses.
    labels : ndarray, shape (n,)
        Group of each response, 0 to K - 1.
    centres : ndarray, shape (K, d)
        Unit vectors towards the middle of each group.
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
        """The share of the records that each group holds, shape (K,)."""
        return np.asarray(np.bincount(self.labels, self.weights, len(self)), dtype=np.float64)

    def nearest(self, group: int, n: int) -> Indices:
        """Return the `n` members of a group that are nearest its centre, nearest first."""
        members = np.flatnonzero(self.labels == group)
        cosines = self.vectors[members] @ self.centres[group]
        return members[np.argsort(-cosines, kind="stable")[:n]]


def cluster_records(
    population: Population,
    k: int,
    encoder: Encoder,
    *,
    n_records: int = MOST_RECORDS,
    random_state: int = 0,
    on_step: OnStep | None = None,
) -> Clusters:
    """Put the responses into `k` groups by k-means over their sentence vectors.

    Parameters
    ----------
    population : Population
        The records; each counts by its weight, the same response is encoded once.
    k : int
        Number of groups.
    encoder : Encoder
        Text to unit vectors.
    n_records : int
        Most different responses to look at; of more, these are drawn.
    random_state : int
        Seed of the draw and of k-means.
    on_step : callable, optional
        Called with (what, total); returns what is called as each vector comes.

    Raises
    ------
    DataError
        If `k` is no number above zero, or there are fewer different responses than groups.

    Examples
    --------
    >>> import pandas as pd
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> df = pd.DataFrame({"topic": "weather", "said": ["sun", "rain", "sun sun rain", "rain"]})
    >>> population = Population.from_frame(df, context="topic", response="said")
    >>> clusters = cluster_records(population, 2, ToyEncoder(["sun", "rain"]))
    >>> clusters.shares.tolist(), clusters.records.responses
    ([0.5, 0.5], ['sun', 'rain', 'sun sun rain'])
    """
    rows, weights = _distinct(population, n_records, random_state)
    _check_k(k, len(rows))
    records = population.take(rows)
    vectors = _encoded(records.responses, encoder, on_step)
    labels = _k_means(vectors, weights, k, random_state)
    shares = np.bincount(labels, weights)
    labels = np.argsort(np.argsort(-shares, kind="stable"))[labels]
    sums = np.zeros((len(shares), vectors.shape[1]))
    np.add.at(sums, labels, weights[:, None] * vectors)
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    centres = sums / np.maximum(norms, np.finfo(float).tiny)
    return Clusters(records, weights, vectors, labels, centres)


def keywords(clusters: Clusters, n: int = 6) -> list[list[str]]:
    """Return the `n` words of each group that set it apart: TF-IDF here less TF-IDF elsewhere.

    English stop words and words with fewer than three letters count only where there is nothing
    else; a group may have fewer words than `n`, or none.

    Examples
    --------
    >>> import pandas as pd
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> df = pd.DataFrame({"topic": "weather", "said": ["sun", "the rain", "sunny sun"]})
    >>> population = Population.from_frame(df, context="topic", response="said")
    >>> keywords(cluster_records(population, 2, ToyEncoder(["sun", "rain"])))
    [['sun', 'sunny'], ['rain']]
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    responses = clusters.records.responses
    vectorizer = TfidfVectorizer(
        stop_words="english", token_pattern=_WORD, min_df=_least_records(len(responses))
    )
    try:
        scores = vectorizer.fit_transform(responses)
    except ValueError:  # stop words, short ones and rare ones only
        vectorizer = TfidfVectorizer(token_pattern=r"\S+")  # noqa: S106  a pattern of words
        scores = vectorizer.fit_transform(responses)
    words = vectorizer.get_feature_names_out()
    everywhere = clusters.weights @ scores
    found = []
    for group, share in enumerate(clusters.shares):
        inside = np.where(clusters.labels == group, clusters.weights, 0.0) @ scores
        apart = inside / share - (everywhere - inside) / max(1 - share, 1e-9)
        best = np.argsort(-apart, kind="stable")[:n]
        found.append([str(words[i]) for i in best if inside[i] > 0 and apart[i] > 0])
    return found


def cluster_strata(
    population: Population, k: int, encoder: Encoder, *, random_state: int = 0
) -> list[int]:
    """Return the group of each record, of at most `k` groups, length n.

    Examples
    --------
    >>> import pandas as pd
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> df = pd.DataFrame({"topic": "weather", "said": ["sun", "rain", "sun"]})
    >>> population = Population.from_frame(df, context="topic", response="said")
    >>> cluster_strata(population, 5, ToyEncoder(["sun", "rain"]))
    [0, 1, 0]
    """
    heavy = population.take(np.flatnonzero(population.weights))
    k = min(k, len(set(heavy.responses)))
    clusters = cluster_records(heavy, k, encoder, n_records=len(heavy), random_state=random_state)
    group = dict(zip(clusters.records.responses, clusters.labels.tolist(), strict=True))
    return [group.get(response, 0) for response in population.responses]


def _distinct(population: Population, most: int, random_state: int) -> tuple[Indices, Array]:
    """Return the first record of each response and the weight of all with it, up to `most`."""
    first: dict[str, int] = {}
    owner = [first.setdefault(response, i) for i, response in enumerate(population.responses)]
    total = np.bincount(owner, population.weights)
    rows = np.array([i for i in first.values() if total[i] > 0], dtype=np.intp)
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(random_state).choice(rows, most, replace=False))
    return rows, total[rows] / total[rows].sum()


def _check_k(k: int, n_distinct: int) -> None:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise DataError(
            f"The number of personas must be a whole number of 1 or more, not {k!r}.",
            hint='Give k=8, or k="auto" to choose it.',
        )
    if k > n_distinct:
        raise DataError(
            f"There are {n_distinct} different responses, too few for {k} personas.",
            hint=f"Ask for at most {n_distinct}, better a tenth of that; or give more records.",
        )


def _encoded(texts: Sequence[str], encoder: Encoder, on_step: OnStep | None) -> Array:
    tick = on_step("vectors of records", len(texts)) if on_step else None

    def report(indices: Sequence[int], vectors: NDArray[np.float32]) -> None:
        for index, vector in zip(indices, vectors, strict=True):
            if tick:
                tick(index, vector)

    return encoder.encode(texts, on_result=report).astype(np.float64)


def _k_means(vectors: Array, weights: Array, k: int, random_state: int) -> Indices:
    """Return the group of each vector; fewer than `k` where many vectors are the same."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    model = KMeans(k, n_init=N_STARTS, random_state=random_state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = model.fit_predict(vectors, sample_weight=weights)
    return np.asarray(np.unique(found, return_inverse=True)[1], dtype=np.intp)


def _least_records(n_responses: int) -> int:
    """Return in how many responses a word must be to count: in 2 of 100, in 3 of 1,000."""
    return 1 if n_responses < 100 else 2 + n_responses // 1000  # noqa: PLR2004
