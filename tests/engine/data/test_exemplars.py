from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.engine.data.exemplars import (
    Exemplar,
    draw_exemplars,
    own_exemplars,
    usual_max_tokens,
)
from jupyter_mop.engine.data.population import Population
from jupyter_mop.errors import DataError


def make(topics: list[str], said: list[str], weights: list[float] | None = None) -> Population:
    frame = pd.DataFrame({"topic": topics, "said": said, "w": weights or 1.0})
    return Population.from_frame(frame, context="topic", response="said", weight="w")


def test_the_text_for_the_encoder_holds_context_and_response() -> None:
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


def test_no_response_is_taken_twice() -> None:
    population = make(["a", "b"] * 20, ["same"] * 39 + ["other"])
    assert {e.response for e in draw_exemplars(population, 2)} == {"same", "other"}


def test_the_seed_decides() -> None:
    population = make(["a"] * 40, [f"s{i}" for i in range(40)])
    first, again, other = (draw_exemplars(population, 5, random_state=s) for s in (1, 1, 2))
    assert first == again != other


def test_weight_zero_stays_out_and_heavy_records_come_first() -> None:
    said = [f"s{i}" for i in range(10)]
    population = make(["a"] * 10, said, [0.0] * 4 + [1.0] * 5 + [100.0])
    pools = [draw_exemplars(population, 2, random_state=seed) for seed in range(50)]
    drawn = Counter(e.response for pool in pools for e in pool)
    assert not set(drawn) & set(said[:4])
    assert drawn["s9"] > 40


@pytest.mark.parametrize("n", [0, -1, 3])
def test_a_pool_of_another_size_than_there_is_is_refused(n: int) -> None:
    with pytest.raises(DataError, match="2 different responses") as caught:
        draw_exemplars(make(["a", "a", "b"], ["x", "y", "x"]), n)
    assert "1 to 2" in caught.value.hint


def test_own_exemplars_are_those_with_the_same_response_in_any_context() -> None:
    population = make(["a", "b", "c"], ["x", "y", "x"])
    pool = [Exemplar({"topic": "a"}, "x"), Exemplar({"topic": "b"}, "z")]
    np.testing.assert_array_equal(
        own_exemplars(population, pool), [[True, False], [False, False], [True, False]]
    )


def test_what_many_people_said_is_likely_to_be_shown() -> None:
    population = make(["a"] * 100, ["common"] * 50 + [f"s{i}" for i in range(50)])
    pools = [draw_exemplars(population, 5, random_state=seed) for seed in range(40)]
    assert sum("common" in {e.response for e in pool} for pool in pools) > 30


def two_columns() -> Population:
    ages, towns = ["old"] * 2 + ["young"] * 98, ["a", "b"] * 50
    frame = pd.DataFrame({"age": ages, "town": towns, "said": [f"s{i}" for i in range(100)]})
    return Population.from_frame(frame, context=["age", "town"], response="said")


def test_a_small_subgroup_is_not_drowned_in_its_column() -> None:
    pool = draw_exemplars(two_columns(), 20, by="age")
    assert Counter(e.record["age"] for e in pool) == {"old": 2, "young": 18}
    assert len({e.response for e in draw_exemplars(two_columns(), 100, by="age")}) == 100


def test_strata_may_be_labels_of_the_records() -> None:
    labels = np.arange(100) % 10 == 3
    pool = draw_exemplars(two_columns(), 20, by=labels)
    rare = {f"s{i}" for i in np.flatnonzero(labels)}
    assert sum(e.response in rare for e in pool) == 10


def test_the_default_is_the_whole_context() -> None:
    assert draw_exemplars(two_columns(), 9) == draw_exemplars(
        two_columns(), 9, by=two_columns().contexts
    )


@pytest.mark.parametrize("by", ["said", "agee", ["a"] * 3])
def test_strata_that_are_not_there_are_one_sentence(by: object) -> None:
    with pytest.raises(DataError, match=r"no context column|One stratum per record") as caught:
        draw_exemplars(two_columns(), 3, by=by)
    assert caught.value.hint


def test_room_for_nine_answers_in_ten() -> None:
    sizes = [40] * 8 + [400, 4000]
    pool = [Exemplar({}, "x" * size) for size in sizes]
    assert usual_max_tokens(pool[:8]) == 48
    assert usual_max_tokens(pool[:9]) == 48
    assert usual_max_tokens([Exemplar({}, "x" * 400)] * 5) == 100
    assert usual_max_tokens([Exemplar({}, "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 400)]) == 256
    assert usual_max_tokens([]) == 48
