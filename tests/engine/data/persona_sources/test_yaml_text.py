from __future__ import annotations

import pytest

from jupyter_mop.engine.data.personas import Persona, read_personas
from jupyter_mop.errors import DataError


def test_names_and_weights_in_yaml_stay_as_written() -> None:
    text = "NO:\n  description: You say no.\n  weight: 0.25\n2024: You vote.\n"
    assert read_personas(text) == [Persona("NO", "You say no.", 0.25), Persona("2024", "You vote.")]


def test_a_weight_behind_a_name_counts_in_yaml_and_in_a_mapping() -> None:
    expected = [Persona("critic", "You review films.", 0.8), Persona("fan", "x")]
    assert read_personas("---\ncritic [0.8]: You review\n  films.\nfan: x") == expected
    assert read_personas({"critic [0.8]": "You review films.", "fan": "x"}) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("---\na: x\na: y", ["'a'", "more than once", "line 3"]),
        ("- name: a\n  description: You post #MeToo stories", ["'#MeToo stories'", "line 2"]),
        ("- name: a\n  description: x: y", ["not valid YAML", "line 2"]),
        ("- name: a\n  description: [x, y]", ["must be a text"]),
        ("---\na: x\n---\nb: y", ["not valid YAML"]),
        ("---\njust text", ["'just text'"]),
    ],
)
def test_yaml_that_would_lose_a_part_is_refused(text: str, words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        read_personas(text)
    assert caught.value.hint
    for word in words:
        assert word in caught.value.message


def test_a_comment_in_yaml_is_a_comment_and_a_quoted_hash_is_text() -> None:
    text = '- name: a # the first\n  description: "You post #MeToo stories"'
    assert read_personas(text) == [Persona("a", "You post #MeToo stories")]


@pytest.mark.parametrize("text", ["- name: a\n  description: x\n  wieght: 0.4",
                                  "a:\n  description: x\n  wieght: 0.4"])  # fmt: skip
def test_an_unknown_key_is_reported(text: str) -> None:
    with pytest.warns(UserWarning, match="not used: wieght"):
        assert read_personas(text) == [Persona("a", "x")]
