from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_mop.backends.toy import ToyEncoder
from jupyter_mop.engine.data.clustering import cluster_records, cluster_strata, keywords
from jupyter_mop.engine.data.population import Population
from jupyter_mop.errors import DataError

WORDS = ["sun", "rain", "wind", "fog"]
TEXTS = [f"{word} {'and ' * i}{word}" for word in WORDS for i in range(5)]


def make(texts: list[str], weights: list[float] | None = None) -> Population:
    frame = pd.DataFrame({"topic": "weather", "text": texts, "w": weights or 1.0})
    return Population.from_frame(frame, context="topic", response="text", weight="w")


def test_the_clusters_are_those_in_the_data() -> None:
    clusters = cluster_records(make(TEXTS), 4, ToyEncoder(WORDS))
    groups = {response: int(g) for response, g in zip(TEXTS, clusters.labels, strict=True)}
    assert len({groups[f"{word} {word}"] for word in WORDS}) == 4
    for word in WORDS:
        assert len({group for response, group in groups.items() if word in response}) == 1
    np.testing.assert_allclose(np.linalg.norm(clusters.centres, axis=1), 1)
    np.testing.assert_allclose(clusters.shares, 0.25)


def test_weights_count_and_the_largest_cluster_comes_first() -> None:
    weights = [1.0] * 5 + [6.0] * 5 + [2.0] * 5 + [0.0] * 5
    clusters = cluster_records(make(TEXTS, weights), 3, ToyEncoder(WORDS))
    np.testing.assert_allclose(clusters.shares, np.array([6, 2, 1]) / 9)
    assert "fog" not in " ".join(clusters.records.responses)
    assert all("rain" in clusters.records.responses[i] for i in clusters.nearest(0, 3))


def test_equal_responses_are_one_record_with_their_total_weight() -> None:
    encoder = ToyEncoder(WORDS)
    clusters = cluster_records(make(["sun"] * 30 + ["rain"] * 10), 2, encoder)
    assert clusters.records.responses == ["sun", "rain"]
    assert clusters.shares.tolist() == [0.75, 0.25]
    assert encoder.n_encoded == 2


def test_at_most_n_records_are_encoded() -> None:
    encoder = ToyEncoder(WORDS)
    clusters = cluster_records(make(TEXTS), 2, encoder, n_records=7)
    assert (encoder.n_encoded, len(clusters.records)) == (7, 7)
    assert clusters.weights.sum() == pytest.approx(1)


def test_the_result_depends_on_the_seed_only() -> None:
    found = [cluster_records(make(TEXTS), 3, ToyEncoder(WORDS), n_records=9, random_state=s)
             for s in (1, 1, 2)]  # fmt: skip
    texts = [clusters.records.responses for clusters in found]
    assert texts[0] == texts[1] != texts[2]
    assert (found[0].labels == found[1].labels).all()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from(TEXTS), min_size=3, max_size=40), st.integers(1, 3))
def test_every_record_is_in_one_cluster_and_no_cluster_is_empty(texts: list[str], k: int) -> None:
    n_distinct = len(set(texts))
    if k > n_distinct:
        with pytest.raises(DataError, match="distinct responses"):
            cluster_records(make(texts), k, ToyEncoder(WORDS))
        return
    clusters = cluster_records(make(texts), k, ToyEncoder(WORDS))
    assert len(clusters.labels) == len(clusters.records) == n_distinct
    assert (clusters.shares > 0).all()
    assert clusters.shares.sum() == pytest.approx(1)
    assert (np.diff(clusters.shares) <= 1e-12).all()
    assert 1 <= len(clusters) <= k


@pytest.mark.parametrize("k", [0, -1, 2.5, True, None, "many"])
def test_an_invalid_k_is_refused(k: object) -> None:
    with pytest.raises(DataError, match="whole number of at least 1") as caught:
        cluster_records(make(TEXTS), k, ToyEncoder(WORDS))
    assert caught.value.hint


def test_more_clusters_than_responses_are_refused() -> None:
    with pytest.raises(DataError, match="`k` is 3, but there are only 2 distinct") as caught:
        cluster_records(make(["sun", "rain", "sun", "rain"]), 3, ToyEncoder(WORDS))
    assert "at most 2" in caught.value.hint


def test_equal_vectors_make_one_cluster() -> None:
    clusters = cluster_records(make(["sun", "sun sun", "sun sun sun"]), 3, ToyEncoder(WORDS))
    assert len(clusters) == 1


def test_keywords_distinguish_the_clusters() -> None:
    texts = [f"the film has {word} number {i}" for word in WORDS for i in range(40)]
    clusters = cluster_records(make(texts), 4, ToyEncoder(WORDS))
    found = keywords(clusters, 3)
    assert {words[0] for words in found} == set(WORDS)
    assert not {"the", "film", "has", "number"} & {word for words in found for word in words}


@pytest.mark.parametrize(
    "texts", [["to be", "or not", "be"], ["1 2", "3", "4"], ["是 的", "不", "雨"]]
)
def test_records_of_stop_words_or_symbols_have_keywords(texts: list[str]) -> None:
    found = keywords(cluster_records(make(texts), 2, ToyEncoder(WORDS)))
    assert all(found)


def test_strata_are_the_clusters_of_all_records() -> None:
    texts = ["sun"] * 3 + ["rain", "sun", "fog"]
    strata = cluster_strata(make(texts, [1.0] * 5 + [0.0]), 9, ToyEncoder(WORDS))
    assert strata[:5] == [0, 0, 0, 1, 0]
    assert len(strata) == 6
