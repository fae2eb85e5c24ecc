"""Which text lists questions with their options, and how wrapped lines are joined."""

from __future__ import annotations

import pytest

from jupyter_mop.engine.questionnaire.reading.question_lines import (
    lists_questions,
    read_questions,
)
from jupyter_mop.errors import DataError

TWO = "vote: Whom? | Clinton | Dole\nself [scale]: You? | left | right"
YAML = "tea:\n  text: Tea?\n  options: [never, often]\nmilk: {text: Milk, options: [a, b]}"


@pytest.mark.parametrize("text", [TWO, YAML, "vote: Whom? | Clinton | Dole", f"# two\n\n{TWO}"])
def test_a_text_of_questions(text: str) -> None:
    assert lists_questions(text)
    assert lists_questions(text, has_options=True)


@pytest.mark.parametrize(
    "text",
    [
        "Whom will you vote for?",
        "vote: Whom?",
        "Read this.\n  text: {text}\nIs it good?",
        "Review:\n  text: {text}",
        "",
    ],
)
def test_a_text_that_is_one_question(text: str) -> None:
    assert not lists_questions(text)


@pytest.mark.parametrize(
    "text",
    [
        "vote: Whom? | Clinton | Dole\n  | Perot",
        "vote: Whom? | Clinton |\nDole | Perot",
        "vote: Whom? | Clinton | Dole |\n  Perot",
        "vote:\n  Whom? | Clinton | Dole | Perot",
        "vote:\nWhom?\n| Clinton | Dole | Perot",
        "  vote: Whom?\n  | Clinton | Dole | Perot",
    ],
)
def test_wrapped_lines_are_joined(text: str) -> None:
    assert lists_questions(text)
    found = read_questions(f"{text}\nself: You? | left | right")
    assert list(found) == ["vote", "self"]
    assert found["vote"].text == "Whom?"
    assert found["vote"].options == ("Clinton", "Dole", "Perot")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{TWO}\nage: How old?", "age: How old?"),
        (f"{TWO}\nage: How old? | old", "age: How old? | old"),
        (f"Good morning.\n{TWO}", "Good morning."),
        (f"{TWO}\nThank you.", "Thank you."),
    ],
)
def test_half_a_list_is_one_sentence(text: str, line: str) -> None:
    with pytest.raises(
        DataError, match="no question with a name and at least two options"
    ) as caught:
        lists_questions(text)
    assert repr(line) in caught.value.message
    assert "--options" in caught.value.hint
    assert not lists_questions(text, has_options=True)


def test_one_line_with_several_words_before_its_colon_may_be_either() -> None:
    text = "Dear voter: whom? | Clinton | Dole"
    with pytest.raises(DataError, match="Cannot tell whether 'Dear voter'"):
        lists_questions(text)
    assert not lists_questions(text, has_options=True)
    assert lists_questions("my vote [single]: Whom? | Clinton | Dole")
    assert lists_questions(f"my vote: Whom? | Clinton | Dole\n{TWO}")


def test_yaml_with_a_mistake_is_no_single_question() -> None:
    text = "tea:\n  text: Tea?\n  options: [never, often"
    assert lists_questions(text)
    with pytest.raises(DataError, match="is not a question"):
        read_questions(text)


def test_an_indented_question_is_a_question_of_its_own() -> None:
    assert list(read_questions("a: x | y | z\n  b: x | y | z")) == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "q1:1 or 2? | 1 | 2",
        "tea: Tea? | never",
        "Tea? | never | often",
        "At 10:30 | at noon | later: when?",
    ],
)
def test_a_line_with_a_separator_that_is_no_question_is_an_error(text: str) -> None:
    with pytest.raises(DataError, match="no question with a name and at least two options"):
        lists_questions(text)
    assert not lists_questions(text, has_options=True)


def test_yaml_values_stay_the_texts_that_were_written() -> None:
    text = """
no:
  text: 2024
  options: [yes, no, 1.0, 010, null]
again:
  text: Which?
  options: &list [1, 2, 3]
  kind: multiple
  exclusive: 3
more:
  text: More?
  options: *list
  last: [3]
"""
    found = read_questions(text)
    assert list(found) == ["no", "again", "more"]
    assert found["no"].text == "2024"
    assert found["no"].options == ("yes", "no", "1.0", "010", "null")
    assert found["again"].exclusive == "3"
    assert found["more"].last == ("3",)


def test_yaml_merges_what_questions_share() -> None:
    text = "a: &a\n  text: A?\n  options: [x, y]\n  kind: scale\nb:\n  <<: *a\n  text: B?"
    assert read_questions(text)["b"].kind == "scale"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("text: [a]\n  options: [x, y]", "`text` of the question 'q' must be a text"),
        ("text: T?\n  options: x|y", "`options` of the question 'q' must be a list"),
        ("text: T?\n  options:", "`options` of the question 'q' must be a list"),
        ("text: T?\n  options: {1: x, 2: y}", "`options` of the question 'q' must be a list"),
        ("text: T?\n  options: [x, [y]]", "`options` of the question 'q' must be a list"),
        ("text: T?\n  options: [x, y]\n  last: y", "`last` of the question 'q' must be a list"),
    ],
)
def test_yaml_values_of_another_kind_are_named(line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_questions(f"q:\n  {line}")


@pytest.mark.parametrize("text", ["q: T? | x | X", "q:\n  text: T?\n  options: [x, X]"])
def test_a_question_with_a_mistake_is_named(text: str) -> None:
    with pytest.raises(DataError, match=r"Question 'q': The option .* occurs twice"):
        read_questions(f"{TWO}\n{text}" if "|" in text else text)
