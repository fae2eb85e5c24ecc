from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.survey.answer_distances import distances
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
        ({"text": "A {b?"}, "a single '{'"),
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


@pytest.mark.parametrize("size", range(2, 13))
@pytest.mark.parametrize("kind", ["single", "scale"])
def test_by_default_there_are_as_many_orders_as_options_up_to_six(size: int, kind: str) -> None:
    orders = Question("Which?", [f"o{a}" for a in range(size)], kind).option_orders()
    assert len(orders) == min(size, 6)
    assert len({order[0] for order in orders}) == len(orders)
    places = np.array([np.argsort(order) for order in orders])
    if kind == "single" or size % 2 == 0 or size > 6:
        assert np.ptp(places.mean(0)) == pytest.approx(0)
    if kind == "scale":
        assert orders[0].tolist() == list(range(size))
        assert orders[1].tolist() == list(range(size))[::-1]


def test_orders_of_a_scale() -> None:
    scale = Question("How often?", ["never", "seldom", "always"], "scale")
    assert [o.tolist() for o in scale.option_orders(2)] == [[0, 1, 2], [2, 1, 0]]
    assert len(scale.option_orders(99)) == 6
    with pytest.raises(DataError, match="`n_orders` must be at least 1, got 0"):
        Question("Which?", DRINKS).option_orders(0)


@pytest.mark.parametrize("kind", ["single", "scale"])
def test_options_can_stay_last(kind: str) -> None:
    options = ["tea", "Other", "milk", "beer", "Don't know"]
    question = Question("What?", options, kind, last=["other", "Dont know"])
    assert question.last == ("Other", "Don't know")
    orders = question.option_orders()
    assert len(orders) == 3
    assert all(order[3:].tolist() == [1, 4] for order in orders)
    assert sorted(order[0] for order in orders) == [0, 2, 3]
    assert question.template(orders[0]).text.splitlines()[-2] == "- Don't know"
    with pytest.raises(DataError, match="'Nothing' is not one of the options"):
        Question("What?", options, last=["Nothing"])
    with pytest.raises(DataError, match="All options are `last`"):
        Question("What?", ["a", "b"], last=["a", "b"])


def test_options_that_stay_last_are_no_points_of_a_scale() -> None:
    options = ["never", "often", "always", "Don't know"]
    scale = Question("How often?", options, "scale", last=["Don't know"])
    target, shares = np.array([0.5, 0.25, 0.0, 0.25]), np.array([0.5, 0.5, 0.0, 0.0])
    assert distances(scale, target, shares)["W1"] == pytest.approx(1 / 2 - 1 / 3)
    assert distances(scale, target, shares)["TV"] == pytest.approx(0.25)


def test_an_exclusive_option_is_named_or_means_it() -> None:
    found = Question("Which?", ["tea", "milk", "None of these"], "multiple")
    assert (found.exclusive, found.exclusive_index) == ("None of these", 2)
    named = Question("Was?", ["Tee", "Milch", "Keines davon"], "multiple", exclusive="keines davon")
    assert named.exclusive == "Keines davon"
    assert Question("Which?", ["tea", "milk"], "multiple").exclusive is None
    with pytest.raises(DataError, match="Only a multiple choice"):
        Question("Which?", ["tea", "None"], exclusive="None")
    with pytest.raises(DataError, match="selects 'None of these' and other options"):
        found.selected_options("tea|None of these")


def test_choices_are_separated_as_in_the_data() -> None:
    question = Question("Which?", ["tea", "milk", "juice"], "multiple", separator=";")
    assert question.selected_options("Tea; juice").tolist() == [True, False, True]
    assert question.answer_text(np.array([True, False, True])) == "tea;juice"
    assert question.selected_options("").tolist() == [False] * 3
    with pytest.raises(DataError, match="must not contain ','"):
        Question("Which?", ["tea, hot", "milk"], "multiple", separator=",")
    with pytest.raises(DataError, match="`separator` is empty"):
        Question("Which?", ["tea", "milk"], "multiple", separator=" ")


def test_a_question_is_the_same_after_it_was_kept_as_text() -> None:
    question = Question(
        "{age}?",
        ["tea", "milk", "None"],
        "multiple",
        {("age", "old"): [0.5, 0.2, 0.3], "everyone": {"tea": 0.4, "milk": 0.3, "None": 0.2}},
        separator=";",
    )
    assert Question.of(json.loads(json.dumps(question.facts()))) == replace(
        question, targets={**question.targets}
    )


def test_options_get_a_full_stop_if_one_is_the_beginning_of_another() -> None:
    assert Question("Who?", ["independent", "independent Democrat"]).option_suffix == "."
    assert Question("Who?", ["Democrat", "independent"]).option_suffix == ""


def test_an_answer_must_be_an_option() -> None:
    question = Question("Which?", DRINKS)
    assert question.selected_options(" Milk").tolist() == [False, True, False]
    yes_no, numbers = Question("Is it?", ["Yes", "No"]), Question("How many?", [0, 1.0, 2])
    assert [yes_no.selected_options(said).argmax() for said in ("True", "0", "y")] == [0, 1, 0]
    assert numbers.options == ("0", "1", "2")
    assert numbers.selected_options("1.0").tolist() == [False, True, False]
    with pytest.raises(DataError, match=r"'tea\|milk' is not one of the options"):
        question.selected_options("tea|milk")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("None (of these)", True),
        ("Nothing of this", True),
        ("None at all", True),
        ("None apply", True),
        ("Neither of them.", True),
        ("Nothing fancy", False),
        ("Nonesuch", False),
    ],
)
def test_which_options_mean_none_of_the_others(name: str, expected: bool) -> None:
    found = Question("Which?", ["tea", "milk", name], "multiple").exclusive
    assert found == (name if expected else None)


@pytest.mark.parametrize("separator", ["\n", "\t", ", "])
def test_blank_characters_can_separate_choices(separator: str) -> None:
    question = Question("Which?", ["tea", "milk", "beer"], "multiple", separator=separator)
    assert question.selected_options(f"tea{separator}beer").tolist() == [True, False, True]
    with pytest.raises(DataError, match="`separator` is empty"):
        Question("Which?", ["tea", "milk"], "multiple", separator=" ")
