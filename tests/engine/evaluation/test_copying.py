from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.evaluation.copying import SharedRun, copies, longest_runs
from jupyter_mop.errors import DataError

POOL = ["The food was cold and the waiter was rude to us all evening.", "I loved it"]
TEXTS = st.lists(st.sampled_from("abc"), max_size=9).map(" ".join)


def longest(first: str, second: str) -> int:
    """Return the length of the longest common run of words by brute force."""
    a, b = first.split(), second.split()
    sizes = [
        k for i in range(len(a)) for j in range(len(b)) for k in range(1, len(a) - i + 1)
        if a[i : i + k] == b[j : j + k]
    ]  # fmt: skip
    return max(sizes, default=0)


@given(st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=4))
def test_the_longest_run_agrees_with_brute_force(texts: list[str], pool: list[str]) -> None:
    found = longest_runs(texts, pool)
    assert len(found) == len(texts)
    for text, run in zip(texts, found, strict=True):
        assert run.size == max((longest(text, other) for other in pool), default=0)
        assert len(run.words.split()) == run.size
        assert run.words in text
        if run.index is None:
            assert run == SharedRun()
        else:
            assert run.words in pool[run.index]


def test_a_pool_of_thousands_is_searched() -> None:
    rng = np.random.default_rng(0)
    pool = [" ".join(map(str, rng.integers(2000, size=60))) for _ in range(5000)]
    texts = [" ".join(pool[7].split()[20:38]), *pool[100:130]]
    found = longest_runs(texts, pool)
    assert [run.index for run in found[1:]] == list(range(100, 130))
    assert (found[0].index, found[0].size) == (7, 18)


def test_copies_of_the_own_exemplar_and_of_others() -> None:
    responses = [
        "Well, the food was COLD and the waiter was rude; I left.",
        "The food was good",
        "the food was cold and the waiter was rude to me",
        "",
    ]
    found = copies(responses, POOL, [[0], [0], [1], []])
    assert found["run"].tolist()[:3] == [9, 3, 0]
    assert np.isnan(found["run"].iloc[3])
    assert found["is_copy"].tolist() == [True, False, False, False]
    assert found["pool_run"].tolist() == [9, 3, 10, 0]
    assert found["is_pool_copy"].tolist() == [True, False, True, False]
    assert found["words"].iloc[2] == "the food was cold and the waiter was rude to"
    assert found["exemplar"].tolist()[:3] == [0, 0, 0]


def test_the_threshold_is_an_argument() -> None:
    assert copies(["the food was fine"], POOL, [[0]], copied=3)["is_copy"].all()
    assert not copies(["the food was fine"], POOL, [[0]], copied=4)["is_copy"].any()
    with pytest.raises(DataError, match="`copied` must be at least 1, got 0"):
        copies(["a"], POOL, copied=0)


def test_without_pool_or_responses_there_are_no_copies() -> None:
    assert copies(["a b"], [])["pool_run"].tolist() == [0]
    assert copies([], POOL).empty
