from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.survey.reading.stated_shares import read_stated_shares

DRINKS = ["tea", "iced tea", "milk"]
SHARES = [0.6, 0.3, 0.1]


@pytest.mark.parametrize(
    "reply",
    [
        "tea: 60%\niced tea: 30%\nmilk: 10%",
        "- **Tea**: 60 %\n- **Iced tea**: 30 %\n- **Milk**: 10 %",
        "Milk: 10%, iced tea: 30%, and tea: 60%.",
        '{"tea": 60, "iced tea": 30, "milk": 10}',
        '```json\n{"tea": 0.6, "iced tea": 0.3, "milk": 0.1}\n```',
        "| tea | 60% |\n| iced tea | 30% |\n| milk | 10% |",
        "60% tea, 30% iced tea, 10% milk",
        "I think 60 percent of people tea\n30 percent iced tea\n10 percent milk",
        "tea (60,0%); iced tea (30,0%); milk (10,0%)",
        "1. tea - 60\n2. iced tea - 30\n3. milk - 10",
        "tea: 57%\niced tea: 28.5%\nmilk: 9.5%",
        "tea: 60%\ntea: 60%\niced tea: 30%\nmilk: 10%",
    ],
)
def test_shares_are_read_in_the_forms_that_models_write(reply: str) -> None:
    np.testing.assert_allclose(read_stated_shares(reply, DRINKS), SHARES)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Most people would have tea.",
        "tea: 60%\niced tea: 20%",
        "tea: 90%\niced tea: 90%\nmilk: 90%",
        "tea: 60%\niced tea: 30%\nmilk: 10%\nOr rather tea: 50%",
        "tea: lots\niced tea: some\nmilk: none",
        "coffee: 60%\nwine: 40%",
        "tea: 0%\niced tea: 0%\nmilk: 0%",
    ],
)
def test_what_states_no_distribution_is_not_read(reply: str) -> None:
    assert read_stated_shares(reply, DRINKS) is None


@pytest.mark.parametrize(
    ("options", "reply"),
    [
        (["1", "2", "10"], "1: 60%\n2: 30%\n10: 10%"),
        (["1", "2", "10"], "1: 60, 2: 30, 10: 10"),
        (["-1", "0", "1"], "-1: 60%\n0: 30%\n1: 10%"),
        (["18-24", "25-64", "65+"], "18\u201324: 60%\n25\u201364: 30%\n65+: 10%"),
        (["Yes", "No", "Don't know"], "yes: 60%\nno: 30%\ndon\u2019t know: 10%"),
        (["同意", "不同意", "不知道"], "同意:60%\n不同意:30%\n不知道:10%"),
        (["(a)", "<b>", "c.*"], "(a): 60%\n<b>: 30%\nc.*: 10%"),
    ],
)
def test_numbers_marks_and_other_scripts_are_options_too(options, reply) -> None:
    np.testing.assert_allclose(read_stated_shares(reply, options), SHARES)


def test_an_option_that_is_not_mentioned_has_no_share() -> None:
    found = read_stated_shares("tea: 70%\nmilk: 30%", DRINKS)
    np.testing.assert_allclose(found, [0.7, 0, 0.3])


@given(counts=st.lists(st.integers(0, 100), min_size=3, max_size=3).filter(any))
def test_what_was_written_is_read(counts: list[int]) -> None:
    shares = np.array(counts) / sum(counts)
    reply = "\n".join(f"{d}: {100 * s:.2f}%" for d, s in zip(DRINKS, shares, strict=True))
    np.testing.assert_allclose(read_stated_shares(reply, DRINKS), shares, atol=2e-4)


@given(reply=st.text(max_size=80))
def test_any_reply_is_read_or_refused(reply: str) -> None:
    found = read_stated_shares(reply, DRINKS)
    assert found is None or found.sum() == pytest.approx(1)
