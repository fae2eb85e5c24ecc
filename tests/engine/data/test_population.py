from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.data.population import Population, content_order, context_label
from jupyter_mop.errors import DataError

FRAME = pd.DataFrame(
    {
        "age": [20, 30, 40, 50],
        "topic": ["tea", "tea", "milk", "milk"],
        "text": ["hot", "mild", "cold", "warm"],
        "w": [1.0, 3.0, 0.0, 4.0],
        "unused": [None, 1, 2, 3],
    }
)


def take(frame: pd.DataFrame = FRAME, **columns: object) -> Population:
    return Population.from_frame(frame, **{"context": "topic", "response": "text", **columns})


def test_one_context_column_is_a_string_or_a_list_of_one() -> None:
    pd.testing.assert_frame_equal(take().frame, take(context=["topic"]).frame)
    assert take().context == ("topic",)
    assert take().contexts == ["tea", "tea", "milk", "milk"]
    assert take().responses == ["hot", "mild", "cold", "warm"]
    assert len(take()) == 4


def test_several_context_columns_are_joined_and_named() -> None:
    population = take(context=["age", "topic"])
    assert population.contexts[0] == "20, tea"
    assert population.records[0] == {"age": "20", "topic": "tea"}


def test_whole_numbers_have_no_decimal_point() -> None:
    ages = pd.Series([34.0, np.nan, 51.0, 2.5])
    frame = pd.DataFrame({"age": ages, "since": pd.to_datetime("2024-05-01"), "code": ages})
    frame = frame.dropna()
    population = Population.from_frame(frame, context=["age", "since"], response="code")
    assert population.contexts == ["34, 2024-05-01", "51, 2024-05-01", "2.5, 2024-05-01"]
    assert population.records[0] == {"age": "34", "since": "2024-05-01"}
    assert population.responses == ["34", "51", "2.5"]
    mixed = pd.DataFrame({"age": pd.Series([34.0, "old"], dtype=object), "code": [True, False]})
    population = Population.from_frame(mixed, context="age", response="code")
    assert (population.contexts, population.responses) == (["34", "old"], ["True", "False"])


def test_a_context_is_its_values_and_has_a_label_of_its_own() -> None:
    rows = [("cook, baker", "Rome"), ("cook", "baker, Rome"), ("cook", "Rome"), ('"a"', "b, c")]
    frame = pd.DataFrame(rows, columns=["trade", "town"]).assign(text="x")
    population = Population.from_frame(frame, context=["trade", "town"], response="text")
    assert population.context_keys == rows
    assert population.contexts[:2] == ["cook, baker, Rome"] * 2
    assert population.context_labels == [
        '"cook, baker", Rome',
        'cook, "baker, Rome"',
        "cook, Rome",
        '"""a""", "b, c"',
    ]
    assert population.records[0] is not population.records[1]


@given(st.lists(st.tuples(*[st.text('ab, "', min_size=1)] * 2), min_size=2, unique=True))
def test_labels_of_different_contexts_differ(rows) -> None:
    assert len({context_label(row) for row in rows}) == len(rows)


def test_only_named_columns_are_copied() -> None:
    frame = FRAME.set_index(pd.Index([7, 7, 8, 9]))
    population = take(frame, weight="w")
    assert list(population.frame) == ["topic", "text", "w"]
    frame["text"] = "changed"
    assert population.responses[0] == "hot"


def test_weights_have_mean_one() -> None:
    np.testing.assert_array_equal(take().weights, np.ones(4))
    np.testing.assert_allclose(take(weight="w").weights, [0.5, 1.5, 0.0, 2.0])


def test_take_keeps_order_and_repeats() -> None:
    part = take(weight="w").take([3, 0, 3])
    assert part.responses == ["warm", "hot", "warm"]
    np.testing.assert_allclose(part.weights, [4 / 3, 1 / 3, 4 / 3])


