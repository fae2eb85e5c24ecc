"""The latent class model of a survey, against the known truth of the toy town."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "coverage"))

from questionnaires import AGES, ITEMS, PERSONAS, Town, imputed, recovered, town
from scipy.optimize import approx_fprime

from jupyter_mop import Question, ToyBackend
from jupyter_mop.engine.questionnaire.associations import item_correlations, two_way
from jupyter_mop.engine.questionnaire.imputation_report import imputation_report
from jupyter_mop.engine.questionnaire.latent_classes import (
    Strengths,
    _Objective,
    first_parameters,
)
from jupyter_mop.engine.questionnaire.prediction import borrow, predict
from jupyter_mop.engine.questionnaire.survey import Survey
from jupyter_mop.engine.questionnaire.survey_fit import SurveyFit, fit_survey
from jupyter_mop.errors import DataError


@pytest.fixture(scope="module")
def world() -> Town:
    return town()


@pytest.fixture(scope="module")
def fit(world: Town) -> SurveyFit:
    return fit_survey(world.people(400, seed=1), PERSONAS, world.backend)


def test_class_sizes_and_item_tables_are_recovered(world: Town) -> None:
    found = recovered(world, 1000, seed=3)
    assert found["sizes"] <= 0.05
    assert found["tables"] <= 0.05
    assert found["coverage of sizes"] >= 0.75
    assert found["of shares by group"] >= 0.75


def test_the_gradient_is_that_of_the_penalised_likelihood(fit: SurveyFit) -> None:
    start = first_parameters(fit.data.layout, 2, log_shares=fit.log_shares, spread=0.5)
    objective = _Objective(fit.data.take(np.arange(60)), start, Strengths(3.0, 2.0), fit.log_shares)
    flat = start.flat() + 0.1
    _, gradient = objective(flat)
    numeric = approx_fprime(flat, lambda x: objective(x)[0], 1e-6)
    assert np.abs(gradient - numeric).max() < 1e-5


def test_imputed_answers_are_better_than_without_a_language_model(world: Town) -> None:
    found = imputed(world, 100, seed=1, n_test=400)
    assert found["fit"] < found["latent classes"]
    assert found["fit"] < found["regression"]
    assert found["latent classes"] < found["shares"]


def test_a_respondents_own_answer_is_not_used_to_impute_it(fit: SurveyFit) -> None:
    probabilities = fit.impute("drink")
    assert probabilities.shape == (400, 3)
    assert np.allclose(probabilities.sum(axis=1), 1)
    codes = fit.survey.codes.copy()
    codes[:, 0] = (codes[:, 0] + 1) % 3
    data = fit.data
    other = data.layout.answers(codes, np.zeros_like(codes))
    changed = type(data)(data.layout, other, data.cell, data.features, data.weights)
    before = fit.data.without(0).responsibilities(fit.parameters)
    assert np.allclose(before, changed.without(0).responsibilities(fit.parameters))
    assert not np.allclose(before, fit.responsibilities())


def test_drawn_respondents_keep_their_persona_and_their_random_numbers(fit: SurveyFit) -> None:
    drawn = fit.draw(4000)
    assert list(drawn) == ["age", "persona", *ITEMS]
    for name in ITEMS:
        table = fit.item_table(name)[0]
        for k, persona in enumerate(fit.names):
            counts = drawn.loc[drawn["persona"] == persona, name].value_counts(normalize=True)
            assert np.abs(counts[ITEMS[name]].to_numpy() - table[k]).sum() / 2 < 0.08
    assert fit.draw(50).equals(drawn.head(50))
    assert not fit.draw(50, random_state=1).equals(drawn.head(50))
    with pytest.raises(DataError, match="`n` must be at least 1"):
        fit.draw(0)


def test_correlations_of_drawn_respondents_are_within_the_floor(fit: SurveyFit) -> None:
    frame = item_correlations(fit)
    assert len(frame) == 10
    assert (frame["gap"] > frame["floor_high"]).mean() <= 0.2
    assert frame["people"].min() > 0.2  # answers do go together
    table = two_way(fit, "drink", "place")
    assert table.attrs["TV"] <= table.attrs["floor_high"]
    assert table["share"].sum() == pytest.approx(1)
    product = table.groupby("drink")["share"].sum().to_numpy()[:, None]
    product = product * table.groupby("place")["share"].sum().to_numpy()
    people = table.pivot_table(index="drink", columns="place", values="people").to_numpy()
    assert np.abs(people - product).sum() / 2 > table.attrs["floor_high"]
    with pytest.raises(DataError, match="asked for twice"):
        two_way(fit, "drink", "drink")


def test_shares_by_group_follow_the_people_and_another_population(fit: SurveyFit) -> None:
    frame = fit.shares("drink", "age").frame
    assert frame["n"].iloc[0] == (fit.survey.codes[:, 0] >= 0).sum()
    assert (frame["low"] < frame["share"]).all()
    assert (frame["share"] < frame["high"]).all()
    assert (frame["share"] - frame["people"]).abs().max() < 0.06
    by_age = {age: frame.loc[frame["group"] == age, "share"].to_numpy() for age in AGES}
    mixed = 0.75 * by_age["old"] + 0.25 * by_age["young"]
    census = pd.DataFrame({"age": ["old", "young"], "weight": [3, 1]})
    for to in (census, {"age": {"old": 0.75, "young": 0.25}}):
        assert np.allclose(fit.shares("drink", to=to).frame["share"], mixed)


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ({"age": {"older": 0.5, "old": 0.5}}, "The fit has not seen age 'older'"),
        ({"age": {"old": 1.0}}, "The target has no share for age 'young'."),
        ({"sex": {"man": 1.0}}, "There is no context column 'sex' in the survey."),
        (pd.DataFrame({"age": ["old", "child"]}), "The fit has not seen age 'child', which 50.0%"),
        (pd.DataFrame({"sex": ["man"]}), "The target population has no column 'age'."),
        (pd.DataFrame({"age": ["old"], "weight": [-1]}), "The target's column 'weight'"),
        (5, "`to` must be a DataFrame or a mapping of margins, got int."),
    ],
)
def test_a_population_that_the_fit_has_not_seen_is_refused(
    fit: SurveyFit, to: object, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        fit.draw(5, to=to)
    assert caught.value.message.startswith(message)
    assert caught.value.hint


def test_an_unasked_question_is_predicted(world: Town) -> None:
    people = world.people(600, seed=5)
    fit = fit_survey(people.without("mood"), PERSONAS, world.backend)
    prediction = predict(fit, world.questions["mood"], world.backend, name="mood")
    shares = prediction.shares("age").frame
    everyone = shares.loc[shares["group"] == "everyone", "share"].to_numpy()
    gap = np.abs(everyone - people.shares("mood")).sum() / 2
    first = shares[shares["group"] == "everyone"]
    assert (first["low"] <= people.shares("mood")).all()
    assert (people.shares("mood") <= first["high"]).all()
    equal = np.abs(1 / 3 - people.shares("mood")).sum() / 2
    assert gap < equal
    assert prediction.borrowed.slope == pytest.approx(1.25, abs=0.2)
    by_person = prediction.probabilities().to_numpy()
    codes = people.codes[:, people.place("mood")]
    right = by_person[np.arange(600), codes][codes >= 0]
    assert -np.log(right).mean() < np.log(3) - 0.2
    report = prediction.report
    assert report["question"].tolist() == ["drink", "place", "when", "with"]
    assert (report["log_loss"] < report["log_loss_equal"]).all()
    assert "4 answered questions" in prediction.verdict
    assert "do not rely" not in prediction.verdict
    useless = replace(prediction, report=report.assign(predicted=report["equal"]))
    assert useless.verdict.endswith("do not rely on this prediction.")


def test_offsets_are_borrowed_by_kind_of_option(fit: SurveyFit) -> None:
    tea = borrow(fit, Question("Now?", ["TEA", "stone"]))
    own = fit.parameters.offsets[:3] - fit.parameters.offsets[:3].mean()
    assert tea.offsets.tolist() == pytest.approx([own[0] / 3, 0.0])
    scale = borrow(fit, Question("How?", ["a", "b", "c"], "scale"))
    assert scale.n_like == 0
    assert not scale.offsets.any()


@pytest.mark.parametrize(
    ("question", "name", "message"),
    [
        (Question("Which?", ["tea", "milk"], "multiple"), "x", "A multiple choice cannot be"),
        (Question("Which?", ["tea", "milk"]), "drink", "The survey has the question 'drink'"),
    ],
)
def test_questions_that_cannot_be_predicted_are_refused(
    fit: SurveyFit, world: Town, question: Question, name: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        predict(fit, question, world.backend, name=name)


def test_a_persona_that_nobody_is_like_can_be_left_out(world: Town) -> None:
    personas = f"{PERSONAS}\ne: cake park merry milk dusk"
    fit = fit_survey(world.people(400, seed=2), personas, world.backend, drop_classes=True)
    assert len(fit.personas) <= 5
    assert {"a", "b", "c"} <= set(fit.names)
    assert set(fit.fitted.held_out["classes"]) >= {5, 4}
    assert fit.fitted.held_out["chosen"].sum() == 1


def test_missing_answers_are_filled_in_and_given_ones_stay(fit: SurveyFit) -> None:
    completed = fit.completed()
    before = fit.survey.frame()
    assert not completed[list(ITEMS)].isna().any().any()
    for name in ITEMS:
        there = before[name].notna()
        assert (completed.loc[there, name] == before.loc[there, name]).all()


def test_a_question_may_name_a_context(world: Town) -> None:
    survey = world.people(60, seed=3)
    questions = {"drink": Question("{age}: what do you drink?", ITEMS["drink"])}
    asked = Survey.from_frame(survey.frame(), questions, context="age")
    fit = fit_survey(asked, PERSONAS, ToyBackend([*ITEMS["drink"], *AGES], persona_boost=2.0))
    assert fit.item_table("drink").shape == (2, 4, 3)
    drawn = fit.draw(10, to=pd.DataFrame({"age": ["old"]}))
    assert set(drawn["age"]) == {"old"}


def test_a_report_compares_with_rivals(world: Town) -> None:
    fit = fit_survey(world.people(80, seed=4).without("with").without("mood"), PERSONAS,
                     world.backend)  # fmt: skip
    report = imputation_report(fit)
    assert report["question"].tolist() == ["drink", "place", "when", "all"]
    assert (report["low"] <= report["gain"]).all()
    last = report.iloc[-1]
    assert last["fit"] < last["shares"]
    few = fit_survey(world.people(20, seed=4), PERSONAS, world.backend)
    with pytest.raises(DataError, match="at least 32 respondents, got 20"):
        imputation_report(few)


def test_too_few_respondents_are_refused(world: Town) -> None:
    with pytest.raises(DataError, match="at least 8 respondents, got 5"):
        fit_survey(world.people(5, seed=0), PERSONAS, world.backend)


def test_a_respondent_of_weight_two_counts_twice(world: Town) -> None:
    survey = world.people(300, seed=6)
    twice = np.flatnonzero(survey.codes[:, 0] == 0)
    weights = np.ones(300)
    weights[twice] = 2.0
    weighted = fit_survey(replace(survey, weights=weights / weights.mean()), PERSONAS,
                          world.backend)  # fmt: skip
    copied = fit_survey(survey.take([*range(300), *twice]), PERSONAS, world.backend)
    sizes = [fit.class_sizes()["share"].to_numpy() for fit in (weighted, copied)]
    equal = fit_survey(survey, PERSONAS, world.backend).class_sizes()["share"].to_numpy()
    assert np.abs(sizes[0] - sizes[1]).sum() < np.abs(equal - sizes[1]).sum() / 4
