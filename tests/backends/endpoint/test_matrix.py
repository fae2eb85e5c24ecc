"""The matrix of `make endpoints` in small: it finds what is wrong, and the page has all of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from endpoint_matrix import RIGHT, SENTENCE, VERBS, cells, short_waits
from personalities import PERSONALITIES, Personality, refusal

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "which-endpoint.md"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with short_waits():
        yield


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("thinks unseen, own temperature", RIGHT), ("no balance", SENTENCE)],
)
def test_a_server_is_met_with_every_verb(name, outcome):
    found = cells(name)
    assert found.pop("embed") == SENTENCE
    assert found == dict.fromkeys(list(VERBS)[:4] + list(VERBS)[5:], outcome)


def test_a_wrong_answer_is_found(monkeypatch):
    silent = Personality(lambda _: refusal("Something else", 402), "nowhere", "no words like these")
    monkeypatch.setitem(PERSONALITIES, "silent", silent)
    assert all(outcome.startswith("WRONG") for verb, outcome in cells("silent").items())


def test_the_page_has_a_row_for_each_personality():
    matrix = PAGE.read_text(encoding="utf-8").partition("<!-- matrix -->\n")[2]
    rows = [line.split(" | ") for line in matrix.splitlines() if line.startswith("| ")]
    assert [row[0].removeprefix("| ") for row in rows[2:]] == list(PERSONALITIES)
    assert {cell.removesuffix(" |") for row in rows[2:] for cell in row[2:]} == {RIGHT, SENTENCE}