@pytest.mark.parametrize(
    ("frame", "columns", "words"),
    [
        (FRAME, {"context": "subject"}, ["'subject'", "topic"]),
        (FRAME, {"context": ["topic", "subject"]}, ["'subject'"]),
        (FRAME, {"response": "answer"}, ["'answer'"]),
        (FRAME, {"weight": "heft"}, ["'heft'"]),
        (FRAME.head(0), {}, ["empty"]),
        (FRAME.assign(topic=["tea", None, "milk", "milk"]), {}, ["'topic'", "1 missing"]),
        (FRAME.assign(w=[1, -1, 1, 1]), {"weight": "w"}, ["'w'", "zero or more"]),
        (FRAME.assign(w=[1, np.nan, 1, 1]), {"weight": "w"}, ["'w'"]),
        (FRAME.assign(w=[1, np.inf, 1, 1]), {"weight": "w"}, ["'w'"]),
        (FRAME.assign(w=0), {"weight": "w"}, ["'w'", "all 4 are zero"]),
        (FRAME.assign(w="heavy"), {"weight": "w"}, ["'w'", "4 are missing or not finite"]),
        (FRAME.assign(w=[1, 1, 1, 1e308]), {"weight": "w"}, ["'w'", "1e+308 is too large"]),
    ],
)
def test_invalid_frames_are_refused(frame: pd.DataFrame, columns: dict, words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        take(frame, **columns)
    assert caught.value.hint
    for word in words:
        assert word in caught.value.message


@given(n=st.integers(2, 60), fraction=st.floats(0.05, 0.95), seed=st.integers(0, 99))
def test_a_split_is_a_partition(n: int, fraction: float, seed: int) -> None:
    population = take(pd.DataFrame({"topic": "t", "text": [f"s{i}" for i in range(n)]}))
    try:
        first, second = population.split(fraction, random_state=seed)
    except DataError:
        assert round(n * fraction) in (0, n)
        return
    assert len(first) == round(n * fraction)
    assert sorted(first.responses + second.responses) == sorted(population.responses)


def test_a_split_depends_on_the_seed_only() -> None:
    population = take(pd.DataFrame({"topic": "t", "text": [f"s{i}" for i in range(50)]}))
    halves = [population.split(random_state=seed)[0].responses for seed in (1, 1, 2)]
    assert halves[0] == halves[1] != halves[2]


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, 1.5, 0.01, float("nan")])
def test_a_split_leaves_no_part_empty(fraction: float) -> None:
    with pytest.raises(DataError, match="leaves one part empty"):
        take().split(fraction)


def test_records_are_drawn_without_replacement_if_possible() -> None:
    drawn = take().draw(3, random_state=5)
    assert len(set(drawn)) == 3
    np.testing.assert_array_equal(drawn, take().draw(3, random_state=5))
    assert len(take().draw(9)) == 9


def test_records_are_drawn_in_proportion_to_their_weights() -> None:
    drawn = take(weight="w").draw(8000, random_state=1)
    shares = np.bincount(drawn, minlength=4) / 8000
    np.testing.assert_allclose(shares, [1 / 8, 3 / 8, 0, 4 / 8], atol=0.02)


def test_data_is_never_markup() -> None:
    evil = "<script>alert(1)</script>"
    frame = pd.DataFrame({evil: [evil, "x"], "text": [evil, "y"]})
    population = Population.from_frame(frame, context=evil, response="text")
    assert evil not in population._repr_html_()
    assert "&lt;script&gt;" in population._repr_html_()


def test_anything_but_a_frame_is_refused() -> None:
    with pytest.raises(DataError, match="requires a DataFrame, got 'dict'"):
        Population.from_frame({"x": ["a"]}, context="x", response="x")


def test_duplicate_columns_are_refused() -> None:
    frame = pd.DataFrame([["a", "b", "c"]], columns=["x", "y", "y"])
    with pytest.raises(DataError, match="more than one column 'y'"):
        Population.from_frame(frame, context="x", response="y")


def test_a_lone_surrogate_is_refused_with_its_row():
    frame = pd.DataFrame({"topic": ["a", "b"], "text": ["c", "\ud83d d"]}, dtype=object)
    with pytest.raises(DataError, match="Row 1 of the column 'text' contains a lone surrogate"):
        Population.from_frame(frame, context="topic", response="text")


def test_rows_of_one_respondent_stay_on_one_side() -> None:
    rng = np.random.default_rng(0)
    who = rng.integers(60, size=200)
    frame = pd.DataFrame({"x": "a", "text": [f"answer {i}" for i in range(200)], "who": who})
    whole = Population.from_frame(frame, context="x", response="text", group="who")
    for seed in range(5):
        first, second = whole.split(random_state=seed)
        assert not set(first.frame["who"]) & set(second.frame["who"])
        assert len(first) + len(second) == 200
        assert abs(len(first) - 100) <= 8


def test_the_same_text_is_not_on_both_sides() -> None:
    texts = [f"comment {i}" for i in range(100)] * 2
    whole = Population.from_frame(
        pd.DataFrame({"x": "a", "text": texts}), context="x", response="text"
    )
    first, second = whole.split()
    assert not set(first.responses) & set(second.responses)
    assert (len(first), len(second)) == (100, 100)


def test_texts_join_respondents_that_share_them() -> None:
    frame = pd.DataFrame(
        {
            "x": "a",
            "text": ["same", "one", "same", "two", "three", "four"],
            "who": [1, 1, 2, 2, 3, 4],
        }
    )
    whole = Population.from_frame(frame, context="x", response="text", group="who")
    for seed in range(4):
        parts = [set(part.frame["who"]) for part in whole.split(random_state=seed)]
        assert any({1, 2} <= part for part in parts)


def test_equal_answers_to_a_closed_question_are_split_freely() -> None:
    frame = pd.DataFrame({"x": "a", "text": ["yes", "no"] * 50})
    first, second = Population.from_frame(frame, context="x", response="text").split()
    assert set(first.responses) == set(second.responses) == {"yes", "no"}


