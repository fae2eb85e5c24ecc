from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.engine.data.exemplars import (
    Exemplar,
    default_max_tokens,
    draw_exemplars,
    own_exemplars,
    pool_size,
)
from jupyter_mop.engine.data.population import Population
from jupyter_mop.errors import DataError


def make(topics: list[str], texts: list[str], weights: list[float] | None = None) -> Population:
    frame = pd.DataFrame({"topic": topics, "text": texts, "w": weights or 1.0})
    return Population.from_frame(frame, context="topic", response="text", weight="w")


def test_the_encoder_gets_context_and_response() -> None:
    assert Exemplar({"age": "30", "topic": "tea"}, "Hot.").text == "30, tea: Hot."


def test_the_pool_is_spread_over_the_contexts() -> None:
    topics = ["tea"] * 50 + ["milk"] * 3 + ["rum"] * 20
    population = make(topics, [f"s{i}" for i in range(73)])
    pool = draw_exemplars(population, 9, random_state=3)
    assert Counter(e.record["topic"] for e in pool) == {"tea": 3, "milk": 3, "rum": 3}
    assert len({e.response for e in pool}) == 9


def test_each_exemplar_is_a_record() -> None:
    population = make(["a", "b", "a"], ["x", "y", "z"])
    pairs = {(e.record["topic"], e.response) for e in draw_exemplars(population, 3)}
    assert pairs == {("a", "x"), ("b", "y"), ("a", "z")}


def test_each_response_is_drawn_at_most_once() -> None:
    population = make(["a", "b"] * 20, ["same"] * 39 + ["other"])
    assert {e.response for e in draw_exemplars(population, 2)} == {"same", "other"}


def test_the_pool_depends_on_the_seed_only() -> None:
    population = make(["a"] * 40, [f"s{i}" for i in range(40)])
    first, again, other = (draw_exemplars(population, 5, random_state=s) for s in (1, 1, 2))
    assert first == again != other


def test_records_of_weight_zero_are_excluded_and_heavy_ones_are_likely() -> None:
    texts = [f"s{i}" for i in range(10)]
    population = make(["a"] * 10, texts, [0.0] * 4 + [1.0] * 5 + [100.0])
    pools = [draw_exemplars(population, 2, random_state=seed) for seed in range(50)]
    drawn = Counter(e.response for pool in pools for e in pool)
    assert not set(drawn) & set(texts[:4])
    assert drawn["s9"] > 40


@pytest.mark.parametrize("n", [0, -1, 3])
def test_an_invalid_pool_size_is_refused(n: int) -> None:
    with pytest.raises(DataError, match="2 distinct responses") as caught:
        draw_exemplars(make(["a", "a", "b"], ["x", "y", "x"]), n)
    assert "1 to 2" in caught.value.hint


def test_own_exemplars_are_those_with_the_same_response_in_any_context() -> None:
    population = make(["a", "b", "c"], ["x", "y", "x"])
    pool = [Exemplar({"topic": "a"}, "x"), Exemplar({"topic": "b"}, "z")]
    np.testing.assert_array_equal(
        own_exemplars(population, pool), [[True, False], [False, False], [True, False]]
    )


def test_frequent_responses_are_likely_exemplars() -> None:
    population = make(["a"] * 100, ["common"] * 50 + [f"s{i}" for i in range(50)])
    pools = [draw_exemplars(population, 5, random_state=seed) for seed in range(40)]
    assert sum("common" in {e.response for e in pool} for pool in pools) > 30


def two_columns() -> Population:
    ages, towns = ["old"] * 2 + ["young"] * 98, ["a", "b"] * 50
    frame = pd.DataFrame({"age": ages, "town": towns, "text": [f"s{i}" for i in range(100)]})
    return Population.from_frame(frame, context=["age", "town"], response="text")


def test_a_small_stratum_is_represented() -> None:
    pool = draw_exemplars(two_columns(), 20, by="age")
    assert Counter(e.record["age"] for e in pool) == {"old": 2, "young": 18}
    assert len({e.response for e in draw_exemplars(two_columns(), 100, by="age")}) == 100


def test_strata_can_be_labels_of_the_records() -> None:
    labels = np.arange(100) % 10 == 3
    pool = draw_exemplars(two_columns(), 20, by=labels)
    rare = {f"s{i}" for i in np.flatnonzero(labels)}
    assert sum(e.response in rare for e in pool) == 10


def test_the_default_strata_are_the_contexts() -> None:
    assert draw_exemplars(two_columns(), 9) == draw_exemplars(
        two_columns(), 9, by=two_columns().contexts
    )


@pytest.mark.parametrize("by", ["text", "agee", ["a"] * 3])
def test_invalid_strata_are_refused(by: object) -> None:
    with pytest.raises(DataError, match=r"no context column|one label for each") as caught:
        draw_exemplars(two_columns(), 3, by=by)
    assert caught.value.hint


def test_the_default_token_limit_covers_nine_in_ten_responses() -> None:
    sizes = [40] * 8 + [400, 4000]
    pool = [Exemplar({}, "x" * size) for size in sizes]
    assert default_max_tokens(pool[:8]) == 48
    assert default_max_tokens(pool[:9]) == 48
    assert default_max_tokens([Exemplar({}, "x" * 400)] * 5) == 100
    assert default_max_tokens([Exemplar({}, "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 400)]) == 256
    assert default_max_tokens([]) == 48


def test_a_pool_from_other_records_may_use_all_of_them() -> None:
    population = make(["a"] * 100, [f"s{i}" for i in range(100)])
    assert pool_size(population, 1000) == 75
    assert pool_size(population, 1000, divided=False) == 100
    assert pool_size(population, 10, divided=False) == 10
