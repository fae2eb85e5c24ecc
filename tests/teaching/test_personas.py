"""Exercise 3 on the real synthesis: the missing persona, the number of personas, better ones."""

from __future__ import annotations

import pandas as pd
import pytest

from jupyter_mop.teaching import canteen_study, check
from jupyter_mop.teaching.canteen import PERSONAS


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_MOP_STORE", str(tmp_path_factory.mktemp("made") / "store.sqlite"))
        study = canteen_study()
        yield study, study.synthesize(4)


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        ("Vegan ", "right", "vegan, local and organic"),
        ("green", "right", "These guests are few"),
        ("queue", "not yet", "There is a persona with 'queue'"),
        ("soup", "not yet", "does not belong to one kind"),
    ],
)
def test_missing(made, answer, state, words):
    verdict = check("3.1", answer, made=made[1])
    assert verdict.state == state
    assert words in verdict.text


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (4, "right", "although 8 has a slightly higher likelihood"),
        (8, "not yet", "4 is smaller"),
        (2, "not yet", "2 is 0.50 nats below the best (8)"),
        (5, "not yet", "5 was not tried; the table has 2, 4 and 8"),
        ("four", "not yet", "cannot be read"),
    ],
)
def test_how_many(answer, state, words):
    rows = {"k": [2, 4, 8], "log_lik": [-3.0, -2.6, -2.5], "standard_error": [0.1, 0.2, 0.0]}
    verdict = check("3.2", answer, ladder=pd.DataFrame(rows))
    assert verdict.state == state
    assert words in verdict.text


def test_better_personas_are_judged_by_held_out_cards(made):
    study, synthesis = made
    verdict = check("3.3", PERSONAS, study=study, made=synthesis)
    assert verdict.is_right
    assert "the synthesized ones" in verdict.text
    without = "\n".join(line for line in PERSONAS.splitlines() if "vegan" not in line)
    assert "missing from your population" in check("3.3", without, study=study, made=synthesis).text