def test_one_group_cannot_be_split() -> None:
    frame = pd.DataFrame({"x": "a", "text": ["one", "two", "three"], "who": 1})
    whole = Population.from_frame(frame, context="x", response="text", group="who")
    with pytest.raises(DataError, match="3 records in 1 groups") as caught:
        whole.split()
    assert "two groups" in caught.value.hint


def test_rows_without_a_response_are_left_out_and_counted() -> None:
    frame = pd.DataFrame({"x": "a", "text": ["one", None, " ", "two", float("nan")]})
    found = Population.from_frame(frame, context="x", response="text")
    assert found.responses == ["one", "two"]
    assert found.n_left_out == 3
    assert "3 without a response left out" in repr(found)
    with pytest.raises(DataError, match="no response in any of its 2 rows"):
        Population.from_frame(frame.iloc[1:3], context="x", response="text")


def test_column_names_become_texts() -> None:
    df = pd.DataFrame({2024: ["a", "b"], 1.5: ["x", "y"], 0: [1.0, 1.0]})
    population = Population.from_frame(df, context=2024, response=1.5, weight=0)  # type: ignore[arg-type]
    assert (population.context, population.response, population.weight) == (("2024",), "1.5", "0")
    assert population.records == [{"2024": "a"}, {"2024": "b"}]
    assert Population.from_frame(df, context=["2024"], response="1.5").contexts == ["a", "b"]
    assert list(df.columns) == [2024, 1.5, 0]


def test_columns_with_several_levels_are_one_clear_error() -> None:
    columns = pd.MultiIndex.from_tuples([("Q1", "age"), ("Q1", "vote")])
    df = pd.DataFrame([["old", "yes"]], columns=columns)
    with pytest.raises(DataError) as caught:
        Population.from_frame(df, context=("Q1", "age"), response="vote")
    assert "2 levels of names (a MultiIndex)" in caught.value.message
    exec(caught.value.hint.removeprefix("Join them: "), {"df": df, "str": str, "map": map})  # noqa: S102
    assert len(Population.from_frame(df, context="Q1 age", response="Q1 vote")) == 1


def test_columns_with_the_same_text_are_refused() -> None:
    df = pd.DataFrame([["a", "b", "c"]], columns=[1, "1", "x"])
    with pytest.raises(DataError, match="more than one column '1'"):
        Population.from_frame(df, context="1", response="x")


@pytest.mark.parametrize(
    ("weight", "words"),
    [(np.nan, "not finite"), (np.inf, "not finite"), (-1.0, "negative"), (1e308, "too large")],
)
def test_unusable_weights_of_a_population_built_by_hand_are_refused(
    weight: float, words: str
) -> None:
    frame = pd.DataFrame({"topic": "tea", "text": ["hot", "mild", "hot"], "w": [1.0, weight, 1.0]})
    with pytest.raises(DataError, match=words):
        Population.from_frame(frame, context="topic", response="text", weight="w")
    with pytest.raises(DataError, match=words):
        Population(frame, ("topic",), "text", "w").weights  # noqa: B018


def test_texts_that_differ_by_case_or_blanks_stay_together() -> None:
    texts = [f"good film {i}" for i in range(40)]
    frame = pd.DataFrame({"c": "x", "t": texts + [f"{text.upper()}  " for text in texts]})
    sides = Population.from_frame(frame, context="c", response="t").split()
    first, second = ({text.strip().lower() for text in side.responses} for side in sides)
    assert not first & second


def test_contexts_that_differ_by_blanks_or_form_of_unicode_are_one() -> None:
    town = ["caf\u00e9", "cafe\u0301", "caf\u00e9 "]
    frame = pd.DataFrame({"town": town, "t": ["tea", "milk", "tea"]})
    population = Population.from_frame(frame, context="town", response="t")
    assert set(population.context_labels) == {"caf\u00e9"}


def test_the_order_by_content_does_not_depend_on_the_rows() -> None:
    frame = pd.DataFrame({"c": list("xxyy") * 5, "t": list("abcd") * 5})
    population = Population.from_frame(frame, context="c", response="t")
    order = [population.responses[i] for i in content_order(population, random_state=1)]
    turned = population.take(np.arange(20)[::-1])
    assert [turned.responses[i] for i in content_order(turned, random_state=1)] == order
    more = population.take([*range(20), 0])
    kept = [i for i in content_order(more, random_state=1) if i < 20]
    assert kept == content_order(population, random_state=1).tolist()
    assert content_order(population, random_state=2).tolist() != kept


def test_records_without_a_group_stand_alone() -> None:
    frame = pd.DataFrame({"c": "x", "t": list("aabbcc"), "g": [1, 1, None, None, 2, 2]})
    population = Population.from_frame(frame, context="c", response="t", group="g")
    assert population.units(with_texts=False).tolist() == [0, 0, 1, 2, 3, 3]
    assert population.units().tolist() == [0, 0, 1, 1, 2, 2]
