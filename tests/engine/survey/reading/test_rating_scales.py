"""Verbal rating scales are recognised and put in order; other options are left alone."""

from __future__ import annotations

import pandas as pd
import pytest

from jupyter_mop import Study, Survey, ToyBackend, ToyEncoder
from jupyter_mop.engine.survey.reading.rating_scales import scale_order

SATISFIED = ["very satisfied", "satisfied", "neither", "dissatisfied", "very dissatisfied"]


@pytest.mark.parametrize(
    "scale",
    [
        SATISFIED,
        ["Very likely", "Somewhat likely", "Somewhat unlikely", "Very unlikely"],
        ["Strongly agree", "Agree", "Neither agree nor disagree", "Disagree", "Strongly disagree"],
        ["very good", "good", "neutral", "bad", "very bad"],
        ["happy", "neutral", "not happy"],
    ],
)
def test_a_scale_is_put_in_order_from_its_positive_end(scale):
    assert scale_order(sorted(scale)) == scale


@pytest.mark.parametrize(
    "options",
    [
        ["yes", "no"],
        ["likely", "unlikely"],
        ["bus", "car", "train", "not a car"],
        ["Labour", "Green", "undecided"],
        ["very good", "good", "bad", "poor"],
        ["satisfied", "very satisfied", "neither"],
    ],
)
def test_other_options_are_no_scale(options):
    assert scale_order(options) is None


def riders() -> pd.DataFrame:
    return pd.DataFrame({"age": ["young", "old"] * 40, "answer": SATISFIED * 16})


def test_a_question_about_a_column_of_a_survey_is_such_a_scale():
    question = Survey.from_frame(riders(), ["answer"], context="age").questions["answer"]
    assert list(question.options) == SATISFIED
    assert question.kind == "scale"


def test_a_question_with_the_options_of_the_population_is_such_a_scale():
    study = Study(ToyBackend(["very", "satisfied"]), ToyEncoder(["very", "satisfied"]))
    study.use_population(riders(), context="age", response="answer")
    question = study.session.closed_question("How is it?")
    assert list(question.options) == SATISFIED
    assert question.kind == "scale"
