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
SAID = [f"{word} {'and ' * i}{word}" for word in WORDS for i in range(5)]


def make(said: list[str], weights: list[float] | None = None) -> Population:
    frame = pd.DataFrame({"topic": "weather", "said": said, "w": weights or 1.0})
    return Population.from_frame(frame, context="topic", response="said", weight="w")


def test_the_groups_are_those_that_are_there() -> None:
    clusters = cluster_records(make(SAID), 4, ToyEncoder(WORDS))
    groups = {response: int(g) for response, g in zip(SAID, clusters.labels, strict=True)}
    assert len({groups[f"{word} {word}"] for word in WORDS}) == 4
    for word in WORDS:
        assert len({group for response, group in groups.items() if word in response}) == 1
    np.testing.assert_allclose(np.linalg.norm(clusters.centres, axis=1), 1)
    np.testing.assert_allclose(clusters.shares, 0.25)


def test_weights_count_and_the_largest_group_is_the_first() -> None:
    weights = [1.0] * 5 + [6.0] * 5 + [2.0] * 5 + [0.0] * 5
    clusters = cluster_records(make(SAID, weights), 3, ToyEncoder(WORDS))
    np.testing.assert_allclose(clusters.shares, np.array([6, 2, 1]) / 9)
    assert "fog" not in " ".join(clusters.records.responses)
    assert all("rain" in clusters.records.responses[i] for i in clusters.nearest(0, 3))


def test_the_same_response_is_one_record_with_more_weight() -> None:
    encoder = ToyEncoder(WORDS)
    clusters = cluster_records(make(["sun"] * 30 + ["rain"] * 10), 2, encoder)
    assert clusters.records.responses == ["sun", "rain"]
    assert clusters.shares.tolist() == [0.75, 0.25]
    assert encoder.n_encoded == 2


def test_no_more_records_are_encoded_than_asked_for() -> None:
    encoder = ToyEncoder(WORDS)
    clusters = cluster_records(make(SAID), 2, encoder, n_records=7)
    assert (encoder.n_encoded, len(clusters.records)) == (7, 7)
    assert clusters.weights.sum() == pytest.approx(1)


def test_the_seed_decides() -> None:
    found = [cluster_records(make(SAID), 3, ToyEncoder(WORDS), n_records=9, random_state=s)
             for s in (1, 1, 2)]  # fmt: skip
    said = [clusters.records.responses for clusters in found]
    assert said[0] == said[1] != said[2]
    assert (found[0].labels == found[1].labels).all()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from(SAID), min_size=3, max_size=40), st.integers(1, 3))
def test_every_record_is_in_one_group_and_none_is_empty(said: list[str], k: int) -> None:
    n_distinct = len(set(said))
    if k > n_distinct:
        with pytest.raises(DataError, match="too few"):
            cluster_records(make(said), k, ToyEncoder(WORDS))
        return
    clusters = cluster_records(make(said), k, ToyEncoder(WORDS))
    assert len(clusters.labels) == len(clusters.records) == n_distinct
    assert (clusters.shares > 0).all()
    assert clusters.shares.sum() == pytest.approx(1)
    assert (np.diff(clusters.shares) <= 1e-12).all()
    assert 1 <= len(clusters) <= k


@pytest.mark.parametrize("k", [0, -1, 2.5, True, None, "many"])
def test_an_impossible_number_is_one_sentence(k: object) -> None:
    with pytest.raises(DataError, match="whole number of 1 or more") as caught:
        cluster_records(make(SAID), k, ToyEncoder(WORDS))
    assert caught.value.hint


def test_fewer_responses_than_groups_is_one_sentence() -> None:
    with pytest.raises(DataError, match="2 different responses, too few for 3") as caught:
        cluster_records(make(["sun", "rain", "sun", "rain"]), 3, ToyEncoder(WORDS))
    assert "at most 2" in caught.value.hint


def test_vectors_that_are_all_the_same_make_one_group() -> None:
    clusters = cluster_records(make(["sun", "sun sun", "sun sun sun"]), 3, ToyEncoder(WORDS))
    assert len(clusters) == 1


def test_keywords_set_a_group_apart() -> None:
    said = [f"the film has {word} number {i}" for word in WORDS for i in range(40)]
    clusters = cluster_records(make(said), 4, ToyEncoder(WORDS))
    found = keywords(clusters, 3)
    assert {words[0] for words in found} == set(WORDS)
    assert not {"the", "film", "has", "number"} & {word for words in found for word in words}


@pytest.mark.parametrize(
    "said", [["to be", "or not", "be"], ["1 2", "3", "4"], ["是 的", "不", "雨"]]
)
def test_records_of_stop_words_or_signs_still_have_keywords(said: list[str]) -> None:
    found = keywords(cluster_records(make(said), 2, ToyEncoder(WORDS)))
    assert all(found)


def test_strata_are_the_groups_of_all_records() -> None:
    said = ["sun"] * 3 + ["rain", "sun", "fog"]
    strata = cluster_strata(make(said, [1.0] * 5 + [0.0]), 9, ToyEncoder(WORDS))
    assert strata[:5] == [0, 0, 0, 1, 0]
    assert len(strata) == 6
