"""How many people to ask: widths against formulas, coverage against simulated studies."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "coverage"))

from sample_design import BACKEND, BUDGET, PERSONAS, WORLDS, designed, people, studies

from jupyter_mop import SampleDesign, fit_survey, sample_design
from jupyter_mop.errors import DataError

MUCH, NOTHING = WORLDS


@pytest.fixture(scope="module")
def much() -> SampleDesign:
    return designed(MUCH)


def test_widths_are_those_of_the_variance_formula(much: SampleDesign) -> None:
    p_old, p_young = WORLDS[MUCH]
    explained = (p_old - p_young) ** 2 / 4 / 0.25  # between ages, of the variance of a share of .5
    alone = 2 * 1.653 * np.sqrt(0.25 / BUDGET)
    for row in much.splits.to_dict("records"):
        assert row["width_alone"] == pytest.approx(alone, rel=0.03)
        if 0 < row["n_fit"] <= 80:
            n = row["n_rectify"]
            power = 1 / (1 + n / 10_000)  # PPI++ with a right prediction
            expected = 2 * 1.66 * np.sqrt(0.25 * (1 - explained * power) / n)
            assert row["width"] == pytest.approx(expected, rel=0.12)


def test_few_people_for_the_fit_are_enough_where_contexts_decide(much: SampleDesign) -> None:
    assert 0 < much.n_fit <= 40
    assert (much.best["worth"] > 2 * BUDGET).all()
    assert much.verdict.startswith(f"Of 200 people use {much.n_fit} for the fit")
    assert {"question", "option", "power"} <= set(much.best)


def test_where_contexts_decide_nothing_people_alone_are_taken() -> None:
    design = designed(NOTHING)
    assert design.n_fit == 0
    assert design.verdict.startswith("The simulation saves nothing: use the answers of 200 people")
    assert (design.splits["width"].diff().iloc[1:] > 0).all()


def test_a_study_as_designed_covers_the_truth_and_is_as_wide_as_expected(
    much: SampleDesign,
) -> None:
    found = studies(MUCH, much.n_fit, 3)  # the command runs 200
    assert found["covers"] >= 0.5
    expected = much.best["width"].mean()
    assert found["width"] == pytest.approx(expected, rel=0.15)


def test_bad_input_gets_one_sentence() -> None:
    few = fit_survey(people(WORLDS[MUCH], 30, 0), PERSONAS, BACKEND)
    with pytest.raises(DataError, match="`budget` must be at least 20 people, got 5"):
        sample_design(few, 5)
    with pytest.raises(DataError, match="`level` must be between 0 and 1, got 90"):
        sample_design(few, 100, level=90)
    with pytest.raises(DataError, match="at least 32 respondents, got 30"):
        sample_design(few, 100)
