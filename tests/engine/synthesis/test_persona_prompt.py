from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.synthesis.persona_prompt import (
    EXAMPLES,
    MOST_COPIED,
    Shown,
    cleaned,
    copies,
    echoes_example,
    is_persona,
    longest_run,
    of_keywords,
    prompt,
    runs,
)

words = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h"]), max_size=15).map(
    " ".join
)


def slow_longest_run(first: str, second: str) -> int:
    """Return the longest common run by dynamic programming, another way."""
    a, b, best = first.split(), second.split(), 0
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else 0
            best = max(best, table[i + 1][j + 1])
    return best


@given(words, words)
def test_the_longest_run_is_the_longest_common_substring_of_words(a: str, b: str) -> None:
    assert longest_run(a, [b]) == slow_longest_run(a, b)


@given(words, st.lists(words, max_size=3))
def test_what_has_a_long_run_is_a_copy(text: str, records: list[str]) -> None:
    copied = copies(text, runs(records))
    long_run = longest_run(text, records) >= MOST_COPIED
    whole = any(
        len(record.split()) >= 4 and f" {record} " in f" {text} "
        for record in records
        if len(record.split()) < MOST_COPIED
    )
    assert copied == (long_run or whole)


def test_a_short_record_quoted_whole_is_a_copy_but_a_word_is_not() -> None:
    known = runs(["A pleasant romantic comedy.", "Dull!"])
    assert copies("You call it a pleasant romantic comedy.", known)
    assert not copies("You find a pleasant romantic film dull.", known)


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
    assert cleaned(answer) == expected


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
def test_what_is_no_persona(text: str) -> None:
    assert not is_persona(text)


def test_the_examples_are_what_is_asked_for() -> None:
    for shown, answer in EXAMPLES:
        assert is_persona(answer)
        assert cleaned(answer) == answer
        assert not copies(answer, runs(shown.texts))
        assert echoes_example(answer)


def test_the_prompt_holds_words_and_texts_of_the_group_last() -> None:
    made = prompt(Shown(["tea"], ["Hot\ntea", "x" * 500]), [3, 0])
    roles = [message.role for message in made.messages]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert made.messages[2].content == EXAMPLES[3][1]
    asked = made.messages[-1].content
    assert asked.startswith("Frequent words: tea.\nTexts:\n- Hot tea\n- xxx")
    assert len(asked) < 250


@given(st.lists(st.sampled_from(["tea", "milk", "sun"]), max_size=5))
def test_keywords_make_a_sentence_in_the_second_person(found: list[str]) -> None:
    text = of_keywords(found)
    assert text.startswith("You ")
    assert text.endswith(".")
    assert all(word in text for word in found)
