from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.data.persona_sources.voices import (
    MAX_LENGTH,
    MAX_WORDS,
    is_quoted,
    quotation,
    quoted_texts,
    voice,
)
from jupyter_mop.engine.data.personas import Persona, read_personas


@given(st.lists(st.text().filter(str.strip), min_size=1, max_size=3))
def test_what_a_voice_quotes_is_read_back(texts: list[str]) -> None:
    if any("You write like this:" in text for text in texts):
        return
    expected = [quotation(text) for text in texts]
    assert quoted_texts(voice(texts)) == expected
    assert quoted_texts(f"You are calm.\n{voice(texts)}") == expected
    assert read_personas([Persona("a", voice(texts))])[0].description == voice(texts)


@given(st.text())
def test_a_quotation_is_short_and_is_the_beginning_of_the_text(text: str) -> None:
    quoted = quotation(text)
    assert len(quoted.split()) <= MAX_WORDS
    assert len(quoted) <= MAX_LENGTH
    assert " ".join(text.split()).startswith(quoted)
    assert quotation(quoted) == quoted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one " * 60, " ".join(["one"] * MAX_WORDS)),
        ("It is good. " + "one " * 60, "It is good."),
        ("It is 3.5 km away and " + "one " * 36 + "more words.", None),
        ("a" * 900, "a" * MAX_LENGTH),
        ("\u4eba" * 400, "\u4eba" * MAX_LENGTH),
        ("  a\n\tb \u2028 c ", "a b c"),
    ],
)
def test_long_texts_end_with_a_sentence_or_a_word(text: str, expected: str | None) -> None:
    assert quotation(text) == (" ".join(text.split()[:MAX_WORDS]) if expected is None else expected)


def test_a_quoted_record_is_found_unless_others_wrote_the_same() -> None:
    long = "It is good. " + "one " * 60
    voices = [voice(["Slow.", long]), "You are calm.", f"You are calm.\n{voice(['Loud!'])}"]
    assert is_quoted(["Slow.", "slow", long, "Loud!", "Calm."], voices) == [1, 0, 1, 1, 0]
    assert is_quoted(["Slow.", "Slow.", "Loud!"], voices) == [0, 0, 1]
    assert is_quoted(["You are calm."], voices) == [0]
