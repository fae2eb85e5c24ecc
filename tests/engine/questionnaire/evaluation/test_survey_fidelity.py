"""What is wrong with simulated respondents, against values computed by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "coverage"))
sys.path.insert(0, str(Path(__file__).parent))

from questionnaires import PERSONAS, town
from scale_and_kind import respondents, survey, value

from jupyter_mop import SurveyFit, fit_survey, survey_fidelity
from jupyter_mop.engine.questionnaire.associations import item_correlations
from jupyter_mop.engine.questionnaire.evaluation.simulated_respondents import (
    held_out_respondents,
    simulated_survey,
)
from jupyter_mop.engine.questionnaire.survey import MISSING
from jupyter_mop.errors import DataError


@pytest.fixture(scope="module")
def fit() -> SurveyFit:
    world = town()
    return fit_survey(world.people(400, seed=1), PERSONAS, world.backend)


def test_values_are_those_computed_by_hand() -> None:
    people = pd.DataFrame({"age": ["a"] * 40 + ["b"] * 40, "w": 1.0})
    people["often"] = ["never"] * 30 + ["always"] * 10 + ["never"] * 10 + ["always"] * 30
    people["kind"] = ["tea"] * 40 + ["milk"] * 40
    made = people.assign(often=["never"] * 40 + ["never"] * 20 + ["always"] * 20, kind="tea")
    found = survey_fidelity(survey(people), made)
    assert value(found, "dispersion", "often", "variance") == pytest.approx(0.75)  # .25 * .75 * 4
    assert value(found, "dispersion", "kind", "entropy") == pytest.approx(0, abs=1e-5)
    assert value(found, "dispersion", "all", "all") == pytest.approx(0.375, abs=1e-5)
    assert value(found, "modal share", "kind", "tea") == pytest.approx(0.5)
    assert value(found, "group gap", "often", "age") == pytest.approx(1.0)
    assert value(found, "group gap", "kind", "age") == pytest.approx(0, abs=1e-5)
    assert value(found, "item correlation", "often", "kind") == pytest.approx(0.5)
    assert value(found, "subgroup TV", "all", "age: a") == pytest.approx(0.125)  # (.25 + 0) / 2
    assert value(found, "subgroup TV", "all", "age: b") == pytest.approx(0.625)  # (.25 + 1) / 2
    assert "most age: b (0.62)" in found.verdict
    assert found.frame["times_floor"].is_monotonic_decreasing
    assert "vary too little" in found.verdict
    assert "favourite options are chosen too often" in found.verdict


def test_people_are_within_the_floor_of_people_and_weights_count() -> None:
    outside = []
    for seed in range(8):
        found = survey_fidelity(survey(respondents(seed)), respondents(seed + 50), weight="w")
        outside.append(found.frame["times_floor"] > 1)
    assert np.mean(np.concatenate(outside)) <= 0.08  # 5 % by chance
    people, other = respondents(0), respondents(1)
    double = other.assign(w=1.0).loc[other.index.repeat(1 + (other["age"] == "old"))]
    weighted = other.assign(w=1.0 + (other["age"] == "old"))
    of = [survey_fidelity(survey(people), made, weight="w") for made in (weighted, double)]
    keys = ("dispersion", "often", "variance")
    assert value(of[0], *keys) == pytest.approx(value(of[1], *keys), abs=0.2)
    assert value(of[0], *keys) != value(survey_fidelity(survey(people), other), *keys)


def test_a_fit_is_judged_on_people_it_has_not_seen(fit: SurveyFit) -> None:
    twins = held_out_respondents(fit)
    assert ((twins.codes == MISSING) == (fit.survey.codes == MISSING)).all()
    assert twins.contexts.equals(fit.survey.contexts)
    found = survey_fidelity(fit)
    assert found.is_held_out
    assert found.frame["times_floor"].gt(1).mean() < 0.15
    assert found.gain is not None
    assert 0 < found.gain[1] < found.gain[0]
    assert "Subgroups are nearer than with one persona for everyone" in found.verdict
    theirs = item_correlations(fit).set_index(["first", "second"])["people"]
    ours = found.frame[found.frame["measure"].eq("item correlation") & found.frame.question.ne(
        "all")].set_index(["question", "detail"])["people"]  # fmt: skip
    assert np.allclose(ours.sort_index(), theirs.sort_index())


def test_the_gain_over_respondents_without_personas(fit: SurveyFit) -> None:
    drawn = fit.draw(400)
    shuffled = drawn.assign(age=drawn["age"].sample(frac=1, random_state=0).to_numpy())
    found = survey_fidelity(fit.survey, drawn, without=shuffled)
    assert found.gain is not None
    assert found.gain[1] > 0
    assert survey_fidelity(fit.survey, drawn).gain is None
    assert "not held out" in found.verdict


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.drop(columns="kind"), "no column 'kind'"),
        (lambda d: d.drop(columns="age"), "no column 'age'"),
        (lambda d: d.head(5), "at least 20 simulated respondents, got 5"),
        (lambda d: d.assign(kind="beer"), "'beer' is not one of the options"),
        (lambda d: d.assign(w=-1.0), "'w' must contain numbers"),
    ],
)
def test_bad_simulated_respondents_get_one_sentence(change, words: str) -> None:
    with pytest.raises(DataError, match=words):
        simulated_survey(survey(respondents(0)), change(respondents(1)), weight="w")


def test_people_without_simulated_ones_or_too_few_are_refused() -> None:
    people = survey(respondents(0))
    with pytest.raises(DataError, match="no simulated respondents"):
        survey_fidelity(people)
    with pytest.raises(DataError, match="at least 32 respondents, got 30"):
        survey_fidelity(people.take(range(30)), respondents(1))
