from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.data.personas import Persona, read_personas
from jupyter_mop.errors import DataError


def refused(text: str, *words: str) -> None:
    with pytest.raises(DataError) as caught:
        read_personas(text)
    assert caught.value.hint
    for word in words:
        assert word in caught.value.message


@pytest.mark.parametrize("wrapped", ["films for\na living", "films for\n   a living"])
def test_a_wrapped_line_continues_the_one_above_and_weights_stay(wrapped: str) -> None:
    personas = read_personas(f"critic [0.8]: You review {wrapped}\nand are hard.\nfan: You love.")
    assert personas == [
        Persona("critic", "You review films for a living and are hard.", 0.8),
        Persona("fan", "You love."),
    ]


def test_an_indented_line_with_a_colon_continues_the_one_above() -> None:
    personas = read_personas("critic [0.8]: You review films.\n  You say: no.\nfan: You love.")
    assert [p.description for p in personas] == ["You review films. You say: no.", "You love."]


def test_a_text_below_its_name_is_the_description() -> None:
    assert read_personas("critic [0.8]:\n  You review films.\nfan: x")[0] == Persona(
        "critic", "You review films.", 0.8
    )


def test_a_wrapped_line_that_begins_as_a_key_makes_no_yaml() -> None:
    text = "critic [0.8]: You keep an eye on your\n  weight: it matters.\nfan: x"
    assert [p.weight for p in read_personas(text)] == [0.8, None]


def test_times_and_addresses_are_no_names() -> None:
    text = "early: You come\nat 10:30 and read\nhttps://example.org each day."
    assert read_personas(text) == [
        Persona("early", "You come at 10:30 and read https://example.org each day.")
    ]


def test_a_hash_in_a_line_is_text() -> None:
    text = "fan: You post #MeToo and\n#film stories # daily\ncritic: x"
    assert read_personas(text)[0].description == "You post #MeToo and #film stories # daily"


def test_a_name_can_begin_with_a_hash_and_a_comment_has_a_space() -> None:
    text = "# a comment\n#1 fan: You love one film.\n   # another\n#\ncritic: x"
    assert [p.name for p in read_personas(text)] == ["#1 fan", "critic"]


@pytest.mark.parametrize("name", ["NO", "yes", "2024", "1e3", "null"])
def test_a_name_is_a_text_though_yaml_has_another_meaning(name: str) -> None:
    assert read_personas(f"{name}: You answer\nso.\nb: x")[0].name == name


def test_a_repeated_name_is_refused_in_wrapped_lines() -> None:
    refused("a: You are\nwrapped\nb: x\na: y", "'a'", "more than once")


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    assert read_personas("\ufeffcritic: x")[0].name == "critic"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("critic: x\n    fan: y", ["'fan: y'", "continues 'critic'"]),
        ("critic: x\nfan [0.4] You love films.", ["'fan [0.4] You love films.'"]),
        ("critic: x\nfan [old] [0.4]: You love films.", ["continues 'critic'"]),
        ("critic: x\n{fan}: You love films.", ["continues 'critic'"]),
    ],
)
def test_a_line_that_can_be_read_in_two_ways_is_refused(text: str, words: list[str]) -> None:
    refused(text, *words)


def test_text_without_a_name_is_refused() -> None:
    refused("You review films\nand say: no", "'You review films'")


def test_one_persona_written_by_its_keys_is_one_persona() -> None:
    text = "name: critic\ndescription: You review films.\nweight: 0.4"
    assert read_personas(text) == [Persona("critic", "You review films.", 0.4)]


def test_json_text_is_read() -> None:
    text = '[{"name": "critic", "description": "You review films.", "weight": 0.4}]'
    assert read_personas(text) == [Persona("critic", "You review films.", 0.4)]
    assert read_personas('{"critic": "x", "fan": "y"}') == [
        Persona("critic", "x"),
        Persona("fan", "y"),
    ]


@given(st.text("ab #:\n ", max_size=40))
def test_no_character_of_a_line_is_lost(text: str) -> None:
    with contextlib.suppress(DataError):
        read = read_personas(f"critic: x\n{text}\nfan: y")
        lines = [line.strip() for line in text.splitlines()]
        kept = "".join(line for line in lines if not re.match(r"#(\s|#|$)", line))
        found = "".join(f"{persona.name}{persona.description}" for persona in read)
        plain = re.compile(r"[\s:]")
        assert plain.sub("", found) == plain.sub("", f"criticx{kept}fany")
