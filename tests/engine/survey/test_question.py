from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.survey.question import Question
from jupyter_mop.errors import DataError

DRINKS = ["tea", "milk", "beer"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "at least two options, not 0"),
        (["tea"], "at least two options, not 1"),
        (["tea", "milk", "Tea "], "is there twice"),
        (["tea", " "], "option is empty"),
        ("tea|milk", "a list of texts"),
    ],
)
def test_options_that_cannot_be_asked_are_refused(options, words) -> None:
    with pytest.raises(DataError, match=words) as caught:
        Question("What will you drink?", options)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"text": "  "}, "empty"),
        ({"text": "A {b.c}?"}, "plain column names"),
        ({"kind": "ranking"}, "no kind of question 'ranking'"),
        ({"kind": "multiple", "options": ["a|b", "c"]}, r"may hold no '\|'"),
        ({"targets": {"everyone": {"tea": 0.5, "milk": 0.5}}}, "name each of the options"),
        ({"targets": {"old": {"tea": 0.5, "milk": 0.4, "gin": 0.1}}}, "name each of the options"),
        ({"targets": {"old": [0.5, 0.4, 0.4]}}, "'old' sum to 1.3"),
        ({"targets": {"old": [0.5, 0.5]}}, "each of the 3 options"),
        ({"targets": {"old": [1.5, -0.5, 0.0]}}, "between 0 and 1"),
        ({"targets": {"old": [np.nan, 0.5, 0.5]}}, "between 0 and 1"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(arguments, words) -> None:
    with pytest.raises(DataError, match=words) as caught:
        Question(**{"text": "What will you drink?", "options": DRINKS, **arguments})
    assert caught.value.hint


def test_shares_of_a_multiple_choice_need_not_sum_to_one() -> None:
    targets = {"everyone": [0.9, 0.8, 0.1]}
    question = Question("Which?", DRINKS, "multiple", targets)
    assert question.target("everyone").tolist() == [0.9, 0.8, 0.1]
    assert question.target("old") is None


def test_braces_in_options_are_text() -> None:
    question = Question("Of {topic}?", ["{topic}", "none"])
    assert question.columns == {"topic"}
    assert "- {topic}\n" in question.template().question({"topic": "tea"})
    parts = Question("Of {topic}?", ["{topic}", "none"], "multiple").parts
    assert (
        parts[0].template().question({"topic": "tea"}).startswith("Of tea?\nIs this an answer: {")
    )


@given(size=st.integers(2, 6), n=st.integers(1, 30), seed=st.integers(0, 9))
def test_options_are_listed_in_different_orders_each_first_equally_often(size, n, seed) -> None:
    question = Question("Which?", [f"option {a}" for a in range(size)])
    orders = question.orders(n, random_state=seed)
    assert all(sorted(order) == list(range(size)) for order in orders)
    assert (
        len({tuple(order) for order in orders})
        == len(orders)
        == min(n, np.prod(range(1, size + 1)))
    )
    if n == size:
        assert sorted(order[0] for order in orders) == list(range(size))


def test_a_scale_is_listed_forwards_and_backwards() -> None:
    orders = Question("How often?", ["never", "seldom", "always"], "scale").orders(5)
    assert [order.tolist() for order in orders] == [[0, 1, 2], [2, 1, 0]]
    with pytest.raises(DataError, match="at least one order"):
        Question("Which?", DRINKS).orders(0)


def test_where_one_option_begins_another_both_end_with_a_full_stop() -> None:
    assert Question("Who?", ["independent", "independent Democrat"]).ending == "."
    assert Question("Who?", ["Democrat", "independent"]).ending == ""


def test_what_is_no_option_is_no_answer() -> None:
    question = Question("Which?", DRINKS)
    assert question.chosen(" Milk").tolist() == [False, True, False]
    with pytest.raises(DataError, match=r"'tea\|milk' is none of the options"):
        question.chosen("tea|milk")
