from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.memorisation import Runs, copies
from jupyter_mop.errors import DataError

POOL = ["The food was cold and the waiter was rude to us all evening.", "I loved it"]
TEXTS = st.lists(st.sampled_from("abc"), max_size=9).map(" ".join)


def longest(first: str, second: str) -> int:
    """Return the longest common run of words by trying them all."""
    a, b = first.split(), second.split()
    sizes = [
        k for i in range(len(a)) for j in range(len(b)) for k in range(1, len(a) - i + 1)
        if a[i : i + k] == b[j : j + k]
    ]  # fmt: skip
    return max(sizes, default=0)


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=4))
def test_the_longest_run_is_the_longest(text: str, pool: list[str]) -> None:
    size, where, run = Runs(pool).longest(text)
    assert size == max(longest(text, other) for other in pool)
    assert len(run.split()) == size
    if where is not None:
        assert longest(text, pool[where]) == size
        assert run in pool[where]
    else:
        assert size == 0


def test_copies_of_the_exemplar_shown_and_of_others() -> None:
    said = [
        "Well, the food was COLD and the waiter was rude; I left.",
        "The food was good",
        "the food was cold and the waiter was rude to me",
        "",
    ]
    found = copies(said, POOL, [0, 0, 1, None])
    assert found["run"].tolist()[:3] == [9, 3, 0]
    assert np.isnan(found["run"].iloc[3])
    assert found["is_copy"].tolist() == [True, False, False, False]
    assert found["pool_run"].tolist() == [9, 3, 10, 0]
    assert found["is_pool_copy"].tolist() == [True, False, True, False]
    assert found["words"].iloc[2] == "the food was cold and the waiter was rude to"
    assert found["exemplar"].tolist()[:3] == [0, 0, 0]


def test_the_threshold_is_an_argument() -> None:
    assert copies(["the food was fine"], POOL, [0], copied=3)["is_copy"].all()
    assert not copies(["the food was fine"], POOL, [0], copied=4)["is_copy"].any()
    with pytest.raises(DataError, match="one word"):
        copies(["a"], POOL, copied=0)


def test_no_pool_and_no_responses_are_no_copies() -> None:
    assert copies(["a b"], [])["pool_run"].tolist() == [0]
    assert copies([], POOL).empty
