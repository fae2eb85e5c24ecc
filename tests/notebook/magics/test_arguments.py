from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.errors import DataError
from jupyter_mop.notebook.magics import arguments


def test_a_frame_is_found_by_its_name(shell: InteractiveShell, frame: pd.DataFrame) -> None:
    assert arguments.frame(shell, "df") is frame


@pytest.mark.parametrize(
    ("name", "word"), [("dff", "no such variable"), ("text", "it is a str"), ("nothing", "no such")]
)
def test_a_variable_that_is_no_frame_is_refused(
    shell: InteractiveShell, name: str, word: str
) -> None:
    shell.user_ns.update(text="topic,text", nothing=None)
    with pytest.raises(DataError, match=word) as caught:
        arguments.frame(shell, name)
    assert repr(name) in caught.value.message
    assert "read_csv" in caught.value.hint


def test_personas_are_read_from_a_variable_or_a_path(shell: InteractiveShell) -> None:
    shell.user_ns["people"] = {"a": "x"}
    assert arguments.variable_or_path(shell, "people") == {"a": "x"}
    assert arguments.variable_or_path(shell, "people.yaml") == Path("people.yaml")
    assert arguments.variable_or_path(shell, "'my people.yaml'") == Path("my people.yaml")
    assert arguments.variable_or_path(shell, "~/p.txt") == Path.home() / "p.txt"
    with pytest.raises(DataError, match="no personas"):
        arguments.variable_or_path(shell, None)


@pytest.mark.parametrize("text", ["uniform", "learned", "stated", "panel", "'uniform'", '"panel"'])
def test_weights_by_word(shell: InteractiveShell, text: str) -> None:
    assert arguments.weights(shell, text) == text.strip("'\"")


def test_no_weights_is_none(shell: InteractiveShell) -> None:
    assert arguments.weights(shell, None) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=0.4", {"a": 0.4}),
        ("a=0.4,b=.6", {"a": 0.4, "b": 0.6}),
        ("'film critic = 0.4, b = 1e-1'", {"film critic": 0.4, "b": 0.1}),
        ("a=1,", {"a": 1.0}),
        ("a=b=0.4", {"a=b": 0.4}),
    ],
)
def test_weights_by_name(shell: InteractiveShell, text: str, expected: dict[str, float]) -> None:
    assert arguments.weights(shell, text) == expected


def test_weights_in_a_variable(shell: InteractiveShell) -> None:
    shell.user_ns["mine"] = {"a": 0.4}
    assert arguments.weights(shell, "mine") == {"a": 0.4}


@pytest.mark.parametrize(
    ("text", "words"),
    [("best", ["'best'", "uniform"]), ("df", ["'df'"]), ("a=much", ["'a'", "'much'"]),
     ("a=0.4,b", ["'b'"]), ("a=", ["'a'"])],
)  # fmt: skip
def test_invalid_weights_are_refused_with_a_reason(
    shell: InteractiveShell, text: str, words: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        arguments.weights(shell, text)
    assert caught.value.hint
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "plain"),
    [("a", "a"), ("'a b'", "a b"), ('"a"', "a"), ("'a\"", "'a\""), ("'", "'"), ("", "")],
)  # fmt: skip
def test_matching_quotes_are_removed(text: str, plain: str) -> None:
    assert arguments.unquoted(text) == plain


def test_the_table_of_personas_shows_their_shares() -> None:
    frame = arguments.personas_frame(read_personas("a [0.4]: x\nb: y\nc: z"))
    assert list(frame) == ["name", "description", "weight"]
    assert frame["weight"].tolist() == [0.4, 0.3, 0.3]
