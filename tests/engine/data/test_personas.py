from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.data.personas import Persona, normalised, persona_shares, read_personas
from jupyter_mop.errors import DataError

CRITIC = Persona("critic", "You review films.", 0.4)
FAN = Persona("fan", "You love films.")

LINES = "critic [0.4]: You review films.\n\n# a comment\nfan: You love films.\n"
YAML_LIST = """
- name: critic
  description: You review films.
  weight: 0.4
- name: fan
  description: You love films.
"""
YAML_MAPPING = """
critic:
  description: You review films.
  weight: 0.4
# a comment
fan:
  description: You love films.
"""
FRAME = pd.DataFrame(
    {
        "name": ["critic", "fan"],
        "description": ["You review films.", "You love films."],
        "weight": [0.4, np.nan],
    }
)


def refused(source: object, *words: str) -> None:
    with pytest.raises(DataError) as caught:
        read_personas(source)
    assert caught.value.hint
    for word in words:
        assert word in caught.value.message


@pytest.mark.parametrize(
    "source",
    [
        LINES,
        "    critic [0.4]: You review films.\n    fan: You love films.",
        YAML_LIST,
        YAML_MAPPING,
        FRAME,
        {"critic": {"description": "You review films.", "weight": "0.4"}, "fan": "You love films."},
        [CRITIC, FAN],
        (persona for persona in (CRITIC, {"name": "fan", "description": " You love films. "})),
    ],
    ids=["lines", "indented", "yaml list", "yaml map", "frame", "mapping", "list", "iterator"],
)
def test_every_form_gives_the_same_personas(source: object) -> None:
    assert read_personas(source) == [CRITIC, FAN]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.txt", LINES),
        ("p.yaml", YAML_LIST),
        ("p.yml", YAML_MAPPING),
        ("p.csv", FRAME.to_csv(index=False)),
    ],
)
def test_every_file_gives_the_same_personas(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert read_personas(path) == [CRITIC, FAN]


def test_a_plain_yaml_mapping_of_name_to_text() -> None:
    text = 'critic: "You review: films"\nfan: |\n  You love\n  films.'
    assert [p.description for p in read_personas(text)] == ["You review: films", "You love\nfilms."]


def test_a_description_can_contain_colon_bracket_and_hash() -> None:
    persona = read_personas("critic [0.4]: You say: no [never] {ever} # really")[0]
    assert persona == Persona("critic", "You say: no [never] {ever} # really", 0.4)


def test_names_can_contain_spaces_digits_and_any_script() -> None:
    names = ["film critic", "2nd fan", "зритель", "o'neill", "a-b"]
    text = "\n".join(f"{name} [0.1] : x" for name in names)
    assert [persona.name for persona in read_personas(text)] == names


def test_bullets_before_names_are_no_part_of_them() -> None:
    text = "* fan [0.4]: You love films.\n\u2022 critic: You judge * and **.\n*odd: x"
    personas = [(each.name, each.weight, each.description) for each in read_personas(text)]
    assert personas[0] == ("fan", 0.4, "You love films.")
    assert personas[1:] == [("critic", None, "You judge * and **."), ("*odd", None, "x")]


def test_whole_numbers_in_a_column_of_floats_are_names_without_a_point() -> None:
    frame = pd.DataFrame({"name": [1.0, 2.5], "description": ["x", "y"]})
    assert [persona.name for persona in read_personas(frame)] == ["1", "2.5"]


def test_a_frame_without_weights_and_with_other_columns() -> None:
    frame = FRAME.drop(columns="weight").assign(age=30)
    with pytest.warns(UserWarning, match="not used: age"):
        assert [persona.weight for persona in read_personas(frame)] == [None, None]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", ["no personas"]),
        ("# only a comment", ["no personas"]),
        ([], ["no personas"]),
        (FRAME.head(0), ["no personas"]),
        ("critic:", ["'critic'", "no description"]),
        ("critic [0.4]:   ", ["'critic'", "no description"]),
        ({"critic": None}, ["'critic'", "no description"]),
        (FRAME.assign(description=["x", np.nan]), ["'fan'", "no description"]),
        (FRAME.assign(name=["critic", np.nan]), ["needs a name"]),
        ("a: x\nb: y\na: z", ["unique", "'a'"]),
        ("a: x\na : z", ["unique", "'a'"]),
        ("cafe\u0301: x\ncaf\u00e9: z", ["unique", "café"]),
        ("a [-0.1]: x\nb: y", ["'a'", "zero or more"]),
        ("a [nan]: x\nb: y", ["'a'", "zero or more"]),
        ("a [inf]: x\nb: y", ["'a'", "zero or more"]),
        ("a [much]: x\nb: y", ["'a'", "must be a number"]),
        ("a [0]: x\nb [0.0]: y", ["sum to zero"]),
        ("a [0.8]: x\nb [0.7]: y\nc: z", ["1.5", "nothing for the others"]),
        ([{"name": "a", "description": "x", "weight": [1, 2]}], ["'a'", "must be a number"]),
        ("You review films for a living", ["needs a name"]),
        ("- just\n- texts", ["needs a name"]),
        ([{"description": "x"}], ["needs a name"]),
        (FRAME.rename(columns={"description": "text"}), ["columns name and description"]),
        (42, ["int"]),
        (Path("no/such/file.txt"), ["no personas file", "file.txt"]),
    ],
)
def test_invalid_personas_are_refused(source: object, words: list[str]) -> None:
    refused(source, *words)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00broken", b'name,description\n"a'])
@pytest.mark.parametrize("suffix", [".csv", ".txt"])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_an_invalid_weight_is_refused(weight: float) -> None:
    with pytest.raises(DataError, match="zero or more"):
        Persona("a", "x", weight)


@pytest.mark.parametrize(("name", "text"), [("", "x"), ("  ", "x"), ("a", ""), ("a", " \n")])
def test_a_persona_needs_a_name_and_a_description(name: str, text: str) -> None:
    with pytest.raises(DataError):
        Persona(name, text)


def test_personas_without_a_weight_share_the_rest() -> None:
    shares = persona_shares(read_personas("a [0.5]: x\nb: y\nc: z\nd [0]: w"))
    np.testing.assert_allclose(shares, [0.5, 0.25, 0.25, 0.0])


def test_complete_weights_are_normalised() -> None:
    np.testing.assert_allclose(persona_shares(read_personas("a [3]: x\nb [1]: y")), [0.75, 0.25])


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20).filter(lambda w: sum(w) > 1e-6))
def test_normalised_weights_sum_to_one(weights: list[float]) -> None:
    names = [f"p{i}" for i in range(len(weights))]
    assert normalised(weights, names).sum() == pytest.approx(1)


@pytest.mark.parametrize("bad", [[0.5, -0.1], [np.nan, 1], [0, 0]])
def test_invalid_weights_are_not_normalised(bad: list[float]) -> None:
    with pytest.raises(DataError):
        normalised(bad, ["a", "b"])


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(DataError):
        assert all(persona.description.strip() for persona in read_personas(text))


def test_persona_weights_that_overflow_are_refused() -> None:
    with pytest.raises(DataError, match="persona 'a' is too large to add up: 1e\\+308"):
        read_personas("a [1e308]: You say yes.\nb [1e308]: You say no.")
