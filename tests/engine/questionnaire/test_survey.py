"""Surveys from data frames and texts: options, missing answers, weights, and bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jupyter_mop import Question
from jupyter_mop.engine.questionnaire.reading.question_lines import read_questions
from jupyter_mop.engine.questionnaire.survey import MISSING, Survey
from jupyter_mop.errors import DataError

SCALE = pd.CategoricalDtype(["low", "mid", "high"], ordered=True)


@pytest.fixture
def df() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "vote": ["Dole", "CLINTON ", None, "Refused", "Clinton", "Clinton"],
            "trust": pd.Categorical(["low", "high", "high", None, "mid", "low"], dtype=SCALE),
            "age": [30.0, 51.0, 51.0, 30.0, 30.0, 51.0],
            "w": [1.0, 2.0, 1.0, 1.0, 2.0, 1.0],
            "who": list("abcdef"),
        }
    )


def test_options_missing_answers_and_weights_are_read(df: pd.DataFrame) -> None:
    survey = Survey.from_frame(
        df, ["vote", "trust"], context="age", weight="w", id="who", missing="Refused|Don't know"
    )
    assert survey.questions["vote"].options == ("Clinton", "Dole")
    assert survey.questions["trust"].kind == "scale"
    assert survey.codes.tolist() == [
        [1, 0], [0, 2], [MISSING, 2], [MISSING, MISSING], [0, 1], [0, 0]
    ]  # fmt: skip
    assert survey.set_aside == {"vote": {"Refused": 1}}
    assert survey.contexts["age"].tolist() == ["30", "51", "51", "30", "30", "51"]
    assert survey.contexts.index.tolist() == list("abcdef")
    assert survey.weights.mean() == pytest.approx(1)
    assert survey.shares("vote").tolist() == pytest.approx([5 / 6, 1 / 6])
    assert survey.n_missing == 3
    assert survey.summary()["missing"].tolist() == [2, 1]
    assert "Refused 1" in survey.summary()["note"][0]


def test_a_frame_gives_the_answers_back(df: pd.DataFrame) -> None:
    survey = Survey.from_frame(df, ["vote", "trust"], missing="Refused")
    frame = survey.frame()
    assert frame["vote"].tolist()[:2] == ["Dole", "Clinton"]
    assert frame["trust"].cat.ordered
    assert len(survey.take([1, 2])) == 2
    assert survey.without("vote").names == ["trust"]


def test_a_question_may_be_called_self(df: pd.DataFrame) -> None:
    survey = Survey.from_frame(df.rename(columns={"trust": "self"}), ["self"], context="age")
    assert survey.frame()["self"].tolist()[:2] == ["low", "high"]


def test_an_option_that_nobody_chose_stays_and_is_noted(df: pd.DataFrame) -> None:
    question = Question("Whom?", ["Clinton", "Dole", "Perot"])
    survey = Survey.from_frame(df, {"vote": question}, missing="Refused")
    assert survey.questions["vote"].options == ("Clinton", "Dole", "Perot")
    assert survey.summary()["note"][0].endswith("nobody chose Perot")


def test_a_multiple_choice_is_a_yes_no_question_for_each_option() -> None:
    df = pd.DataFrame({"drinks": ["tea|milk", "tea", "", "none of these"]})
    question = Question("Which?", ["tea", "milk", "none of these"], "multiple")
    survey = Survey.from_frame(df, {"drinks": question})
    assert survey.names == ["drinks: tea", "drinks: milk", "drinks: none of these"]
    assert survey.codes.tolist() == [[0, 0, 1], [0, 1, 1], [MISSING] * 3, [1, 1, 0]]


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({"vote": "Dole"}, {}, "All 6 answers to the question 'vote' are 'Dole'."),
        ({"vote": None}, {}, "The question 'vote' has no answers."),
        (
            {"w": -1.0},
            {"weight": "w"},
            "The weight column 'w' must contain numbers of zero or more",
        ),
        ({"age": None}, {"context": "age"}, "The context column 'age' is empty for 6 of 6"),
        ({}, {"context": "agee"}, "There is no column 'agee' in the survey."),
        ({}, {"context": "vote"}, "The column 'vote' is named more than once"),
        ({"who": "a"}, {"id": "who"}, "The id 'a' in the column 'who' occurs more than once."),
        ({"vote": list("abcdef")}, {"missing": {"x": "y"}}, "`missing` names 'x', which is not"),
    ],
)
def test_bad_input_is_one_sentence(
    df: pd.DataFrame, change: dict[str, object], arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        Survey.from_frame(df.assign(**change), ["vote", "trust"], **arguments)
    assert caught.value.message.startswith(message)
    assert caught.value.hint


def test_answers_that_are_no_options_and_long_lists_are_refused(df: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"Question 'vote': 1 of 5 real answers are none of"):
        Survey.from_frame(df, {"vote": Question("Whom?", ["Clinton", "Dole"])})
    many = pd.DataFrame({"n": np.arange(40)})
    with pytest.raises(DataError, match=r"has 40 different answers, such as '0', '1', '2'"):
        Survey.from_frame(many, ["n"])
    with pytest.raises(DataError, match="no respondents"):
        Survey.from_frame(df.iloc[:0], ["vote"])
    with pytest.raises(DataError, match="more than once"):
        Survey.from_frame(df, ["vote", "vote"])
    with pytest.raises(DataError, match="no question 'votes'"):
        Survey.from_frame(df, ["vote"]).place("votes")


def test_questions_are_read_from_lines_and_yaml() -> None:
    found = read_questions(
        "# two\nvote: Whom: now? | Dole | Perot\n\nage-2 [scale]: {age}? | 1 | 2\n"
    )
    assert found["vote"].text == "Whom: now?"
    assert found["age-2"].kind == "scale"
    assert found["age-2"].columns == {"age"}
    yaml = (
        "tea:\n  text: Tea?\n  options: [never, often]\n  kind: scale\n"
        "milk: {text: Milk, options: [a, b]}"
    )
    assert [q.kind for q in read_questions(yaml).values()] == ["scale", "single"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "There are no questions."),
        ("a: b | c | d\na: e | f | g", "Two questions are named 'a'."),
        ("a:\n  text: x\n  options: [b, c]\na:\n  text: x\n  options: [b, c]", "Two questions"),
        ("vote Whom | Dole | Perot", "The line 'vote Whom | Dole | Perot' is not a question."),
        ("just words", "The line 'just words' is not a question."),
        ("a: {text: x}", "The question 'a' needs a text and options."),
        ("a: {text: x, options: [b, c], size: 3}", "The question 'a' has an unknown entry 'size'."),
        ("a: x | b", "Question 'a': A closed question needs at least two options, got 1."),
    ],
)
def test_questions_that_cannot_be_read_are_one_sentence(text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_questions(text)
    assert caught.value.message.startswith(message)
