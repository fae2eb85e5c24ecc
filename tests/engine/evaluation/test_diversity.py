from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_mop.engine.evaluation.diversity import distinct_n, ngrams, vendi_score, words
from jupyter_mop.errors import DataError


def cloud(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def direct(vectors: np.ndarray) -> float:
    """Return the score by Friedman and Dieng's definition on the whole kernel."""
    rows = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    shares = np.linalg.eigvalsh(rows @ rows.T / len(rows)).clip(min=1e-15)
    return float(np.exp(-(shares * np.log(shares)).sum()))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 1000))
def test_the_vendi_score_agrees_with_its_definition(n: int, d: int, seed: int) -> None:
    vectors = cloud(n, d, seed)
    score = vendi_score(vectors)
    assert score == pytest.approx(direct(vectors), rel=1e-6)
    assert 1 - 1e-9 <= score <= min(n, d) + 1e-9
    assert vendi_score(3 * vectors[::-1]) == pytest.approx(score)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 12), st.integers(0, 1000))
def test_weights_act_like_duplicates(n: int, seed: int) -> None:
    vectors, rng = cloud(n, 5, seed), np.random.default_rng(seed)
    times = rng.integers(1, 4, n)
    repeated = np.repeat(vectors, times, axis=0)
    assert vendi_score(vectors, weights=times.astype(float)) == pytest.approx(vendi_score(repeated))


def test_duplicates_do_not_raise_the_vendi_score() -> None:
    assert vendi_score(np.repeat(np.eye(3), 10, axis=0)) == pytest.approx(3)
    with pytest.raises(DataError):
        vendi_score(np.zeros((3, 2)))


def test_distinct_n_is_a_share_of_the_ngrams_within_texts() -> None:
    assert distinct_n(["a b", "b a"], 2) == 1.0
    assert distinct_n(["a b c", "a b"], 2) == pytest.approx(2 / 3)
    assert distinct_n(["A b!", "a, b"], 1) == 0.5
    assert distinct_n(["a"], 2) == 0.0
    with pytest.raises(DataError):
        distinct_n(["a"], 0)


@given(st.lists(st.text(alphabet="ab. ", max_size=12), min_size=1, max_size=8), st.integers(1, 3))
def test_distinct_n_stays_in_range_and_falls_with_duplicates(texts: list[str], n: int) -> None:
    once = distinct_n(texts, n)
    assert 0 <= once <= 1
    assert distinct_n(texts * 2, n) == pytest.approx(once / 2)


def test_words_have_no_punctuation_around_them() -> None:
    assert words("“Don't”, she said; twice!") == ["don't", "she", "said", "twice"]
    assert ngrams(["a"], 2) == []
