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
        ([], "at least two options, got 0"),
        (["tea"], "at least two options, got 1"),
        (["tea", "milk", "Tea "], "occurs twice"),
        (["tea", " "], "option is empty"),
        ("tea|milk", "a list of strings"),
    ],
)
def test_invalid_options_are_refused(options, words) -> None:
    with pytest.raises(DataError, match=words) as caught:
        Question("What will you drink?", options)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"text": "  "}, "empty"),
        ({"text": "A {b.c}?"}, "plain column names"),
        ({"kind": "ranking"}, "Unknown kind of question 'ranking'"),
        ({"kind": "multiple", "options": ["a|b", "c"]}, r"must not contain '\|'"),
        ({"targets": {"everyone": {"tea": 0.5, "milk": 0.5}}}, "a share for each of the options"),
        (
            {"targets": {"old": {"tea": 0.5, "milk": 0.4, "gin": 0.1}}},
            "a share for each of the options",
        ),
        ({"targets": {"old": [0.5, 0.4, 0.4]}}, "'old' must sum to 1, got a sum of 1.3"),
        ({"targets": {"old": [0.5, 0.5]}}, "must be 3 shares"),
        ({"targets": {"old": [1.5, -0.5, 0.0]}}, "between 0 and 1"),
        ({"targets": {"old": [np.nan, 0.5, 0.5]}}, "between 0 and 1"),
    ],
)
def test_an_invalid_question_is_refused(arguments, words) -> None:
    with pytest.raises(DataError, match=words) as caught:
        Question(**{"text": "What will you drink?", "options": DRINKS, **arguments})
    assert caught.value.hint


def test_shares_of_a_multiple_choice_need_not_sum_to_one() -> None:
    targets = {"everyone": [0.9, 0.8, 0.1]}
    question = Question("Which?", DRINKS, "multiple", targets)
    assert question.target("everyone").tolist() == [0.9, 0.8, 0.1]
    assert question.target("old") is None


def test_braces_in_options_are_literal() -> None:
    question = Question("Of {topic}?", ["{topic}", "none"])
    assert question.columns == {"topic"}
    assert "- {topic}\n" in question.template().question({"topic": "tea"})
    subquestions = Question("Of {topic}?", ["{topic}", "none"], "multiple").subquestions
    assert (
        subquestions[0]
        .template()
        .question({"topic": "tea"})
        .startswith("Of tea?\nIs this an answer: {")
    )


@given(size=st.integers(2, 6), n=st.integers(1, 30), seed=st.integers(0, 9))
def test_orders_are_distinct_and_each_option_is_first_equally_often(size, n, seed) -> None:
    question = Question("Which?", [f"option {a}" for a in range(size)])
    option_orders = question.option_orders(n, random_state=seed)
    assert all(sorted(order) == list(range(size)) for order in option_orders)
    assert (
        len({tuple(order) for order in option_orders})
        == len(option_orders)
        == min(n, np.prod(range(1, size + 1)))
    )
    if n == size:
        assert sorted(order[0] for order in option_orders) == list(range(size))


def test_a_scale_has_two_orders() -> None:
    option_orders = Question("How often?", ["never", "seldom", "always"], "scale").option_orders(5)
    assert [order.tolist() for order in option_orders] == [[0, 1, 2], [2, 1, 0]]
    with pytest.raises(DataError, match="`n_orders` must be at least 1, got 0"):
        Question("Which?", DRINKS).option_orders(0)


def test_options_get_a_full_stop_if_one_is_the_beginning_of_another() -> None:
    assert Question("Who?", ["independent", "independent Democrat"]).option_suffix == "."
    assert Question("Who?", ["Democrat", "independent"]).option_suffix == ""


def test_an_answer_must_be_an_option() -> None:
    question = Question("Which?", DRINKS)
    assert question.selected_options(" Milk").tolist() == [False, True, False]
    with pytest.raises(DataError, match=r"'tea\|milk' is not one of the options"):
        question.selected_options("tea|milk")
