from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.data.task_prompts import PERSONA_EXAMPLES
from jupyter_mop.engine.synthesis.persona_criteria import (
    MAX_RUN,
    clean_persona,
    copies_example,
    copies_record,
    is_persona,
    keyword_persona,
    longest_run,
    word_runs,
)

words = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h"]), max_size=15).map(
    " ".join
)


def slow_longest_run(first: str, second: str) -> int:
    """Return the length of the longest common run by dynamic programming."""
    a, b, best = first.split(), second.split(), 0
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else 0
            best = max(best, table[i + 1][j + 1])
    return best


@given(words, words)
def test_the_longest_run_is_the_longest_common_sequence_of_words(a: str, b: str) -> None:
    assert longest_run(a, [b]) == slow_longest_run(a, b)


@given(words, st.lists(words, max_size=3))
def test_a_long_run_or_a_whole_record_is_a_copy(text: str, records: list[str]) -> None:
    copied = copies_record(text, word_runs(records))
    long_run = longest_run(text, records) >= MAX_RUN
    whole = any(
        len(record.split()) >= 4 and f" {record} " in f" {text} "
        for record in records
        if len(record.split()) < MAX_RUN
    )
    assert copied == (long_run or whole)


def test_a_short_record_is_copied_as_a_whole_only() -> None:
    known = word_runs(["A pleasant romantic comedy.", "Dull!"])
    assert copies_record("You call it a pleasant romantic comedy.", known)
    assert not copies_record("You find a pleasant romantic film dull.", known)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("You like tea. You are calm. You are old.", "You like tea. You are calm."),
        ("You like tea. You are cal", "You like tea."),
        ("You like", ""),
        ('"You like\n\n tea!"', "You like tea!"),
        ("You paid 3.50 for tea. Yes.", "You paid 3.50 for tea. Yes."),
        ("", ""),
    ],
)
def test_an_answer_is_cut_to_two_whole_sentences(answer: str, expected: str) -> None:
    assert clean_persona(answer) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "You like tea.",
        "They write about tea, and they are calm.",
        "You are serious, serious, serious, serious, serious, serious.",
        "You are a little sad and you smile. You are a little sad and happy.",
        "You write about " + " ".join(f"w{i}" for i in range(50)) + ".",
    ],
)
def test_invalid_personas(text: str) -> None:
    assert not is_persona(text)


def test_the_examples_of_the_prompt_are_valid() -> None:
    for group, answer in PERSONA_EXAMPLES:
        assert is_persona(answer)
        assert clean_persona(answer) == answer
        assert not copies_record(answer, word_runs(group.texts))
        assert copies_example(answer)


@given(st.lists(st.sampled_from(["tea", "milk", "sun"]), max_size=5))
def test_a_keyword_persona_is_in_the_second_person(found: list[str]) -> None:
    text = keyword_persona(found)
    assert text.startswith("You ")
    assert text.endswith(".")
    assert all(word in text for word in found)
